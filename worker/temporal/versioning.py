"""Worker versioning: a cycle ends on the code it began with; what lives for days goes over to the newest.

Off unless a deployment and a build are named. A version does nothing until somebody makes it current, and the schedule
then starts runs that nobody takes: so whoever starts a worker, or asks the doctor, is told.
"""

from collections.abc import Sequence
from datetime import timedelta

from temporalio.api.workflowservice.v1 import DescribeWorkerDeploymentRequest
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import WorkerDeploymentConfig, WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.model.identifiers import WorkflowName
from worker.config.schema import TemporalSettings

PINNED_WORKFLOWS = (WorkflowName.CYCLE, WorkflowName.UPKEEP)
"""What ends within a minute; everything else goes over to the current version."""


def build_deployment_config(settings: TemporalSettings) -> WorkerDeploymentConfig | None:
    """Return which version this worker is, None if versions are not used."""
    if not settings.deployment_name:
        return None
    version = WorkerDeploymentVersion(deployment_name=settings.deployment_name, build_id=settings.build_id)
    return WorkerDeploymentConfig(
        version=version, use_worker_versioning=True, default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE
    )


class PinningRunner(SandboxedWorkflowRunner):
    """Runs workflows as usual, but says of the short ones that they stay on their version.

    Not said where they are defined: the server refuses it from a worker without a version.
    """

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Return the instance of one run, whose every answer to the server says that it is pinned."""
        instance = super().create_instance(det)
        if det.defn.name in PINNED_WORKFLOWS:
            answer = instance.activate

            def pinned(act: WorkflowActivation) -> WorkflowActivationCompletion:
                completion = answer(act)
                if completion.HasField("successful"):
                    completion.successful.versioning_behavior = VersioningBehavior.PINNED.value
                return completion

            instance.activate = pinned  # type: ignore[method-assign]  # of this one run only
        return instance


def build_workflow_runner(settings: TemporalSettings, passed_through: Sequence[str]) -> SandboxedWorkflowRunner:
    """Return what runs the workflows of this worker."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*passed_through)
    kind = PinningRunner if settings.deployment_name else SandboxedWorkflowRunner
    return kind(restrictions=restrictions)


async def find_current_build(client: Client, deployment: str, rpc_timeout: timedelta | None = None) -> str:
    """Return the build that is current in a deployment, "" if none is, or if nobody ever worked for it.

    Raises:
        RPCError: Temporal does not say.
    """
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=deployment)
    try:
        found = await client.workflow_service.describe_worker_deployment(request, timeout=rpc_timeout)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return ""
        raise
    return found.worker_deployment_info.routing_config.current_deployment_version.build_id


def format_promote_command(settings: TemporalSettings) -> str:
    """Return the command that makes this worker's version the current one."""
    named = f"--deployment-name {settings.deployment_name} --build-id {settings.build_id}"
    return f"temporal worker deployment set-current-version {named} --yes"

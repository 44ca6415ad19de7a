"""Worker versioning: a cycle ends on the version it started on; long-lived workflows move to the current version.

Versioning is off unless a deployment and a build are configured. A version gets no work until an operator makes it
current, and until then the schedule starts runs that no worker takes. The worker and `mapek doctor` warn about this.
"""

from collections.abc import Sequence
from datetime import timedelta

from temporalio.api.workflowservice.v1 import DescribeWorkerDeploymentRequest
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import WorkerDeploymentConfig, WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.model.identifiers import WorkflowName
from worker.config.schema import TemporalSettings
from worker.temporal.rpc import none_if_missing

PINNED_WORKFLOWS = (WorkflowName.CYCLE, WorkflowName.UPKEEP)
"""Workflows that end within a minute. All others move to the current version."""


def build_deployment_config(settings: TemporalSettings) -> WorkerDeploymentConfig | None:
    """Return the version of this worker, None without versioning."""
    if not settings.deployment_name:
        return None
    version = WorkerDeploymentVersion(deployment_name=settings.deployment_name, build_id=settings.build_id)
    return WorkerDeploymentConfig(
        version=version, use_worker_versioning=True, default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE
    )


class PinningRunner(SandboxedWorkflowRunner):
    """A workflow runner that pins the short workflows to their version.

    The workflow definitions do not declare this, since the server refuses it from a worker without a version.
    """

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Return the instance of one run, which reports itself as pinned in every completion."""
        instance = super().create_instance(det)
        if det.defn.name in PINNED_WORKFLOWS:
            activate = instance.activate

            def activate_pinned(act: WorkflowActivation) -> WorkflowActivationCompletion:
                completion = activate(act)
                if completion.HasField("successful"):
                    completion.successful.versioning_behavior = VersioningBehavior.PINNED.value
                return completion

            instance.activate = activate_pinned  # type: ignore[method-assign]  # of this one run only
        return instance


def build_workflow_runner(settings: TemporalSettings, passed_through: Sequence[str]) -> SandboxedWorkflowRunner:
    """Return the workflow runner of this worker."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*passed_through)
    runner = PinningRunner if settings.deployment_name else SandboxedWorkflowRunner
    return runner(restrictions=restrictions)


async def find_current_build(client: Client, deployment: str, rpc_timeout: timedelta | None = None) -> str:
    """Return the current build of a deployment, "" if there is none or the deployment does not exist.

    Raises:
        RPCError: Temporal does not answer.
    """
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=deployment)
    description = await none_if_missing(
        client.workflow_service.describe_worker_deployment(request, timeout=rpc_timeout)
    )
    return (
        ""
        if description is None
        else description.worker_deployment_info.routing_config.current_deployment_version.build_id
    )


def format_promote_command(settings: TemporalSettings) -> str:
    """Return the command that makes this worker's version the current one."""
    options = f"--deployment-name {settings.deployment_name} --build-id {settings.build_id}"
    return f"temporal worker deployment set-current-version {options} --yes"

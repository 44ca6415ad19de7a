"""Every workflow file loads in the sandbox, as the worker configures it."""

import pytest
from temporalio import workflow
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from worker.main import PASSED_THROUGH, WORKFLOWS


@pytest.mark.parametrize("defined", WORKFLOWS, ids=lambda w: w.__name__)
async def test_workflow_loads_in_the_sandbox(defined: type) -> None:
    """No import of a workflow file is restricted, and none is passed through without intention."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(
        *PASSED_THROUGH
    ).with_import_notification_policy(workflow.SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH)
    definition = workflow._Definition.must_from_class(defined)
    SandboxedWorkflowRunner(restrictions=restrictions).prepare_workflow(definition)
    assert definition.name == defined.__name__

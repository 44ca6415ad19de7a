"""How the intake (the workflow MapekLoop) is started by bootstrap, CLI and webhook: a running one is used."""

from typing import Any

from temporalio.common import WorkflowIDConflictPolicy

from activities.model import identifiers
from workflows import search_attributes
from workflows.search_attributes import build_search_attributes


def intake_options(loop: str) -> dict[str, Any]:
    """Return the options that start the intake of a loop unless it is running."""
    return {
        "id": identifiers.loop_workflow_id(loop),
        "task_queue": identifiers.TASK_QUEUE,
        "id_conflict_policy": WorkflowIDConflictPolicy.USE_EXISTING,
        "search_attributes": build_search_attributes({search_attributes.LOOP: loop}),
        "static_summary": f"starts cycles of {loop}: signal run_cycle, update request_cycle",
    }

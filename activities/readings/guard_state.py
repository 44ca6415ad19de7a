"""The guard state of one Charter."""

from activities.clients.store.store import Store
from activities.model.guard_state import GuardState
from activities.model.snapshot import AnalysisInput
from activities.monitor.own_changes import own_applied_steps


async def load_guard_state(
    store: Store, charter: str, analysis_input: AnalysisInput, now: float, except_plan: str = ""
) -> GuardState:
    """Return the guard state at `now` (unix seconds), with every unsettled plan except `except_plan`."""
    unresolved = await store.plans.load_unresolved(
        charter, own_applied_steps(analysis_input.committee, analysis_input.policies)
    )
    unsettled = tuple(plan.as_unsettled for plan in unresolved if plan.plan_id != except_plan)
    return (await store.guards.load_state(charter, now)).model_copy(update={"unsettled": unsettled})

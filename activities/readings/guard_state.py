"""The guard state of one Charter."""

from activities.clients.store.store import Store
from activities.model.guard_state import GuardState
from activities.model.snapshot import AnalysisInput
from activities.monitor.own_changes import own_applied_steps


async def load_guard_state(
    store: Store, charter: str, analysis_input: AnalysisInput, now: float, except_plan: str = ""
) -> GuardState:
    """Return the guard state at `now` (unix seconds), with what stands at Charter and is not settled besides a plan."""
    standing = await store.plans.load_unresolved(
        charter, own_applied_steps(analysis_input.committee, analysis_input.policies)
    )
    unsettled = tuple(plan.as_unsettled for plan in standing if plan.plan_id != except_plan)
    return (await store.guards.load_state(charter, now)).model_copy(update={"unsettled": unsettled})

"""The state of a plan's steps."""

from activities.clients.store.store import Store
from activities.execute.step_state import StepState, build_step_state
from activities.model.plan import Plan


async def load_step_state(store: Store, plan: Plan) -> StepState:
    """Return the state of the plan's steps."""
    outcome = await store.outcomes.load_for_plan(plan.plan_id)
    effects, rows = await store.plans.load_effects(plan.plan_id), await store.audit.load_for_plan(plan.plan_id)
    return build_step_state(effects, rows, outcome.outcome if outcome else "")

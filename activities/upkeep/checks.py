"""A later look at a success: does the plan's effect still stand, and is its trouble back? Pure."""

from enum import StrEnum

from activities.model.outcome import Outcome
from activities.model.plan import Plan
from activities.plan.knobs import knob_generation
from activities.upkeep.current_state import CurrentState


class RecheckResult(StrEnum):
    """What a later look at a success sees."""

    LASTS = "lasts"
    RELAPSED = "relapsed"
    MOVED = "moved"
    UNKNOWN = "unseen"


def classify_recheck(plan: Plan, outcome: Outcome, last_generation: int, state: CurrentState) -> RecheckResult:
    """Return what is seen of a success whose last effect left its knob at generation `left`.

    relapsed: more of its pairs are violated than were when it was called a success. moved: somebody changed the knob
    since, so that the present says nothing of this plan. unseen: Charter or a component cannot be judged now; nothing
    is concluded from that.
    """
    if state.committee is None or state.policies is None:
        return RecheckResult.UNKNOWN
    if knob_generation(plan.knob, state.committee, state.policies) != last_generation:
        return RecheckResult.MOVED
    targets = plan.verification.targets
    if len(state.violated.intersection(targets)) > outcome.after:
        return RecheckResult.RELAPSED
    return RecheckResult.UNKNOWN if state.may_hide(targets) else RecheckResult.LASTS

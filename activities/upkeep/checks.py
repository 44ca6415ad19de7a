"""A later look at a success: does the plan's effect still stand, and is its trouble back? Pure."""

from enum import StrEnum

from activities.model.outcome import Outcome
from activities.model.plan import Plan
from activities.plan.knobs import generation_of
from activities.upkeep.current_state import Seen


class Look(StrEnum):
    """What a later look at a success sees."""

    LASTS = "lasts"
    RELAPSED = "relapsed"
    MOVED = "moved"
    UNSEEN = "unseen"


def looked_again(plan: Plan, outcome: Outcome, left: int, seen: Seen) -> Look:
    """Return what is seen of a success whose last effect left its knob at generation `left`.

    relapsed: more of its pairs are violated than were when it was called a success. moved: somebody changed the knob
    since, so that the present says nothing of this plan. unseen: Charter or a component cannot be judged now; nothing
    is concluded from that.
    """
    if seen.committee is None or seen.policies is None:
        return Look.UNSEEN
    if generation_of(plan.knob, seen.committee, seen.policies) != left:
        return Look.MOVED
    targets = plan.verification.targets
    if len(seen.violated.intersection(targets)) > outcome.after:
        return Look.RELAPSED
    return Look.UNSEEN if seen.hidden(targets) else Look.LASTS

"""Later checks against the present state: is a success still one, and was a shadow decision right? Pure."""

from enum import StrEnum

from activities.model.autonomy import EvidenceKind, ShadowDecision
from activities.model.outcome import Outcome
from activities.model.plan import Plan
from activities.monitor.current_state import CurrentState
from activities.plan.knobs import knob_generation


class RecheckResult(StrEnum):
    """The result of a recheck of a success."""

    LASTS = "lasts"
    RELAPSED = "relapsed"
    MOVED = "moved"
    """Another writer changed the knob: the present state does not show the plan's effect."""
    UNKNOWN = "unseen"
    """Charter or a component is not readable: nothing is concluded."""


def classify_recheck(plan: Plan, outcome: Outcome, last_generation: int, state: CurrentState) -> RecheckResult:
    """Return the result for a success whose last effect left its knob at `last_generation`.

    It relapsed if more of its targets are violated than at its verdict.
    """
    if state.committee is None or state.policies is None:
        return RecheckResult.UNKNOWN
    if knob_generation(plan.knob, state.committee, state.policies) != last_generation:
        return RecheckResult.MOVED
    targets = plan.verification.targets
    if len(state.violated.intersection(targets)) > outcome.after:
        return RecheckResult.RELAPSED
    return RecheckResult.UNKNOWN if state.may_hide(targets) else RecheckResult.LASTS


def score_shadow(shadow: ShadowDecision, state: CurrentState) -> EvidenceKind | None:
    """Return whether the shadow decision was right; None if the state does not show it.

    MATCH: an operator moved the knob, or a target is still violated. MISS: all targets recovered without a change.
    """
    if state.committee is None or state.policies is None:
        return None
    moved = knob_generation(shadow.knob, state.committee, state.policies) != shadow.generation
    if moved or state.violated.intersection(shadow.targets):
        return EvidenceKind.MATCH
    return None if state.may_hide(shadow.targets) else EvidenceKind.MISS

"""Scoring shadow decisions by what then happened. Pure."""

from activities.model.autonomy import EvidenceKind, ShadowDecision
from activities.plan.knobs import knob_generation
from activities.upkeep.current_state import CurrentState


def score_shadow(shadow: ShadowDecision, state: CurrentState) -> EvidenceKind | None:
    """Return whether the decision was right, None if it cannot be told now.

    A knob that moved since was moved by a person: they saw the same need. A trouble that stayed needed an answer; one
    that went away by itself, seen and not assumed, needed none.
    """
    if state.committee is None or state.policies is None:
        return None
    moved = knob_generation(shadow.knob, state.committee, state.policies) != shadow.generation
    if moved or state.violated.intersection(shadow.targets):
        return EvidenceKind.MATCH
    return None if state.may_hide(shadow.targets) else EvidenceKind.MISS

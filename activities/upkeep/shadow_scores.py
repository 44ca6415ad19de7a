"""Scoring shadow decisions by what then happened. Pure."""

from activities.model.autonomy import Mark, Shadow
from activities.plan.knobs import generation_of
from activities.upkeep.current_state import Seen


def scored(shadow: Shadow, seen: Seen) -> Mark | None:
    """Return whether the decision was right, None if it cannot be told now.

    A knob that moved since was moved by a person: they saw the same need. A trouble that stayed needed an answer; one
    that went away by itself, seen and not assumed, needed none.
    """
    if seen.committee is None or seen.policies is None:
        return None
    moved = generation_of(shadow.knob, seen.committee, seen.policies) != shadow.generation
    if moved or seen.violated.intersection(shadow.targets):
        return Mark.MATCH
    return None if seen.hidden(shadow.targets) else Mark.MISS

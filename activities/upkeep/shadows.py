"""Scoring shadow decisions by what then happened. Pure."""

from activities.model.autonomy import Mark, Shadow
from activities.model.charter import Committee, Policy
from activities.plan.knobs import generation_of


def scored(
    shadow: Shadow,
    committee: Committee | None,
    policies: tuple[Policy, ...] | None,
    violated: frozenset[tuple[str, str]],
    blind: frozenset[str],
) -> Mark | None:
    """Return whether the decision was right, None if it cannot be told now.

    `violated` are the (component, metric) pairs violated now, `blind` the components that cannot be judged, "*" all.
    A knob that moved since was moved by a person: they saw the same need. A trouble that stayed needed an answer; one
    that went away by itself, seen and not assumed, needed none.
    """
    if committee is None or policies is None:
        return None
    if generation_of(shadow.knob, committee, policies) != shadow.generation or violated.intersection(shadow.targets):
        return Mark.MATCH
    unseen = blind.intersection({component for component, _ in shadow.targets} | {"*", "prometheus", "charter"})
    return None if unseen else Mark.MISS

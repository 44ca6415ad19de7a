"""How long a knob rests after a remediation."""

from activities.model.plan import CoolDowns

KEPT_CHANGE_OUTCOMES = frozenset({"fixed", "improved", "inconclusive"})
"""The change stands and needs time to show; acting again at once would answer what is already answered."""

LONG_COOL_DOWN_OUTCOMES = frozenset({"worse", "rolled_back", "failed", "stopped"})
"""The knob was moved and moved back, or may be half moved: the same state would tempt the same plan."""


def cool_down_seconds(outcome: str, cool_downs: CoolDowns) -> float:
    """Return the seconds the knob rests after `ending` (a remediation's `MapekOutcome`).

    0 for endings that applied nothing: rejected, expired, superseded, recovered, stale.
    """
    if outcome in KEPT_CHANGE_OUTCOMES:
        return cool_downs.after_success
    if outcome in LONG_COOL_DOWN_OUTCOMES:
        return cool_downs.rolled_back
    return cool_downs.no_effect if outcome == "no_effect" else 0.0

"""How long a knob rests after a remediation."""

from activities.model.plan import CoolDowns

KEPT = frozenset({"fixed", "improved", "inconclusive"})
"""The change stands and needs time to show; acting again at once would answer what is already answered."""

LONG = frozenset({"worse", "rolled_back", "failed", "stopped"})
"""The knob was moved and moved back, or may be half moved: the same state would tempt the same plan."""


def cool_down(ending: str, cool_downs: CoolDowns) -> float:
    """Return the seconds the knob rests after `ending` (a remediation's `MapekOutcome`).

    0 for endings that applied nothing: rejected, expired, superseded, recovered, stale.
    """
    if ending in KEPT:
        return cool_downs.kept
    if ending in LONG:
        return cool_downs.rolled_back
    return cool_downs.no_effect if ending == "no_effect" else 0.0

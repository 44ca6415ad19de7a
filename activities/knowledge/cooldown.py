"""How long a knob cools down after a remediation."""

from activities.model.plan import CoolDowns
from activities.model.remediation_outcome import CoolDown, consequences_of


def cool_down_seconds(outcome: str, cool_downs: CoolDowns) -> float:
    """Return the seconds the knob cools down after `outcome`, 0 if nothing was applied."""
    seconds = {
        CoolDown.NONE: 0.0,
        CoolDown.AFTER_SUCCESS: cool_downs.after_success,
        CoolDown.NO_EFFECT: cool_downs.no_effect,
        CoolDown.ROLLED_BACK: cool_downs.rolled_back,
    }
    return seconds[consequences_of(outcome).cool_down]

"""The risk of a plan, and whether an operator must approve it."""

from collections.abc import Mapping
from types import MappingProxyType

from activities.model.action import Action, ActionType, Route
from activities.model.plan import Risk
from activities.plan.settings import ApprovalSettings

APPROVAL_REQUIRED_ACTIONS = frozenset({ActionType.BYPASS_VALIDATION, ActionType.ACTIVATE_EMERGENCY_OVERRIDE})
"""Both switch off Charter's own protection, so they need approval with any settings."""

BASE_RISK: Mapping[ActionType, Risk] = MappingProxyType(
    {
        ActionType.BYPASS_VALIDATION: Risk.HIGH,
        ActionType.ACTIVATE_EMERGENCY_OVERRIDE: Risk.HIGH,
        ActionType.RESTART_SERVICE: Risk.MEDIUM,
        ActionType.SCALE_DOWN: Risk.MEDIUM,
        ActionType.SCALE_UP: Risk.LOW,
        ActionType.APPLY_POLICY: Risk.LOW,
        ActionType.THROTTLE_REQUESTS: Risk.LOW,
        ActionType.REBALANCE_LOAD: Risk.LOW,
        ActionType.UPDATE_CONFIGURATION: Risk.LOW,
    }
)
"""The risk of an action with a small blast radius. Every action type has a row. A restart has no inverse."""

WIDE_BLAST_RADIUS = 0.5
"""Share of the components above which the blast radius raises the risk by one level."""


def compute_blast_radius(actions: tuple[Action, ...], component_count: int) -> float:
    """Return the share, 0 to 1, of the components that the actions affect.

    A policy or a restart without a target affects all of them, a change of the committee's size one.
    """
    if any(a.component is None and a.route is not Route.SCALE for a in actions):
        return 1.0
    return min(1.0, len({a.component for a in actions}) / max(1, component_count))


def compute_risk(actions: tuple[Action, ...], component_count: int) -> Risk:
    """Return the highest risk of the actions, one level higher if they affect more than half of the components."""
    highest = max((_base_risk(a) for a in actions), key=lambda risk: risk.rank)
    is_wide = compute_blast_radius(actions, component_count) > WIDE_BLAST_RADIUS
    return list(Risk)[min(highest.rank + is_wide, Risk.HIGH.rank)]


def _base_risk(action: Action) -> Risk:
    # A rollback switches no protection off.
    return Risk.LOW if action.rollback_of else BASE_RISK[action.type]


def risk_requires_approval(actions: tuple[Action, ...], risk: Risk, settings: ApprovalSettings) -> bool:
    """Return whether an operator must approve: from the configured risk, and always for `APPROVAL_REQUIRED_ACTIONS`."""
    if any(a.type in APPROVAL_REQUIRED_ACTIONS and not a.rollback_of for a in actions):
        return True
    return settings.from_risk != "never" and risk.rank >= settings.from_risk.rank

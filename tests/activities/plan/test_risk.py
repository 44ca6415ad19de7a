"""Risk and the need for approval."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.model.action import Action, ActionType
from activities.model.plan import Risk
from activities.plan.risk import compute_blast_radius, compute_risk, risk_requires_approval
from activities.plan.settings import ApprovalSettings


def make_action(kind: str, component: str | None = None) -> Action:
    """Return an action of a type."""
    return Action(type=ActionType(kind), component=component)


@pytest.mark.parametrize(
    ("actions", "components", "expected"),
    [
        ((make_action("SCALE_UP"),), 8, Risk.LOW),
        ((make_action("SCALE_DOWN"),), 8, Risk.MEDIUM),
        ((make_action("UPDATE_CONFIGURATION", "policy-engine"),), 8, Risk.LOW),
        ((make_action("THROTTLE_REQUESTS", "gateway"),), 8, Risk.LOW),
        ((make_action("THROTTLE_REQUESTS"),), 8, Risk.MEDIUM),
        ((make_action("APPLY_POLICY"),), 8, Risk.MEDIUM),
        ((make_action("REBALANCE_LOAD", "gateway"),), 1, Risk.MEDIUM),
        ((make_action("RESTART_SERVICE", "validator-2"),), 8, Risk.MEDIUM),
        ((make_action("RESTART_SERVICE"),), 8, Risk.HIGH),
        ((make_action("SCALE_UP"), make_action("RESTART_SERVICE", "validator-2")), 8, Risk.MEDIUM),
        ((make_action("BYPASS_VALIDATION", "gateway"),), 8, Risk.HIGH),
        ((make_action("ACTIVATE_EMERGENCY_OVERRIDE"),), 8, Risk.HIGH),
    ],
)
def test_risk_from_reversibility_and_blast_radius(actions: tuple[Action, ...], components: int, expected: Risk) -> None:
    """The riskiest action counts, one level higher if more than half of the components are affected."""
    assert compute_risk(actions, components) is expected


def test_blast_radius_is_a_share() -> None:
    """Distinct targets over all components; without a target all of them, except for the committee's size."""
    two = (make_action("REBALANCE_LOAD", "a"), make_action("THROTTLE_REQUESTS", "b"))
    assert compute_blast_radius(two, 8) == 0.25
    assert compute_blast_radius((make_action("APPLY_POLICY"),), 8) == 1.0
    assert compute_blast_radius((make_action("SCALE_UP"),), 8) == 0.125
    assert compute_blast_radius((make_action("REBALANCE_LOAD", "a"),), 0) == 1.0


@given(st.sampled_from([*Risk, "never"]), st.sampled_from(list(Risk)))
def test_bypass_and_override_always_need_approval(from_risk: Risk | Literal["never"], risk: Risk) -> None:
    """No setting lets the loop switch off Charter's protection without approval."""
    settings = ApprovalSettings(from_risk=from_risk)
    assert risk_requires_approval((make_action("BYPASS_VALIDATION"),), risk, settings)
    assert risk_requires_approval((make_action("SCALE_UP"), make_action("ACTIVATE_EMERGENCY_OVERRIDE")), risk, settings)


@pytest.mark.parametrize(
    ("from_risk", "requiring"),
    [(Risk.LOW, {"low", "medium", "high"}), (Risk.MEDIUM, {"medium", "high"}), (Risk.HIGH, {"high"}), ("never", set())],
)
def test_approval_starts_at_the_configured_risk(from_risk: Risk | Literal["never"], requiring: set[str]) -> None:
    """Approval is required from the configured risk upwards."""
    settings = ApprovalSettings(from_risk=from_risk)
    assert {r.value for r in Risk if risk_requires_approval((make_action("SCALE_UP"),), r, settings)} == requiring

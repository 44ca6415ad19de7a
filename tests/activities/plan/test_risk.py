"""Risk and the need of approval."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.model.action import Action, ActionType
from activities.model.plan import Risk
from activities.plan.risk import blast_radius, needs_approval, risk_of
from activities.plan.settings import ApprovalSettings


def action(kind, component=None):
    """Return an action of a type."""
    return Action(type=ActionType(kind), component=component)


@pytest.mark.parametrize(
    ("actions", "components", "expected"),
    [
        ((action("SCALE_UP"),), 8, Risk.LOW),
        ((action("SCALE_DOWN"),), 8, Risk.MEDIUM),
        ((action("UPDATE_CONFIGURATION", "policy-engine"),), 8, Risk.LOW),
        ((action("THROTTLE_REQUESTS", "gateway"),), 8, Risk.LOW),
        ((action("THROTTLE_REQUESTS"),), 8, Risk.MEDIUM),
        ((action("APPLY_POLICY"),), 8, Risk.MEDIUM),
        ((action("REBALANCE_LOAD", "gateway"),), 1, Risk.MEDIUM),
        ((action("RESTART_SERVICE", "validator-2"),), 8, Risk.MEDIUM),
        ((action("RESTART_SERVICE"),), 8, Risk.HIGH),
        ((action("SCALE_UP"), action("RESTART_SERVICE", "validator-2")), 8, Risk.MEDIUM),
        ((action("BYPASS_VALIDATION", "gateway"),), 8, Risk.HIGH),
        ((action("ACTIVATE_EMERGENCY_OVERRIDE"),), 8, Risk.HIGH),
    ],
)
def test_risk_from_reversibility_and_blast_radius(actions, components, expected):
    """The worst action counts, and one more if more than half of the components are touched."""
    assert risk_of(actions, components) is expected


def test_blast_radius_is_a_share():
    """Distinct targets over all components; without a target everything, except for the committee's size."""
    two = (action("REBALANCE_LOAD", "a"), action("THROTTLE_REQUESTS", "b"))
    assert blast_radius(two, 8) == 0.25
    assert blast_radius((action("APPLY_POLICY"),), 8) == 1.0
    assert blast_radius((action("SCALE_UP"),), 8) == 0.125
    assert blast_radius((action("REBALANCE_LOAD", "a"),), 0) == 1.0


@given(st.sampled_from([*Risk, "never"]), st.sampled_from(list(Risk)))
def test_bypass_and_override_always_need_approval(from_risk, risk):
    """No setting lets the loop switch Charter's protection off by itself."""
    settings = ApprovalSettings(from_risk=from_risk)
    assert needs_approval((action("BYPASS_VALIDATION"),), risk, settings)
    assert needs_approval((action("SCALE_UP"), action("ACTIVATE_EMERGENCY_OVERRIDE")), risk, settings)


@pytest.mark.parametrize(
    ("from_risk", "asked"),
    [(Risk.LOW, {"low", "medium", "high"}), (Risk.MEDIUM, {"medium", "high"}), (Risk.HIGH, {"high"}), ("never", set())],
)
def test_approval_starts_at_the_configured_risk(from_risk, asked):
    """Approval is asked for from the configured risk upwards."""
    settings = ApprovalSettings(from_risk=from_risk)
    assert {r.value for r in Risk if needs_approval((action("SCALE_UP"),), r, settings)} == asked

"""Plans to apply. The factories have session scope, so that hypothesis may draw many cases with one of them."""

from typing import Any, Protocol

import pytest

from activities.model.action import Action, ActionType
from activities.model.diagnosis import Cause
from activities.model.plan import Plan, Risk, Verification, compute_plan_hash
from activities.plan.settings import CoolDownSettings

SCALE_UP = Action(type=ActionType.SCALE_UP, parameters={"replicas": 6}, cost=0.2)
RESTART = Action(
    type=ActionType.RESTART_SERVICE,
    component="validator-2",
    parameters={"member": "validator-2", "graceful": True, "timeout": 30},
    cost=0.3,
)
THROTTLE = Action(type=ActionType.THROTTLE_REQUESTS, component="gateway", parameters={"rate_limit": 300.0}, cost=0.25)
OVERRIDE = Action(type=ActionType.ACTIVATE_EMERGENCY_OVERRIDE, parameters={"duration": 300.0}, cost=0.6)

TARGETS = (("validator-1", "p99"), ("validator-2", "p99"))


class PlanFactory(Protocol):
    """Makes a plan of these actions, with changes of its fields."""

    def __call__(self, *actions: Action, **changes: Any) -> Plan:
        """Return the plan."""


def _make_plan(*actions: Action, **changes: Any) -> Plan:
    steps = actions or (SCALE_UP,)
    plan_hash = compute_plan_hash("abcdefabcdef", 0, changes.get("generation", 7), steps)
    defaults: dict[str, Any] = {
        "plan_id": plan_hash[:12],
        "hash": plan_hash,
        "loop": "charter",
        "charter": "charter",
        "cycle_id": "mapek-cycle:charter-1",
        "knob": steps[0].knob,
        "incident_id": "abcdefabcdef",
        "rung": 0,
        "cause": Cause.VALIDATION_LATENCY,
        "component": "committee",
        "onset": 900.0,
        "generation": 7,
        "actions": steps,
        "created_at": 1767225600.25,
        "settle": 15.0,
        "verification": Verification(
            targets=TARGETS, neighbours=("gateway", "validator-1", "validator-2"), baseline_count=2
        ),
        "cool_downs": CoolDownSettings().to_cool_downs(),
        "risk": Risk.LOW,
        "needs_approval": False,
        "approval_deadline": 86400.0,
        "confidence": 0.85,
        "cost": 0.2,
        "benefit": 0.68,
        "score": 0.48,
        "snapshot": "5" * 64,
        "headline": "SCALE_UP committee (replicas 6)",
    }
    return Plan(**(defaults | changes))


@pytest.fixture(scope="session")
def make_plan() -> PlanFactory:
    """Return a factory of plans (without actions: SCALE_UP to 6 replicas), with their true hash."""
    return _make_plan


@pytest.fixture(scope="session")
def actions() -> dict[str, Action]:
    """Return actions by name."""
    return {"scale": SCALE_UP, "restart": RESTART, "throttle": THROTTLE, "override": OVERRIDE}

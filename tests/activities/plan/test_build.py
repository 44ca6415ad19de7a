"""The plan: what its id depends on, and what it holds."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.model.action import ActionType
from activities.model.blindspot import BlindSpot, BlindSpotKind
from activities.model.charter import Policy
from activities.model.decision import Decision
from activities.model.experience import ActionStats, Experience
from activities.model.guard_state import GuardState
from activities.model.incident import Incident, compute_incident_id
from activities.model.plan import CoolDowns, Plan, Risk, Verification, compute_plan_hash
from activities.plan.choose import choose
from activities.plan.knobs import knob_generation
from activities.plan.settings import DEFAULT_COSTS, ApprovalSettings, CoolDownSettings, PlanSettings
from tests.activities.plan.builders import make_committee, make_context, make_root_cause


def find_only_plan(decision: Decision) -> Plan:
    """Return the only plan of a decision."""
    (plan,) = decision.plans
    return plan


def test_a_plan_holds_everything() -> None:
    """A plan holds its cause, its generation, its numbers and its timings."""
    plan = find_only_plan(
        choose(
            make_context(make_root_cause("validation_latency", pairs=(("validator-1", "p99"), ("validator-2", "p99"))))
        )
    )
    assert plan.hash == compute_plan_hash(plan.incident_id, 0, 7, plan.actions)
    assert plan.plan_id == plan.hash[:12]
    assert plan.incident_id == compute_incident_id("charter", "committee", 900.0)
    assert (plan.knob, plan.generation, plan.onset, plan.created_at, plan.settle) == (
        "committee",
        7,
        900.0,
        1000.0,
        15.0,
    )
    assert (plan.risk, plan.needs_approval) == (Risk.LOW, False)
    assert plan.cool_downs == CoolDowns(after_success=300.0, no_effect=0.0, rolled_back=900.0)
    assert plan.verification.targets == (("validator-1", "p99"), ("validator-2", "p99"))
    assert plan.verification.baseline_count == 2
    assert plan.headline == "SCALE_UP committee (replicas 6): score +0.48; validation_latency on committee 0.85"


@given(
    cost=st.floats(0.0, 0.3),
    confidence=st.floats(0.7, 1.0),
    n=st.integers(0, 40),
    at=st.floats(0, 1e6),
)
def test_the_id_depends_on_the_change_alone(cost: float, confidence: float, n: int, at: str) -> None:
    """Cost, confidence, experience, settling and time do not change the id."""
    expected = find_only_plan(choose(make_context(make_root_cause("overload", "gateway"))))
    settings = PlanSettings(cost_model={**DEFAULT_COSTS, ActionType.REBALANCE_LOAD: cost}, settle_seconds=1.0)
    learned = ActionStats(action=ActionType.REBALANCE_LOAD, cause="overload", count=n, total=float(n))
    other = make_context(
        make_root_cause("overload", "gateway", confidence=confidence),
        settings=settings,
        experience=Experience(action_stats=(learned,)),
        confidence=0.7,
        at=at,
    )
    assert find_only_plan(choose(other)).plan_id == expected.plan_id


@pytest.mark.parametrize(
    "change",
    [
        {"onset": 901.0},
        {"generation": 8},
        {"replicas": 6},
    ],
)
def test_another_state_or_incident_is_another_plan(change: dict[str, Any]) -> None:
    """Another onset, generation or parameter gives another id."""
    expected = find_only_plan(choose(make_context(make_root_cause("validation_latency"))))
    root = make_root_cause("validation_latency", onset=change.get("onset", 900.0))
    state = make_committee(change.get("replicas", 5), generation=change.get("generation", 7))
    assert find_only_plan(choose(make_context(root, committee=state))).plan_id != expected.plan_id


def test_an_open_incident_keeps_its_id_and_onset() -> None:
    """While an incident is open, a later onset does not open another one."""
    incident = Incident(incident_id="abcdefabcdef", charter="charter", knob="committee", onset=700.0, opened_at=710.0)
    context = make_context(make_root_cause("validation_latency", onset=950.0))
    plan = find_only_plan(choose(replace(context, guards=GuardState(incidents=(incident,)))))
    assert (plan.incident_id, plan.onset) == ("abcdefabcdef", 700.0)


def test_neighbours_are_the_visible_components_around() -> None:
    """The components of the targets with callers and callees, all members for the committee, no blind component."""
    spot = BlindSpot(component="audit-log", signal="up", kind=BlindSpotKind.MISSING)
    near = find_only_plan(
        choose(make_context(make_root_cause("overload", "policy-engine"), blind=(spot,)))
    ).verification.neighbours
    members = tuple(f"validator-{i}" for i in range(1, 6))
    assert near == ("gateway", "policy-engine", *members)
    member = make_root_cause("unhealthy_member", "validator-2")
    assert "policy-engine" in find_only_plan(choose(make_context(member))).verification.neighbours
    far = find_only_plan(choose(make_context(make_root_cause("overload", "gateway")))).verification.neighbours
    assert far == ("gateway", "policy-engine")


def test_preexisting_violations_of_neighbours_are_kept() -> None:
    """Violations of a neighbour that another cause explains do not count against the plan."""
    plans = choose(
        make_context(make_root_cause("overload", "gateway"), make_root_cause("overload", "policy-engine"))
    ).plans
    of_gateway = next(p for p in plans if p.component == "gateway").verification
    assert of_gateway.preexisting == (("policy-engine", "failure_rate"),)
    assert of_gateway.baseline_count == 1


def test_timings_come_from_the_context() -> None:
    """Delay, interval, samples and passes are those of the context."""
    timings = Verification(targets=(), delay=2.0, interval=1.0, samples=3, required_passes=2)
    verification = find_only_plan(
        choose(make_context(make_root_cause("overload", "gateway"), verification=timings))
    ).verification
    assert (verification.delay, verification.interval, verification.samples, verification.required_passes) == (
        2.0,
        1.0,
        3,
        2,
    )


def test_settings_reach_the_plan() -> None:
    """Cool-downs, approval and settling are those of the settings."""
    settings = PlanSettings(
        settle_seconds=0.0,
        cool_down=CoolDownSettings(after_success=1.0, no_effect=2.0, rolled_back=3.0),
        approval=ApprovalSettings(from_risk=Risk.LOW, deadline_seconds=60.0),
    )
    plan = find_only_plan(choose(make_context(make_root_cause("validation_latency"), settings=settings)))
    assert (plan.settle, plan.needs_approval) == (0.0, True)
    assert plan.cool_downs == CoolDowns(after_success=1.0, no_effect=2.0, rolled_back=3.0)


def test_the_generation_of_a_knob() -> None:
    """The committee's own, that of the newest policy of the name, or 0 for an unknown one."""
    policies = tuple(Policy(id=f"p{g}", name="admission", generation=g) for g in (2, 5, 3))
    state = make_committee(generation=9)
    assert knob_generation("committee", state, policies) == 9
    assert knob_generation("admission", state, policies) == 5
    assert knob_generation("throttle-requests.gateway", state, policies) == 0

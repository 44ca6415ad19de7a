"""The last check before a plan is applied."""

from dataclasses import fields, replace
from typing import Any

import pytest

from activities.execute.prepare.preflight import PLAN_AGE_MARGIN_SECONDS, PreflightFacts, preflight_check
from activities.execute.settings import ExecuteSettings, ExecutionMode
from activities.model.action import Action, ActionType
from activities.model.autonomy import Autonomy, Level
from activities.model.charter import Committee, Member
from activities.model.guard_state import GuardState, KnobGuard, UnsettledPlan
from activities.model.mode import LoopMode, Mode
from activities.model.plan import Risk
from activities.model.remediation import Step
from activities.monitor.current_state import CurrentState
from activities.plan.settings import ApprovalSettings, PlanSettings
from tests.activities.execute.conftest import PlanFactory

MEMBERS = tuple(Member(name=f"validator-{i}", leader=i == 1) for i in range(1, 6))
COMMITTEE = Committee(replicas=5, healthy_nodes=5, generation=7, members=MEMBERS)
TARGET = ("validator-1", "p99")
PREFLIGHT_FACTS = PreflightFacts(
    at=1000.0,
    mode=Mode(loop="charter", name=LoopMode.ACT),
    guards=GuardState(),
    state=CurrentState(violated=frozenset({TARGET}), blind=frozenset(), committee=COMMITTEE, policies=()),
    component_count=8,
    settings=PlanSettings(),
    execute=ExecuteSettings(),
    autonomy=Autonomy(start=Level.AUTO),
)


def make_facts(**changes: Any) -> PreflightFacts:
    """Return `PREFLIGHT_FACTS` with changes to it and to its state."""
    state_fields = {field.name for field in fields(CurrentState)}
    state = replace(PREFLIGHT_FACTS.state, **{key: value for key, value in changes.items() if key in state_fields})
    return replace(
        PREFLIGHT_FACTS, state=state, **{key: value for key, value in changes.items() if key not in state_fields}
    )


def make_knob_change(**guard: Any) -> dict[str, Any]:
    """Return the change that puts a guard on the committee."""
    return {"guards": GuardState(knobs=(KnobGuard(knob="committee", **guard),))}


def test_a_plan_that_is_still_right_is_ready(make_plan: PlanFactory) -> None:
    """The result has the fence, the bounds and the steps that the workflow needs."""
    prepared = preflight_check(make_plan(), PREFLIGHT_FACTS)
    assert (prepared.outcome, prepared.needs_approval, prepared.generation) == ("", False, 7)
    assert prepared.headline == "ready, risk low: SCALE_UP committee (replicas 6)"
    assert prepared.steps == (Step(summary="SCALE_UP committee (replicas 6)"),)
    assert (prepared.timeout, prepared.retries, prepared.transactional) == (30.0, 3, True)
    assert prepared.verification_duration == 30.0 + 9 * 15.0


@pytest.mark.parametrize(
    "change",
    [
        {"hash": "0" * 64},
        {"plan_id": "000000000000"},
        {"rung": 1},
        {"generation": 8},
        {"incident_id": "000000000000"},
        {"actions": (Action(type=ActionType.SCALE_UP, parameters={"replicas": 15}),)},
        {"knob": "somewhere-else"},
        {"actions": ()},
    ],
)
def test_a_tampered_plan_is_rejected(change: dict[str, Any], make_plan: PlanFactory) -> None:
    """A plan that differs from its hash, or acts on another knob, is not applied."""
    prepared = preflight_check(make_plan().model_copy(update=change), PREFLIGHT_FACTS)
    assert prepared.outcome == "rejected"
    assert prepared.headline.startswith("rejected: tampered")


@pytest.mark.parametrize(
    ("change", "outcome", "reason"),
    [
        ({"settings": PlanSettings(allowed_actions=())}, "rejected", "allowed: SCALE_UP"),
        ({"settings": PlanSettings(max_replicas=5)}, "rejected", "max-replicas: replicas 6 > 5"),
        ({"committee": COMMITTEE.model_copy(update={"generation": 8})}, "stale", "from generation 7 to 8"),
        ({"committee": None}, "stale", "cannot be read"),
        ({"policies": None}, "stale", "cannot be read"),
        ({"committee": COMMITTEE.model_copy(update={"replicas": 7})}, "stale", "quorum: 5 healthy − 1 < 5"),
        ({"mode": Mode(loop="charter", name=LoopMode.OBSERVE)}, "stale", "mode observe"),
        (
            {"mode": Mode(loop="c", name="stopped", reason="kill switch: /k", by_kill_switch=True)},
            "stale",
            "kill-switch: ",
        ),
        (
            {"at": 1767225600.25 + 15.0 + 86400.0 + PLAN_AGE_MARGIN_SECONDS + 1.0},
            "stale",
            "decided 90016 s ago, a plan is valid for 90015 s",
        ),
        ({"at": 1767225600.25 + 15.0 + 86400.0 + PLAN_AGE_MARGIN_SECONDS - 1.0}, "", "ready"),
        (make_knob_change(cool_down_until=1010.0), "stale", "cool-down: cools down for another 10 s"),
        (make_knob_change(quarantined=True), "stale", "quarantine"),
        ({"blind": frozenset({"prometheus"})}, "stale", "prometheus cannot be read"),
        ({"blind": frozenset({"validator-2"})}, "stale", "1 targets are blind: validator-2"),
        ({"violated": frozenset()}, "recovered", "none of 2 violations is left"),
        ({"violated": frozenset({("gateway", "p99")})}, "recovered", "none of 2"),
        ({"blind": frozenset({"validator-1"})}, "", "ready"),
        ({"blind": frozenset({"gateway"})}, "", "ready"),
    ],
)
def test_a_change_since_the_decision_ends_the_plan(
    change: dict[str, Any], outcome: str, reason: str, make_plan: PlanFactory
) -> None:
    """The configuration rejects, the state makes stale, healthy targets mean recovered; blind is not healthy."""
    prepared = preflight_check(make_plan(), make_facts(**change))
    assert prepared.outcome == outcome
    assert reason in prepared.headline


def test_risk_and_approval_come_from_the_worker(make_plan: PlanFactory, actions: dict[str, Action]) -> None:
    """The risk and the approval in the stored plan have no effect."""
    forged = make_plan(actions["override"], risk=Risk.LOW, needs_approval=False, generation=0)
    prepared = preflight_check(forged, PREFLIGHT_FACTS)
    assert (prepared.outcome, prepared.needs_approval) == ("", True)
    assert "risk high" in prepared.headline
    assert not preflight_check(forged, make_facts(approved=True)).needs_approval
    settings = PlanSettings(approval=ApprovalSettings(from_risk=Risk.LOW, deadline_seconds=60.0))
    pending = preflight_check(make_plan(), make_facts(settings=settings))
    assert (pending.needs_approval, pending.deadline) == (True, 60.0)


def test_a_refused_plan_needs_no_approval(make_plan: PlanFactory, actions: dict[str, Action]) -> None:
    """A plan that cannot be applied does not wait for an operator first."""
    prepared = preflight_check(make_plan(actions["override"]), make_facts(committee=None))
    assert (prepared.outcome, prepared.needs_approval) == ("stale", False)


def test_autonomy_is_checked_again(make_plan: PlanFactory) -> None:
    """After a demotion a plan is stale or waits for approval; a plan that an operator requested is ready."""
    shadow, suggest = (make_facts(autonomy=Autonomy(start=level)) for level in (Level.SHADOW, Level.SUGGEST))
    refused = preflight_check(make_plan(), shadow)
    assert refused.headline.startswith("stale: autonomy: SCALE_UP against validation_latency is at shadow")
    pending = preflight_check(make_plan(needs_approval=False), suggest)
    assert (pending.outcome, pending.needs_approval) == ("", True)
    assert pending.headline.startswith("ready, risk low, suggest: ")
    assert not preflight_check(make_plan(), replace(suggest, approved=True)).needs_approval
    for facts in (shadow, suggest):
        requested = preflight_check(make_plan(requested_by="ada"), facts)
        assert (requested.outcome, requested.needs_approval) == ("", False)


def test_the_requester_is_returned(make_plan: PlanFactory) -> None:
    """The workflow needs the operator who requested the plan, because that operator may not approve it."""
    assert preflight_check(make_plan(requested_by="ada"), PREFLIGHT_FACTS).requested_by == "ada"


def test_applied_steps_are_marked(make_plan: PlanFactory, actions: dict[str, Action]) -> None:
    """Steps that were sent before and not undone are marked as applied."""
    prepared = preflight_check(make_plan(actions["scale"], actions["restart"]), make_facts(unresolved=frozenset({0})))
    assert [step.is_applied for step in prepared.steps] == [True, False]


def test_a_plan_of_low_confidence_needs_approval(make_plan: PlanFactory) -> None:
    """With any risk and level, a plan against a cause of low confidence is not applied without approval."""
    assert not preflight_check(make_plan(), PREFLIGHT_FACTS).needs_approval
    prepared = preflight_check(make_plan(low_confidence=True), PREFLIGHT_FACTS)
    assert (prepared.needs_approval, "low confidence" in prepared.headline) == (True, True)
    assert not preflight_check(make_plan(low_confidence=True), make_facts(approved=True)).needs_approval


def test_best_effort_is_a_setting(make_plan: PlanFactory) -> None:
    """The execution mode reaches the workflow."""
    facts = make_facts(execute=ExecuteSettings(execution_mode=ExecutionMode.BEST_EFFORT))
    assert not preflight_check(make_plan(), facts).transactional


@pytest.mark.parametrize(
    ("change", "outcome", "reason"),
    [
        ({"last_generation": 8}, "", "ready"),
        ({"last_generation": 8, "violated": frozenset()}, "", "ready"),
        ({"last_generation": 9}, "stale", "from generation 9 to 8"),
        ({"last_generation": 8, "mode": Mode(loop="charter", name=LoopMode.OBSERVE)}, "stale", "mode observe"),
        ({"previous_outcome": "fixed"}, "stale", "the plan ended before: fixed"),
    ],
)
def test_a_plan_may_be_half_applied_after_a_reset(
    change: dict[str, Any], outcome: str, reason: str, make_plan: PlanFactory
) -> None:
    """Its own steps belong to the present state, their success is not "recovered", and an outcome is final."""
    moved = COMMITTEE.model_copy(update={"generation": 8})
    prepared = preflight_check(make_plan(), make_facts(committee=moved, **change))
    assert prepared.outcome == outcome
    assert reason in prepared.headline


def test_an_applied_plan_needs_no_second_approval(make_plan: PlanFactory, actions: dict[str, Action]) -> None:
    """A plan that was applied after its approval needs none again when its remediation is reset."""
    assert not preflight_check(
        make_plan(actions["override"], generation=0), make_facts(last_generation=0)
    ).needs_approval


def test_an_unsettled_plan_on_the_knob_comes_first(make_plan: PlanFactory) -> None:
    """A plan that a terminated remediation left on the knob makes the new one stale."""
    guards = GuardState(unsettled=(UnsettledPlan(knob="committee", plan_id="a" * 12, since=960.0),))
    prepared = preflight_check(make_plan(), make_facts(guards=guards))
    assert (prepared.outcome, "unsettled" in prepared.headline) == ("stale", True)

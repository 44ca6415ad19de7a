"""The last look before the apply."""

from dataclasses import fields, replace
from typing import Any

import pytest

from activities.execute.prepare.preflight import PLAN_AGE_MARGIN_SECONDS, PreflightFacts, preflight_check
from activities.execute.settings import ExecuteSettings
from activities.model.action import Action, ActionType
from activities.model.autonomy import Autonomy, Level
from activities.model.charter import Committee, Member
from activities.model.guard_state import GuardState, KnobGuard, UnsettledPlan
from activities.model.mode import LoopMode, Mode
from activities.model.plan import Risk
from activities.model.remediation import Step
from activities.monitor.current_state import CurrentState
from activities.plan.settings import ApprovalSettings, PlanSettings

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


def guarded(**guard: Any) -> dict[str, Any]:
    """Return the change that puts a guard on the committee."""
    return {"guards": GuardState(knobs=(KnobGuard(knob="committee", **guard),))}


def test_a_plan_that_is_still_right(make_plan):
    """It may be applied, with the fence, the bounds and the steps the workflow needs."""
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
def test_a_tampered_plan_is_rejected(change, make_plan):
    """Nothing that differs from what was hashed, and no action on another knob, is ever applied."""
    prepared = preflight_check(make_plan().model_copy(update=change), PREFLIGHT_FACTS)
    assert prepared.outcome == "rejected"
    assert prepared.headline.startswith("rejected: tampered")


@pytest.mark.parametrize(
    ("change", "ending", "reason"),
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
        (guarded(cooldown_until=1010.0), "stale", "cool-down: cools down for another 10 s"),
        (guarded(quarantined=True), "stale", "quarantine"),
        ({"blind": frozenset({"prometheus"})}, "stale", "prometheus cannot be read"),
        ({"blind": frozenset({"validator-2"})}, "stale", "1 targets are blind: validator-2"),
        ({"violated": frozenset()}, "recovered", "none of 2 violations is left"),
        ({"violated": frozenset({("gateway", "p99")})}, "recovered", "none of 2"),
        ({"blind": frozenset({"validator-1"})}, "", "ready"),
        ({"blind": frozenset({"gateway"})}, "", "ready"),
    ],
)
def test_what_has_changed_since_the_decision(change, ending, reason, make_plan):
    """The configuration rejects, the world makes stale, what is good again has recovered; blindness is not health."""
    prepared = preflight_check(make_plan(), make_facts(**change))
    assert prepared.outcome == ending
    assert reason in prepared.headline


def test_risk_and_approval_are_the_workers(make_plan, actions):
    """What the stored plan says of its risk and approval gains nothing."""
    forged = make_plan(actions["override"], risk=Risk.LOW, needs_approval=False, generation=0)
    prepared = preflight_check(forged, PREFLIGHT_FACTS)
    assert (prepared.outcome, prepared.needs_approval) == ("", True)
    assert "risk high" in prepared.headline
    assert not preflight_check(forged, make_facts(approved=True)).needs_approval
    careful = PlanSettings(approval=ApprovalSettings(from_risk=Risk.LOW, deadline_seconds=60.0))
    asked = preflight_check(make_plan(), make_facts(settings=careful))
    assert (asked.needs_approval, asked.deadline) == (True, 60.0)


def test_a_refused_plan_asks_nobody(make_plan, actions):
    """A plan that cannot be applied does not wait for a person first."""
    prepared = preflight_check(make_plan(actions["override"]), make_facts(committee=None))
    assert (prepared.outcome, prepared.needs_approval) == ("stale", False)


def test_trust_is_asked_again(make_plan):
    """Demoted since the decision, a plan is stale or waits for a person; what a person asked for is not held back."""
    shadow, suggest = (make_facts(autonomy=Autonomy(start=level)) for level in (Level.SHADOW, Level.SUGGEST))
    held = preflight_check(make_plan(), shadow)
    assert held.headline.startswith("stale: autonomy: SCALE_UP against validation_latency is at shadow")
    asked = preflight_check(make_plan(needs_approval=False), suggest)
    assert (asked.outcome, asked.needs_approval) == ("", True)
    assert asked.headline.startswith("ready, risk low, suggest: ")
    assert not preflight_check(make_plan(), replace(suggest, approved=True)).needs_approval
    for facts in (shadow, suggest):
        wanted = preflight_check(make_plan(requested_by="ada"), facts)
        assert (wanted.outcome, wanted.needs_approval) == ("", False)


def test_who_asked_is_told(make_plan):
    """The workflow learns who asked for the plan, because that person may not approve it."""
    assert preflight_check(make_plan(requested_by="ada"), PREFLIGHT_FACTS).requested_by == "ada"


def test_standing_steps_are_marked(make_plan, actions):
    """Steps that were sent before and not undone are shown as standing."""
    prepared = preflight_check(make_plan(actions["scale"], actions["restart"]), make_facts(unresolved=frozenset({0})))
    assert [step.is_applied for step in prepared.steps] == [True, False]


def test_a_doubted_plan_waits_for_a_person(make_plan):
    """Whatever its risk and its level: what outcomes speak against is not done without being asked for."""
    assert not preflight_check(make_plan(), PREFLIGHT_FACTS).needs_approval
    prepared = preflight_check(make_plan(low_confidence=True), PREFLIGHT_FACTS)
    assert (prepared.needs_approval, "low confidence" in prepared.headline) == (True, True)
    assert not preflight_check(make_plan(low_confidence=True), make_facts(approved=True)).needs_approval


def test_best_effort_is_a_setting(make_plan):
    """The execution mode reaches the workflow."""
    facts = make_facts(execute=ExecuteSettings(execution_mode="best_effort"))
    assert not preflight_check(make_plan(), facts).transactional


@pytest.mark.parametrize(
    ("change", "ending", "reason"),
    [
        ({"last_generation": 8}, "", "ready"),
        ({"last_generation": 8, "violated": frozenset()}, "", "ready"),
        ({"last_generation": 9}, "stale", "from generation 9 to 8"),
        ({"last_generation": 8, "mode": Mode(loop="charter", name=LoopMode.OBSERVE)}, "stale", "mode observe"),
        ({"previous_outcome": "fixed"}, "stale", "the plan ended before: fixed"),
    ],
)
def test_a_plan_that_finds_itself_half_done(change, ending, reason, make_plan):
    """After a reset its own work is part of the present; what helped has not "recovered"; no outcome is made twice."""
    moved = COMMITTEE.model_copy(update={"generation": 8})
    prepared = preflight_check(make_plan(), make_facts(committee=moved, **change))
    assert prepared.outcome == ending
    assert reason in prepared.headline


def test_what_is_done_needs_no_second_approval(make_plan, actions):
    """A plan that could only be applied after a yes is not asked for again when its remediation is reset."""
    assert not preflight_check(
        make_plan(actions["override"], generation=0), make_facts(last_generation=0)
    ).needs_approval


def test_another_plan_that_stands_comes_first(make_plan):
    """What a terminated remediation left on the knob makes the plan stale."""
    standing = GuardState(unsettled=(UnsettledPlan(knob="committee", plan_id="a" * 12, since=960.0),))
    prepared = preflight_check(make_plan(), make_facts(guards=standing))
    assert (prepared.outcome, "unsettled" in prepared.headline) == ("stale", True)

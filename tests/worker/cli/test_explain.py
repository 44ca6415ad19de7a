"""`mapek explain` and `mapek audit` from the store, without Temporal."""

import asyncio
import json
from pathlib import Path

import pytest

from activities.clients.store.store import open_store
from activities.model.action import Action, ActionType
from activities.model.audit import AttemptPhase, AuditEntry, AuditKind
from activities.model.candidate import Candidate
from activities.model.decision import Block, Decision
from activities.model.diagnosis import Cause, Diagnosis, RootCause
from activities.model.effect import Direction, Effect
from activities.model.outcome import EffectClass, Outcome, OutcomeTransaction
from activities.model.plan import Plan, Risk, Verification, compute_plan_hash
from activities.model.violation import Violation
from activities.plan.settings import CoolDownSettings
from worker.cli.main import run

CYCLE = "mapek-cycle:charter-2026-01-31T12:00:30Z"
ACTION = Action(type=ActionType.SCALE_UP, parameters={"replicas": 4}, cost=0.2)
PLAN_HASH = compute_plan_hash("incident0000", 0, 7, (ACTION,))
PLAN = Plan(
    plan_id=PLAN_HASH[:12],
    hash=PLAN_HASH,
    loop="charter",
    charter="charter",
    cycle_id=CYCLE,
    knob="committee",
    incident_id="incident0000",
    rung=0,
    cause=Cause.OVERLOAD,
    component="committee",
    onset=1.0,
    generation=7,
    actions=(ACTION,),
    created_at=100.0,
    settle=0.0,
    verification=Verification(targets=(("gateway", "failure_rate"),)),
    cool_downs=CoolDownSettings().to_cool_downs(),
    risk=Risk.LOW,
    needs_approval=False,
    confidence=0.8,
    cost=0.2,
    benefit=0.7,
    score=0.5,
    snapshot="0" * 64,
    headline="SCALE_UP committee against overload",
)
REJECTED_CANDIDATE = Candidate(
    cause=Cause.OVERLOAD,
    component="gateway",
    rung=1,
    actions=(Action(type=ActionType.THROTTLE_REQUESTS, component="gateway", cost=0.25),),
    cost=0.25,
    benefit=0.2,
    score=-0.05,
    rejected_by="score",
    reason="-0.05 is not above 0",
)
CHOSEN_CANDIDATE = Candidate(
    cause=Cause.OVERLOAD, component="committee", rung=0, actions=(ACTION,), cost=0.2, benefit=0.7, score=0.5
)
DECISION = Decision(
    outcome="planned",
    headline="1 plan for overload",
    diagnosis=Diagnosis(
        headline="overload",
        at=99.0,
        confidence=0.81,
        root_causes=(RootCause(cause=Cause.OVERLOAD, component="committee", confidence=0.9, reason="queue grows"),),
        violations=(Violation(component="gateway", metric="failure_rate", value=0.31, limit=0.1),),
    ),
    plans=(PLAN,),
    candidates=(CHOSEN_CANDIDATE, REJECTED_CANDIDATE),
    blocks=(Block(rule="cool-down", knob="admission", reason="rests 12 s more"),),
)


async def fill_store(path: Path) -> None:
    store = await open_store(path)
    await store.plans.put(PLAN, 100.0)
    await store.plans.put_decision(CYCLE, "charter", 100.0, DECISION, PLAN.snapshot)
    attempt = AuditEntry(at=101.0, kind=AuditKind.ATTEMPT, loop="charter", plan_id=PLAN.plan_id, knob="committee")
    attempt = attempt.model_copy(
        update={"step": 0, "direction": "do", "attempt": 1, "phase": AttemptPhase.AFTER, "status": 200}
    )
    await store.audit.append(attempt.model_copy(update={"generation_before": 7, "generation_after": 8}))
    approval = AuditEntry(at=101.0, kind=AuditKind.APPROVAL, loop="charter", plan_id=PLAN.plan_id)
    approval = approval.model_copy(update={"actor": "ann\x1b[2J", "summary": "approved: yes"})
    await store.audit.append(approval)
    for direction, at in ((Direction.DO, 101.0), (Direction.UNDO, 130.0)):
        effect = Effect(
            plan_id=PLAN.plan_id, step=0, direction=direction, at=at, generation=8, previous={"replicas": 3}
        )
        await store.plans.put_effect(effect)
    outcome = Outcome(
        plan_id=PLAN.plan_id,
        loop="charter",
        charter="charter",
        knob="committee",
        actions=(ActionType.SCALE_UP,),
        cause=Cause.OVERLOAD,
        component="committee",
        outcome="rolled_back",
        type=EffectClass.DEGRADATION,
        value=0.0,
        before=1,
        after=3,
        at=140.0,
        headline="made it worse",
    )
    await store.close_remediation(OutcomeTransaction(outcome=outcome))
    await store.close()


@pytest.fixture
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MAPEK_STATE", str(tmp_path))
    monkeypatch.delenv("MAPEK_CONFIG", raising=False)
    # Records of the store need no server.
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    asyncio.run(fill_store(tmp_path / "knowledge.db"))
    return tmp_path


def test_a_plan_is_explained_from_the_store(state_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Violations, causes, chosen and rejected candidates, effects and verdict, all without Temporal."""
    assert run(["explain", PLAN.plan_id]) == 0
    printed = capsys.readouterr().out
    for text in (
        "failure_rate 0.31 > 0.1 on gateway",
        "overload on committee, confidence 0.90: queue grows",
        "SCALE_UP committee (replicas 4): benefit 0.70 − cost 0.20 = score +0.50",
        "rejected by score: -0.05 is not above 0",
        "cool-down on admission: rests 12 s more",
        "before: replicas 3",
        "Undone",
        "Verdict: rolled_back (degradation), violations 1 before, 3 after: made it worse",
    ):
        assert text in printed
    assert "\x1b" not in printed


def test_a_cycle_is_explained_with_its_plans(state_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has the decision and a report of each plan, with times as RFC 3339."""
    assert run(["explain", CYCLE, "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["decision"]["outcome"] == "planned"
    assert [report["plan"]["plan_id"] for report in body["plans"]] == [PLAN.plan_id]
    assert body["plans"][0]["outcome"]["outcome"] == "rolled_back"
    assert body["plans"][0]["applied"][0]["at"] == "1970-01-01T00:01:41Z"


@pytest.mark.parametrize("identifier", [PLAN.plan_id, CYCLE])
def test_the_audit_lists_attempts_decisions_and_outcome(
    state_folder: Path, capsys: pytest.CaptureFixture[str], identifier: str
) -> None:
    """By plan or by cycle, every row in the order of writing."""
    assert run(["audit", identifier, "--json"]) == 0
    kinds = [entry["kind"] for entry in json.loads(capsys.readouterr().out)]
    assert kinds == ["attempt", "approval", "ending"]
    assert run(["audit", identifier]) == 0
    printed = capsys.readouterr().out
    assert "7→8" in printed
    assert "\x1b" not in printed


@pytest.mark.parametrize("args", [["explain", "ffffffffffff"], ["audit", "ffffffffffff"], ["audit", CYCLE + "x"]])
def test_an_unknown_id_is_1(state_folder: Path, args: list[str]) -> None:
    """A plan or cycle without records exits with 1."""
    assert run(args) == 1


def test_pausing_needs_no_temporal(state_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The store has the mode with actor and reason."""
    assert run(["pause", "charter", "--reason", "maintenance", "--actor", "ann"]) == 0

    async def load_mode() -> tuple[str, str, str]:
        store = await open_store(state_folder / "knowledge.db")
        mode = await store.guards.load_mode("charter")
        await store.close()
        assert mode is not None
        return mode.name.value, mode.actor, mode.reason

    assert asyncio.run(load_mode()) == ("observe", "ann", "maintenance")

"""The checker on small handwritten runs: it finds each broken invariant, and no other."""

from collections.abc import Sequence
from dataclasses import fields as dataclass_fields
from dataclasses import replace
from typing import Any

import pytest

from activities.model.audit import AuditEntry, AuditKind
from activities.model.cycle import DecisionSummary, DiagnosisSummary, PlanSummary
from activities.model.history import RemediationRecord
from activities.model.outcome import Outcome
from activities.model.plan import Plan, Verification
from activities.model.remediation import ApplyRequest, RemediationRequest, UndoRequest, VerifyResult
from activities.model.types import FrozenModel
from deploy.simulator.records import LedgerEntry
from tests.soak.checker.budgets import check_budgets, check_inactive_in_storms
from tests.soak.checker.check import find_violations
from tests.soak.checker.evidence import Evidence

PLAN, OTHER_PLAN = "a1b2c3d4e5f6", "ffffffffffff"
PLAN_TIME = 1000.0


def make_ledger_row(
    step: int = 0, direction: str = "do", generation_before: int = 7, at: float = PLAN_TIME, **changes: Any
) -> dict[str, Any]:
    """A row of Charter's ledger."""
    effect = "applied" if direction == "do" else "rolled_back"
    key = f"{PLAN}-{step}-{direction}"
    row = {"at": at, "effect": effect, "kind": "APPLY_POLICY", "knob": "admission", "policy_id": "policy_2", "key": key}
    return {**row, "generation_before": generation_before, "generation_after": generation_before + 1, **changes}


def make_attempt_row(step: int = 0, direction: str = "do", **changes: Any) -> dict[str, Any]:
    """The audit row before a change is sent."""
    row = {
        "at": PLAN_TIME - 1,
        "kind": "attempt",
        "plan_id": PLAN,
        "knob": "admission",
        "key": f"{PLAN}-{step}-{direction}",
    }
    return {**row, "step": step, "direction": direction, "phase": "before", "summary": "", **changes}


def make_outcome_row(at: float = PLAN_TIME + 100, text: str = "fixed") -> dict[str, Any]:
    """The audit row of an outcome."""
    return {"at": at, "kind": "ending", "plan_id": PLAN, "knob": "admission", "key": "", "phase": "", "summary": text}


def make_remediation_run(
    workflow_id: str = "mapek-fix:charter:admission",
    plan: str = PLAN,
    started: float = PLAN_TIME - 20,
    closed: float | None = PLAN_TIME + 200,
    events: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """A run of a remediation."""
    run = {"workflow_id": workflow_id, "run_id": "r", "type": "MapekRemediation", "input": {"plan_id": plan}}
    return {**run, "started": started, "closed": closed, "status": "completed", "outcome": "fixed", "events": events}


def make_plan_row(plan_id: str = PLAN, **changes: Any) -> dict[str, Any]:
    """A stored plan."""
    rule = {"samples": 5, "required_passes": 4, "targets": [["gateway", "failure_rate"]]}
    row = {"plan_id": plan_id, "knob": "admission", "incident_id": "i", "generation": 7, "created_at": PLAN_TIME - 20}
    return {**row, "verification": rule, **changes}


def make_stored_outcome(kind: str = "fixed", **changes: Any) -> dict[str, Any]:
    """A stored outcome."""
    return {"plan_id": PLAN, "outcome": kind, "at": PLAN_TIME + 100, "seconds": 90.0, **changes}


def make_verify_event(verdict: str = "fixed", samples: int = 5) -> dict[str, Any]:
    """The result of a verification in a history."""
    result = {"verdict": verdict, "samples": samples}
    return {"at": PLAN_TIME + 90, "event": "activity", "name": "verify", "result": result}


def make_unauthorized_post(mark: str = "stranger-1", status: int | None = 401) -> dict[str, Any]:
    """A post that must be refused."""
    return {"mark": mark, "kind": "without a token", "status": status}


VALID_EVIDENCE = Evidence(
    seed=1,
    ledger=(make_ledger_row(),),
    audit=(make_attempt_row(), make_outcome_row()),
    plans=(make_plan_row(), make_plan_row(OTHER_PLAN)),
    outcomes=(make_stored_outcome(),),
    histories=(make_remediation_run(events=(make_verify_event(),)),),
    quiet_since=PLAN_TIME + 200,
    ended_at=PLAN_TIME + 400,
)
ROLLED_BACK_EVIDENCE = replace(
    VALID_EVIDENCE,
    ledger=(make_ledger_row(), make_ledger_row(direction="undo", generation_before=8, at=PLAN_TIME + 60)),
    audit=(make_attempt_row(), make_attempt_row(direction="undo"), make_outcome_row(text="rolled_back")),
    outcomes=(make_stored_outcome("rolled_back"),),
)
MEMBERS = [{"name": f"validator-{n}", "healthy": n != 1} for n in range(1, 6)]


def make_restart_state(member: str) -> dict[str, Any]:
    """Charter's state before a restart of ours."""
    before = {"replicas": 5, "members": MEMBERS}
    return {
        "at": PLAN_TIME,
        "key": f"{PLAN}-0-do",
        "kind": "RESTART_SERVICE",
        "body": {"member": member},
        "before": before,
    }


def make_scale_down_state() -> dict[str, Any]:
    """Charter's state before the loop removes the member that it added: two of six are dead."""
    members = [{"name": f"validator-{n}", "healthy": n > 2} for n in range(1, 7)]
    before = {"replicas": 6, "members": members}
    return {
        "at": PLAN_TIME + 60,
        "key": f"{PLAN}-0-undo",
        "kind": "SCALE_UP",
        "body": {"replicas": 5},
        "before": before,
    }


BLIND_DECISION = {"at": PLAN_TIME - 20, "event": "activity", "name": "plan", "result": {"plans": [{"plan_id": PLAN}]}}
FAILED_APPLY_EVENT = {"at": PLAN_TIME, "event": "activity_failed", "name": "apply", "request": {"step": 0}}
CANCELLED_APPLY_EVENT = {"at": PLAN_TIME, "event": "activity_cancelled", "name": "undo", "request": {"step": 0}}
BROKEN_EVIDENCE = {
    "done twice": ("I1", replace(VALID_EVIDENCE, ledger=(make_ledger_row(), make_ledger_row(generation_before=8)))),
    "done twice under two keys": (
        "I1",
        replace(
            VALID_EVIDENCE,
            ledger=(make_ledger_row(key="x"), make_ledger_row(key="y", generation_before=8)),
            audit=(make_attempt_row(key="x"), make_attempt_row(key="y"), make_outcome_row()),
        ),
    ),
    "sent without a key": ("I1", replace(VALID_EVIDENCE, audit=(*VALID_EVIDENCE.audit, make_attempt_row(key="")))),
    "sent without a row before it": ("I1", replace(VALID_EVIDENCE, audit=(make_outcome_row(),))),
    "undone though not done": ("I1", replace(ROLLED_BACK_EVIDENCE, ledger=(make_ledger_row(direction="undo"),))),
    "stale": ("fence", replace(VALID_EVIDENCE, plans=(make_plan_row(generation=6),))),
    "undone over another's change": (
        "fence",
        replace(ROLLED_BACK_EVIDENCE, ledger=(make_ledger_row(), make_ledger_row(0, "undo", 9))),
    ),
    "below quorum + 1": ("quorum", replace(VALID_EVIDENCE, committee=(make_restart_state("validator-2"),))),
    "undone below quorum + 1": ("quorum", replace(ROLLED_BACK_EVIDENCE, committee=(make_scale_down_state(),))),
    "half undone": ("I3", replace(VALID_EVIDENCE, outcomes=(make_stored_outcome("rolled_back"),))),
    "undone though fixed": ("I3", replace(ROLLED_BACK_EVIDENCE, outcomes=(make_stored_outcome(),))),
    "without an owner": ("I4", replace(VALID_EVIDENCE, outcomes=(), audit=(make_attempt_row(),))),
    "done after its end": ("I4", replace(VALID_EVIDENCE, outcomes=(make_stored_outcome("failed", at=PLAN_TIME - 5),))),
    "tried and not undone": (
        "I3",
        replace(
            VALID_EVIDENCE,
            ledger=(),
            outcomes=(make_stored_outcome("failed"),),
            histories=({**make_remediation_run(events=(FAILED_APPLY_EVENT,)), "outcome": "failed"},),
        ),
    ),
    "overtaken by a cancellation": (
        "I3",
        replace(VALID_EVIDENCE, histories=(make_remediation_run(events=(CANCELLED_APPLY_EVENT,)),)),
    ),
    "another command on replay": (
        "I5",
        replace(
            VALID_EVIDENCE, histories=(make_remediation_run(events=({"at": PLAN_TIME, "event": "nondeterminism"},)),)
        ),
    ),
    "two at the same time": (
        "I6",
        replace(
            VALID_EVIDENCE,
            histories=(*VALID_EVIDENCE.histories, make_remediation_run("mapek-fix:charter:x", OTHER_PLAN, PLAN_TIME)),
        ),
    ),
    "decided blind": (
        "I7",
        replace(
            VALID_EVIDENCE,
            blind_intervals=((PLAN_TIME - 60, PLAN_TIME),),
            histories=(make_remediation_run(events=(BLIND_DECISION,)),),
        ),
    ),
    "verified by nothing": (
        "I7",
        replace(VALID_EVIDENCE, histories=(make_remediation_run(events=(make_verify_event(samples=0),)),)),
    ),
    "moved back twice": (
        "I8",
        replace(
            ROLLED_BACK_EVIDENCE,
            outcomes=(*ROLLED_BACK_EVIDENCE.outcomes, make_stored_outcome("rolled_back", plan_id=OTHER_PLAN)),
            ledger=(
                *ROLLED_BACK_EVIDENCE.ledger,
                make_ledger_row(generation_before=9, key=f"{OTHER_PLAN}-0-do"),
                make_ledger_row(direction="undo", generation_before=10, key=f"{OTHER_PLAN}-0-undo"),
            ),
        ),
    ),
    "ended twice": ("I9", replace(VALID_EVIDENCE, audit=(*VALID_EVIDENCE.audit, make_outcome_row(PLAN_TIME + 120)))),
    "fixed though never done": ("I9", replace(VALID_EVIDENCE, ledger=())),
    "tried for ever": (
        "I10",
        replace(VALID_EVIDENCE, audit=(*VALID_EVIDENCE.audit, *(make_attempt_row() for _ in range(500)))),
    ),
    "alert without a cycle": (
        "I2",
        replace(VALID_EVIDENCE, alerts=({"answered_at": PLAN_TIME},), observed_at=(PLAN_TIME - 1,)),
    ),
    "alert without a cycle when it was due": (
        "I2",
        replace(
            VALID_EVIDENCE, alerts=({"answered_at": PLAN_TIME, "due": PLAN_TIME + 9},), observed_at=(PLAN_TIME + 10,)
        ),
    ),
    "a leaked secret": ("I11", replace(VALID_EVIDENCE, leaks=({"secret": "webhook.token", "place": "worker-1.log"},))),
    "an unauthorized post accepted": (
        "I12",
        replace(VALID_EVIDENCE, unauthorized_posts=(make_unauthorized_post(status=200),)),
    ),
    "a refused post that left a trace": (
        "I12",
        replace(VALID_EVIDENCE, unauthorized_posts=(make_unauthorized_post(mark="admission", status=401),)),
    ),
}


READ_FIELDS: dict[type[FrozenModel], set[str]] = {
    AuditEntry: {*make_attempt_row(), *make_outcome_row(), "loop"},
    Plan: {*make_plan_row(), "loop", "requested_by"},
    Verification: set(make_plan_row()["verification"]),
    Outcome: {*make_stored_outcome()},
    RemediationRecord: {"plan_id", "started_at"},
    RemediationRequest: {"plan_id", "loop"},
    ApplyRequest: {"step"},
    UndoRequest: {"step"},
    VerifyResult: set(make_verify_event()["result"]),
    DecisionSummary: {"plans"},
    PlanSummary: {"plan_id"},
    DiagnosisSummary: {"violations"},
}
"""The fields that the checker reads, by the model that writes them."""


@pytest.mark.parametrize(("model", "fields"), READ_FIELDS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_the_product_writes_every_field_that_the_checker_reads(model: type[FrozenModel], fields: set[str]) -> None:
    """A check that reads a field which no longer exists would find nothing."""
    assert fields <= model.model_fields.keys()


def test_the_rows_of_the_checker_s_tests_are_those_of_charter_and_the_audit() -> None:
    """The ledger has every field of a handwritten row, and the audit every kind that the checker selects."""
    assert set(make_ledger_row()) == {field.name for field in dataclass_fields(LedgerEntry)}
    assert {"attempt", "ending", "quarantine", "storm"} <= set(AuditKind)


REFUSED_POSTS_EVIDENCE = replace(
    VALID_EVIDENCE,
    unauthorized_posts=(make_unauthorized_post(), make_unauthorized_post(mark="stranger-2", status=None)),
)


@pytest.mark.parametrize(
    "evidence",
    [VALID_EVIDENCE, ROLLED_BACK_EVIDENCE, REFUSED_POSTS_EVIDENCE],
    ids=["kept", "rolled back", "turned away"],
)
def test_a_valid_run_has_no_violation(evidence: Evidence) -> None:
    """The checker finds nothing in a run that broke no invariant."""
    assert find_violations(evidence) == []


@pytest.mark.parametrize(("invariant", "evidence"), BROKEN_EVIDENCE.values(), ids=BROKEN_EVIDENCE.keys())
def test_a_broken_invariant_is_found(invariant: str, evidence: Evidence) -> None:
    """Each way to break an invariant is found under its name, with the seed."""
    violations = find_violations(evidence)
    assert invariant in {violation.invariant for violation in violations}
    assert all("seed 1" in str(violation) for violation in violations)


def test_a_dead_member_may_be_restarted_below_quorum() -> None:
    """Restarting a dead member removes no healthy member."""
    assert find_violations(replace(VALID_EVIDENCE, committee=(make_restart_state("validator-1"),))) == []


@pytest.mark.parametrize(("recorded", "violation_count"), [(PLAN_TIME - 5, 0), (PLAN_TIME + 5, 1)])
def test_charter_must_refuse_a_restart_sent_after_the_outcome(recorded: float, violation_count: int) -> None:
    """A worker that was frozen sends a step after its remediation ended: no guard of the loop runs any more."""
    late: dict[str, Any] = {"kind": "RESTART_SERVICE", "policy_id": None}
    changes: dict[str, Any] = {
        "outcomes": (make_stored_outcome("stale", at=recorded),),
        "audit": (make_attempt_row(at=PLAN_TIME - 10), make_outcome_row()),
        "histories": (),
    }
    run = replace(VALID_EVIDENCE, ledger=(make_ledger_row(**late),), **changes)
    shown = replace(run, committee=(make_restart_state("validator-2"),))
    assert len([v for v in find_violations(shown) if v.invariant == "quorum"]) == violation_count


def test_a_rollback_long_after_the_end_belongs_to_the_loop() -> None:
    """Upkeep finds a late change and sends its undo again: the undo was not on its way when the plan ended."""
    audit = (
        make_attempt_row(),
        make_outcome_row(at=PLAN_TIME + 10),
        make_attempt_row(direction="undo", at=PLAN_TIME + 59),
    )
    run = replace(
        ROLLED_BACK_EVIDENCE,
        audit=audit,
        outcomes=(make_stored_outcome("rolled_back", at=PLAN_TIME + 10),),
        histories=(),
    )
    violations = find_violations(replace(run, committee=(make_scale_down_state(),)))
    assert "quorum" in {violation.invariant for violation in violations}


def test_a_step_of_a_running_remediation_may_stay_applied() -> None:
    """An applied plan whose remediation still runs is no violation."""
    running = replace(
        VALID_EVIDENCE, outcomes=(), audit=(make_attempt_row(),), histories=(make_remediation_run(closed=None),)
    )
    assert find_violations(running) == []


def test_a_step_undone_before_a_reset_need_not_be_undone_again() -> None:
    """A remediation that was reset after its rollback finds its plan ended and requests no further undo."""
    undo = {"at": PLAN_TIME + 60, "event": "activity", "name": "undo", "request": {"step": 0}}
    first = {**make_remediation_run(events=(FAILED_APPLY_EVENT, undo), closed=PLAN_TIME + 80), "status": "terminated"}
    again = {
        **make_remediation_run(started=PLAN_TIME + 80, events=(FAILED_APPLY_EVENT,)),
        "run_id": "s",
        "outcome": "rolled_back",
    }
    assert find_violations(replace(ROLLED_BACK_EVIDENCE, histories=(first, again))) == []


@pytest.mark.parametrize(("violation", "violation_count"), [("member_health 0 < 1", 0), ("failure_rate 0.4 > 0.2", 1)])
def test_a_violation_reported_by_charter_may_be_planned_for_while_blind(violation: str, violation_count: int) -> None:
    """Only the violations of the cycle that decides count, not those of the cycle that made the plan."""
    analyzed = {
        "at": PLAN_TIME - 21,
        "event": "activity",
        "name": "analyze",
        "result": {"violations": [f"{violation} on gateway"]},
    }
    cycle = {**make_remediation_run(events=(analyzed, BLIND_DECISION)), "type": "MapekCycle", "outcome": "planned"}
    assert (
        len(
            find_violations(
                replace(
                    VALID_EVIDENCE,
                    blind_intervals=((PLAN_TIME - 60, PLAN_TIME),),
                    histories=(*VALID_EVIDENCE.histories, cycle),
                )
            )
        )
        == violation_count
    )


def test_a_quarantine_excuses_an_applied_step() -> None:
    """A failed rollback is escalated, and the record says so."""
    knobs = ({"knob": "admission", "quarantined": 1},)
    assert find_violations(replace(VALID_EVIDENCE, outcomes=(make_stored_outcome("rolled_back"),), knobs=knobs)) == []


@pytest.mark.parametrize(("key", "violation_count"), [(None, 0), (f"{OTHER_PLAN}-0-do", 1)])
def test_a_size_set_by_another_writer_excuses_a_late_change(key: str | None, violation_count: int) -> None:
    """The loop cannot undo a late change of the committee any more; a next change of the loop does not excuse it."""
    size: dict[str, Any] = {"kind": "SCALE_UP", "knob": "committee", "policy_id": None}
    ledger = (make_ledger_row(**size), make_ledger_row(generation_before=8, at=PLAN_TIME + 5, **{**size, "key": key}))
    audit = (
        make_attempt_row(knob="committee"),
        *([make_attempt_row(knob="committee", plan_id=OTHER_PLAN, key=key)] if key else []),
    )
    changes: dict[str, Any] = {
        "outcomes": (make_stored_outcome("failed", at=PLAN_TIME - 5, knob="committee"),),
        "histories": (),
    }
    run = replace(VALID_EVIDENCE, ledger=ledger, audit=audit, **changes)
    violations = [v for v in find_violations(run) if v.invariant == "I4" and PLAN in v.summary]
    assert len(violations) == violation_count


def test_a_replaced_policy_is_not_in_force() -> None:
    """Another writer's newer version is in force: there is nothing to undo."""
    replaced = replace(VALID_EVIDENCE, outcomes=(make_stored_outcome("failed"),), generations={"admission": 9})
    assert find_violations(replaced) == []


def make_started_evidence(times: Sequence[float], plans: Sequence[str] | None = None) -> Evidence:
    """A run that began a remediation at each of these times."""
    named = plans or [f"{n:012x}" for n in range(len(times))]
    return replace(
        VALID_EVIDENCE,
        ledger=tuple(make_ledger_row(key=f"{name}-0-do") for name in named),
        plans=tuple(make_plan_row(name, loop="charter") for name in named),
        started=tuple({"plan_id": name, "started_at": at} for name, at in zip(named, times, strict=True)),
        budgets=(("knob", 3, 3600.0), ("loop", 10, 3600.0)),
    )


@pytest.mark.parametrize(
    ("times", "violation_count"),
    [((0, 100, 200), 0), ((0, 100, 200, 3599), 1), ((0, 100, 200, 3600), 0), ((0, 1000, 4000, 4100, 4200, 4300), 1)],
)
def test_more_remediations_than_the_budget_allows_are_found(times: Sequence[float], violation_count: int) -> None:
    """Three are allowed in any hour; a fourth in the same hour is not."""
    assert len(list(check_budgets(make_started_evidence(times)))) == violation_count


def test_a_change_outside_the_budgets_is_found() -> None:
    """The guards cannot count a change that they do not remember."""
    assert [v.invariant for v in check_budgets(replace(make_started_evidence((0,)), started=()))] == ["churn"]


def test_an_operator_s_plan_is_not_counted() -> None:
    """A budget limits only the plans of the loop."""
    many = make_started_evidence((0, 1, 2, 3))
    requested = tuple({**row, "requested_by": "ada"} for row in many.plans)
    assert not list(check_budgets(replace(many, plans=requested)))


@pytest.mark.parametrize(("at", "violation_count"), [(50, 0), (150, 1), (350, 0)])
def test_an_action_in_a_storm_is_found(at: float, violation_count: int) -> None:
    """No remediation begins between the start and the end of a storm."""
    rows = tuple(
        {"at": when, "kind": "storm", "loop": "charter", "plan_id": "", "summary": text}
        for when, text in ((100, "entered: 5 of 8 in trouble"), (300, "left after 200 s"))
    )
    assert (
        len(list(check_inactive_in_storms(replace(make_started_evidence((at,)), audit=rows, is_clock_correct=True))))
        == violation_count
    )

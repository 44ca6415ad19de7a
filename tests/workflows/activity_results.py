"""Answers of scripted activities: the models of a cycle and of a remediation, with fixed values."""

from collections.abc import Callable
from typing import Any

from activities.model import identifiers
from activities.model.blindspot import BlindSpot, BlindSpotKind
from activities.model.cycle import DecisionSummary, DiagnosisSummary, PlanSummary
from activities.model.identifiers import WorkflowName
from activities.model.observation import Observation
from activities.model.outcome import Consequence, Verdict
from activities.model.plan import Risk
from activities.model.remediation import (
    ApplyRequest,
    ApplyResult,
    PrepareResult,
    RecordRequest,
    RecordResult,
    Step,
    UndoResult,
    VerifyRequest,
    VerifyResult,
)
from activities.model.violation import Violation

NOW = 1_750_000_000.0
"""The time of every scripted event (unix seconds)."""
GENERATION = 7
"""The generation of the knob when the plan is prepared; every change adds one."""
COOL_DOWN_SECONDS = 0.05
"""Seconds of the shortest timers; the server's own take about one second."""
PLAN_ID = "a1b2c3d4e5f6"
VIOLATION = Violation(component="validator-2", metric="latency_p99", value=0.812, limit=0.5, since=NOW - 60)
BLIND_SPOT = BlindSpot(component="prometheus", signal="pre-filter", kind=BlindSpotKind.UNREACHABLE, detail="refused")


def make_healthy_observation() -> Observation:
    """Return an observation without violations."""
    return Observation(headline="healthy: 19 metrics of 5 components within limits", at=NOW)


def make_violating_observation() -> Observation:
    """Return an observation with one violation."""
    return Observation(headline=VIOLATION.summary, at=NOW, violations=(VIOLATION,), violation_count=1)


def make_blind_observation() -> Observation:
    """Return the observation when Prometheus does not answer."""
    return Observation(
        headline="blind: prometheus is unreachable", at=NOW, blind=(BLIND_SPOT,), blind_count=1, blind_remote=True
    )


def make_diagnosis(outcome: str = "") -> DiagnosisSummary:
    """Return a diagnosis to plan for, or one that ends the cycle with `outcome`."""
    return DiagnosisSummary(
        headline=outcome or "overload on validator-2, confidence 0.82",
        at=NOW,
        outcome=outcome,
        digest="d" * 64,
        confidence=0.82,
        root_causes=("overload on validator-2 0.82",),
        violations=(VIOLATION.summary,),
    )


def make_plan_summary(knob: str, plan_id: str = PLAN_ID, supersedes: str = "") -> PlanSummary:
    """Return a plan for `knob` of Charter `charter`."""
    return PlanSummary(
        plan_id=plan_id,
        knob=knob,
        workflow_id=identifiers.remediation_id("charter", knob),
        headline=f"scale {knob} up by 1",
        risk=Risk.LOW,
        cause="overload",
        score=0.42,
        supersedes=supersedes,
        workflow_type=WorkflowName.REMEDIATION,
    )


def make_decision(outcome: str, *plans: PlanSummary) -> DecisionSummary:
    """Return a decision with its outcome and plans."""
    return DecisionSummary(
        headline=f"{outcome}: {len(plans)} plans", outcome=outcome, plans=plans, root_cause="overload"
    )


def make_prepare_result(steps: int = 1, **changes: Any) -> PrepareResult:
    """Return a plan of `steps` steps that may be applied."""
    return PrepareResult(
        headline="ready, risk low",
        generation=GENERATION,
        steps=tuple(Step(summary=f"step {number}") for number in range(steps)),
        timeout=5.0,
        retries=2,
        verification_duration=10.0,
    ).model_copy(update=changes)


def make_apply_result(request: ApplyRequest) -> ApplyResult:
    """Return the result of an applied step: the knob's generation rises by one."""
    return ApplyResult(headline=f"step {request.step} done", generation=request.generation + 1, at=NOW)


def make_verify_answer(
    verdict: Verdict, consequence: Consequence = Consequence.KEEP
) -> Callable[[VerifyRequest], VerifyResult]:
    """Return an answer with the plan's verdict; a rollback always restores the previous state."""

    def answer(request: VerifyRequest) -> VerifyResult:
        if request.rollback:
            return VerifyResult(
                headline="the previous state is back", verdict=Verdict.FIXED, consequence=Consequence.KEEP
            )
        figures = {"before": 2, "after": 0 if verdict is Verdict.FIXED else 1, "samples": 5}
        return VerifyResult(headline=f"verdict {verdict}", verdict=verdict, consequence=consequence, **figures)

    return answer


def make_unrestored_result(request: VerifyRequest) -> VerifyResult:
    """Return a verification that is worse, for the plan and for its rollback."""
    consequence = Consequence.KEEP if request.rollback else Consequence.ROLL_BACK
    return VerifyResult(headline="still worse than before", verdict=Verdict.WORSE, consequence=consequence)


def make_record_answer(cool_down: float = 0.0) -> Callable[[RecordRequest], RecordResult]:
    """Return an answer that records the requested outcome, with a cool-down."""

    def answer(request: RecordRequest) -> RecordResult:
        return RecordResult(
            headline=request.headline,
            outcome=request.outcome,
            cool_down=cool_down,
            quarantined=bool(request.undo_failed),
            loop="charter",
        )

    return answer


UNDONE = UndoResult(headline="ROLLBACK done", loop="charter")
NOTHING_TO_UNDO = UndoResult(headline="nothing to undo", changed=False, loop="charter")
UNDO_FAILED = UndoResult(headline="ROLLBACK FAILED", changed=False, failed="a newer change is in force", loop="charter")
MADE_WORSE = make_verify_answer(Verdict.WORSE, Consequence.ROLL_BACK)


def make_remediation_script(**changes: Any) -> dict[str, Any]:
    """Return the script of a remediation that is fixed in one step, with the changes."""
    return {
        "prepare": make_prepare_result(),
        "apply": make_apply_result,
        "verify": make_verify_answer(Verdict.FIXED),
        "undo": UNDONE,
        "record": make_record_answer(),
        "release": None,
    } | changes


def make_cycle_script(*plans: PlanSummary, **changes: Any) -> dict[str, Any]:
    """Return the script of a cycle that plans, with the changes."""
    return {
        "monitor": make_violating_observation(),
        "analyze": make_diagnosis(),
        "plan": make_decision("planned", *plans),
    } | changes

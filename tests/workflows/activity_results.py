"""What scripted activities answer: the nouns of a cycle and of a remediation, with values where they do not matter."""

from collections.abc import Callable
from typing import Any

from activities.model.blindspot import Blindness, BlindSpot
from activities.model.cycle import DecisionBrief, DiagnosisBrief, PlanBrief
from activities.model.observation import Observation
from activities.model.outcome import Consequence, Verdict
from activities.model.plan import Risk
from activities.model.remediation import (
    Applied,
    ApplyRequest,
    Prepared,
    Recorded,
    RecordRequest,
    Step,
    Undone,
    Verified,
    VerifyRequest,
)
from activities.model.violation import Violation
from workflows import names

AT = 1_750_000_000.0
"""When everything scripted happens (unix seconds)."""
GENERATION = 7
"""Of the knob when the plan is prepared; every change adds one."""
MOMENT = 0.05
"""Seconds of the shortest timers; the server's own take about one second."""
PLAN = "a1b2c3d4e5f6"
VIOLATION = Violation(component="validator-2", metric="latency_p99", value=0.812, limit=0.5, since=AT - 60)
BLIND_SPOT = BlindSpot(component="prometheus", signal="pre-filter", kind=Blindness.UNREACHABLE, detail="refused")


def healthy() -> Observation:
    """Nothing is beyond its limits."""
    return Observation(headline="healthy: 19 metrics of 5 components within limits", at=AT)


def troubled() -> Observation:
    """One violation."""
    return Observation(headline=VIOLATION.text, at=AT, violations=(VIOLATION,), violation_count=1)


def blind() -> Observation:
    """Prometheus does not answer."""
    return Observation(
        headline="blind: prometheus is unreachable", at=AT, blind=(BLIND_SPOT,), blind_count=1, blind_remote=True
    )


def diagnosis(outcome: str = "") -> DiagnosisBrief:
    """A diagnosis there is something to plan for, or one that ends the cycle with `outcome`."""
    return DiagnosisBrief(
        headline=outcome or "overload on validator-2, confidence 0.82",
        at=AT,
        outcome=outcome,
        digest="d" * 64,
        confidence=0.82,
        root_causes=("overload on validator-2 0.82",),
        violations=(VIOLATION.text,),
    )


def plan_brief(knob: str, plan_id: str = PLAN, supersedes: str = "") -> PlanBrief:
    """A plan for `knob` of Charter `charter`."""
    return PlanBrief(
        plan_id=plan_id,
        knob=knob,
        workflow_id=names.remediation_id("charter", knob),
        headline=f"scale {knob} up by 1",
        risk=Risk.LOW,
        cause="overload",
        score=0.42,
        supersedes=supersedes,
    )


def decision(outcome: str, *plans: PlanBrief) -> DecisionBrief:
    """A decision with its outcome and plans."""
    return DecisionBrief(headline=f"{outcome}: {len(plans)} plans", outcome=outcome, plans=plans, root_cause="overload")


def prepared(steps: int = 1, **changes: Any) -> Prepared:
    """A plan of so many steps that may be applied."""
    return Prepared(
        headline="ready, risk low",
        generation=GENERATION,
        steps=tuple(Step(text=f"step {number}") for number in range(steps)),
        timeout=5.0,
        retries=2,
        span=10.0,
    ).model_copy(update=changes)


def applied(request: ApplyRequest) -> Applied:
    """The step is done and moved the knob on by one generation."""
    return Applied(headline=f"step {request.step} done", generation=request.generation + 1, at=AT)


def verified(verdict: Verdict, consequence: Consequence = Consequence.KEEP) -> Callable[[VerifyRequest], Verified]:
    """The plan's verdict; of a rollback it is always that the state before is back."""

    def answer(request: VerifyRequest) -> Verified:
        if request.rollback:
            return Verified(headline="the state before is back", verdict=Verdict.FIXED, consequence=Consequence.KEEP)
        figures = {"before": 2, "after": 0 if verdict is Verdict.FIXED else 1, "samples": 5}
        return Verified(headline=f"verdict {verdict}", verdict=verdict, consequence=consequence, **figures)

    return answer


def not_restored(request: VerifyRequest) -> Verified:
    """The plan made it worse, and rolling back does not bring the state before."""
    consequence = Consequence.KEEP if request.rollback else Consequence.ROLL_BACK
    return Verified(headline="still worse than before", verdict=Verdict.WORSE, consequence=consequence)


def recorded(cool_down: float = 0.0) -> Callable[[RecordRequest], Recorded]:
    """The ending as asked, with so many seconds of cool-down."""

    def answer(request: RecordRequest) -> Recorded:
        return Recorded(
            headline=request.headline,
            ending=request.ending,
            cool_down=cool_down,
            quarantined=bool(request.undo_failed),
            loop="charter",
        )

    return answer


UNDONE = Undone(headline="ROLLBACK done", loop="charter")
NOTHING_TO_UNDO = Undone(headline="nothing to undo", changed=False, loop="charter")
UNDO_FAILED = Undone(headline="ROLLBACK FAILED", changed=False, failed="a newer change stands", loop="charter")
MADE_WORSE = verified(Verdict.WORSE, Consequence.ROLL_BACK)


def remediation(**changes: Any) -> dict[str, Any]:
    """The script of a remediation that fixes it in one step, with the changes."""
    return {
        "prepare": prepared(),
        "apply": applied,
        "verify": verified(Verdict.FIXED),
        "undo": UNDONE,
        "record": recorded(),
        "release": None,
    } | changes


def cycle(*plans: PlanBrief, **changes: Any) -> dict[str, Any]:
    """The script of a cycle that finds trouble and plans for it, with the changes."""
    return {
        "monitor": troubled(),
        "analyze": diagnosis(),
        "plan": decision("planned", *plans),
    } | changes

"""The messages of a cycle: small, because they are written into every history."""

from enum import StrEnum

from activities.model.identifiers import WorkflowName
from activities.model.plan import Plan, Risk
from activities.model.types import FrozenModel


class Trigger(StrEnum):
    """What started a cycle, as in `MapekTrigger`."""

    SCHEDULE = "schedule"
    ALERT = "alert"
    MANUAL = "manual"


class CycleOutcome(StrEnum):
    """How a cycle ends, as in `MapekOutcome`."""

    HEALTHY = "healthy"
    BLIND = "blind"
    """A signal cannot be read. Not healthy."""
    UNKNOWN = "unknown"
    """No cause has a name, or too little confidence."""
    BLOCKED = "blocked"
    """A guard, the store or an unreadable remote forbids a change now."""
    PLANNED = "planned"
    OBSERVED = "observed"
    """Only the mode, a silence, a storm or a lack of trust holds the plans back."""
    BUSY = "busy"
    """Another plan holds the knob."""
    ESCALATED = "escalated"
    """No rung is left; an operator must act."""


class CycleRequest(FrozenModel):
    """Input of `MapekCycle`. `trigger` is schedule, alert or manual; `reason` is who or what asked, for people."""

    loop: str
    trigger: str = Trigger.SCHEDULE
    reason: str = ""
    links: str = ""


class CycleResult(FrozenModel):
    """Result of `MapekCycle`. `outcome` as in `MapekOutcome`; `plans` are ids of started remediations.

    `blocked_by` are the rules of the guards that stopped candidates.
    """

    headline: str
    outcome: str
    plans: tuple[str, ...] = ()
    violations: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()
    root_cause: str = ""
    rejected: tuple[str, ...] = ()
    blocked_by: tuple[str, ...] = ()


class MonitorRequest(FrozenModel):
    """What Monitor is asked: one loop."""

    loop: str


class AnalyzeRequest(FrozenModel):
    """What Analyze is asked: the loop as of `at` (unix seconds, from the observation)."""

    loop: str
    at: float


class DiagnosisSummary(FrozenModel):
    """What of a diagnosis goes into history: at most 4 patterns, 3 causes and 8 violations, each one line.

    `outcome` is empty if there is something to plan for, else how the cycle ends: healthy (the trouble is over),
    blind or blocked. `digest` names the stored analysis input.
    """

    headline: str
    at: float
    outcome: str = ""
    digest: str = ""
    confidence: float = 0.0
    patterns: tuple[str, ...] = ()
    root_causes: tuple[str, ...] = ()
    violations: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()


class PlanRequest(FrozenModel):
    """What Plan is asked: to decide upon the analysis input stored under `digest`.

    `silenced` are components that may only be observed, "*" all of them.
    """

    loop: str
    cycle_id: str
    digest: str
    silenced: tuple[str, ...] = ()


class PlanSummary(FrozenModel):
    """A plan as a cycle carries it. `workflow_id` is the remediation's fixed id: the lock of its knob.

    `settle` is in seconds. `supersedes` is the id of a plan of higher risk that waits for its approval on the same
    knob, empty if there is none. `workflow_type` is the type of the remediation to start: the result of an activity
    decides it, so that histories from before the type was renamed replay with the former one.
    """

    plan_id: str
    knob: str
    workflow_id: str
    headline: str
    risk: Risk
    cause: str
    score: float
    settle: float = 0.0
    supersedes: str = ""
    workflow_type: str = WorkflowName.FORMER_REMEDIATION

    @classmethod
    def from_plan(cls, plan: Plan, supersedes: str = "") -> "PlanSummary":
        """Return what a workflow needs of a plan."""
        return cls(
            plan_id=plan.plan_id,
            knob=plan.knob,
            workflow_id=plan.workflow_id,
            headline=plan.headline,
            risk=plan.risk,
            cause=plan.cause.value,
            score=round(plan.score, 4),
            settle=plan.settle,
            supersedes=supersedes,
            workflow_type=WorkflowName.REMEDIATION,
        )


class DecisionSummary(FrozenModel):
    """What of a decision goes into history: the plans, and at most 6 rejected candidates, each one line.

    `blocked_by` are the rules of the guards that stopped candidates.
    """

    headline: str
    outcome: str
    plans: tuple[PlanSummary, ...] = ()
    root_cause: str = ""
    rejected: tuple[str, ...] = ()
    blocked_by: tuple[str, ...] = ()

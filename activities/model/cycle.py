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
    """Input of `MapekCycle`. `trigger` is a `Trigger`; `reason` says for operators who or what requested the cycle."""

    loop: str
    trigger: str = Trigger.SCHEDULE
    reason: str = ""
    links: str = ""


class CycleResult(FrozenModel):
    """Result of `MapekCycle`. `outcome` is a `CycleOutcome`; `plans` are the ids of started remediations.

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
    """Request of Monitor for one loop."""

    loop: str


class AnalyzeRequest(FrozenModel):
    """Request of Analyze for one loop at `at` (unix seconds, from the observation)."""

    loop: str
    at: float


class DiagnosisSummary(FrozenModel):
    """The part of a diagnosis in history: at most 4 patterns, 3 causes and 8 violations, one line each.

    `outcome` is empty if the cycle continues to Plan. Otherwise it is how the cycle ends: healthy (the problem is
    over), blind or blocked. `digest` names the stored analysis input.
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
    """Request of Plan: decide on the analysis input stored under `digest`.

    `silenced` are components that may only be observed, "*" for all.
    """

    loop: str
    cycle_id: str
    digest: str
    silenced: tuple[str, ...] = ()


class PlanSummary(FrozenModel):
    """The part of a plan that a cycle needs. `workflow_id` is the fixed id of the remediation: the lock of its knob.

    `settle` is in seconds. `supersedes` is the id of a plan of higher risk that waits for approval on the same knob,
    empty if there is none. `workflow_type` is the type of the remediation to start. It comes from an activity result,
    so histories from before the type was renamed replay with the former type.
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
        """Return the summary of a plan."""
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
    """The part of a decision in history: the plans, and at most 6 rejected candidates, one line each.

    `blocked_by` are the rules of the guards that stopped candidates.
    """

    headline: str
    outcome: str
    plans: tuple[PlanSummary, ...] = ()
    root_cause: str = ""
    rejected: tuple[str, ...] = ()
    blocked_by: tuple[str, ...] = ()

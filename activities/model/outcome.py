"""Verdicts of verification, and the outcomes that Knowledge keeps."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from activities.model.action import ActionType
from activities.model.autonomy import EvidenceKind
from activities.model.diagnosis import Cause
from activities.model.pattern import PatternBasis
from activities.model.types import FrozenModel, MigratedModel


class Verdict(StrEnum):
    """The result of a verification. Never a bool: unknown is a result."""

    FIXED = "fixed"
    IMPROVED = "improved"
    NO_EFFECT = "no_effect"
    WORSE = "worse"
    INCONCLUSIVE = "inconclusive"


class Consequence(StrEnum):
    """The consequence of a verdict."""

    KEEP = "keep"
    ROLL_BACK = "roll_back"
    ESCALATE = "escalate"


class EffectClass(StrEnum):
    """The effect of a remediation, as Knowledge keeps it."""

    SUCCESS = "success"
    PARTIAL = "partial"
    INEFFECTIVE = "ineffective"
    DEGRADATION = "degradation"
    UNKNOWN = "unknown"


class Outcome(MigratedModel):
    """The outcome of one remediation; `plan_id` is unique, so it is kept exactly once.

    `outcome` is a `RemediationOutcome`. `before` and `after` are numbers of violated (component, metric) pairs. `value`
    is 1, 0.5 or 0, None if it does not count for learning. `seconds` is the time from apply to verdict, None if nothing
    was applied. `rechecks` counts the later rechecks; `relapsed_at` (unix seconds) is the recheck that found the
    problem again, None without one. `ended_at` is the end of the remediation by Temporal's clock, 0 in old outcomes;
    `at` is by the worker's clock. `problem_persisted`: the problem was still there when the plan was checked before the
    apply. `evidence_patterns` are the patterns that the plan was based on.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {
        "ending": "outcome",
        "ended": "ended_at",
        "outlasted": "problem_persisted",
        "grounds": "evidence_patterns",
    }

    plan_id: str
    loop: str
    charter: str
    knob: str
    actions: tuple[ActionType, ...]
    cause: Cause
    component: str
    outcome: str
    type: EffectClass
    value: float | None
    before: int = 0
    after: int = 0
    at: float = 0.0
    seconds: float | None = None
    headline: str = ""
    rechecks: int = 0
    relapsed_at: float | None = None
    ended_at: float = 0.0
    problem_persisted: bool = False
    evidence_patterns: tuple[PatternBasis, ...] = ()


class OutcomeTransaction(FrozenModel):
    """The end of a remediation, written to the store in one transaction. Times are unix seconds.

    `cool_down_until` is 0 for no cool-down. A `quarantine_reason` quarantines the knob. An empty one keeps a
    quarantine, because only an operator releases it. `history_limit` is the number of outcomes kept per loop.
    `evidence_kind` is the evidence for the trust in the plan's actions, None for none. `recheck_at` is the next
    recheck, None for none. `unapplied_steps` as in `RecordRequest`.
    """

    outcome: Outcome
    cool_down_until: float = 0.0
    cool_down_reason: str = ""
    quarantine_reason: str = ""
    close_incident: bool = False
    history_limit: int = 1000
    evidence_kind: EvidenceKind | None = None
    recheck_at: float | None = None
    unapplied_steps: tuple[int, ...] = ()

"""Verdicts of verification and the outcomes Knowledge keeps."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from activities.model.action import ActionType
from activities.model.autonomy import EvidenceKind
from activities.model.diagnosis import Cause
from activities.model.pattern import PatternBasis
from activities.model.types import FrozenModel, MigratedModel


class Verdict(StrEnum):
    """Verification's answer. Never a bool: not knowing is an answer."""

    FIXED = "fixed"
    IMPROVED = "improved"
    NO_EFFECT = "no_effect"
    WORSE = "worse"
    INCONCLUSIVE = "inconclusive"


class Consequence(StrEnum):
    """What follows from a verdict."""

    KEEP = "keep"
    ROLL_BACK = "roll_back"
    ESCALATE = "escalate"


class EffectClass(StrEnum):
    """What Knowledge keeps of a remediation."""

    SUCCESS = "success"
    PARTIAL = "partial"
    INEFFECTIVE = "ineffective"
    DEGRADATION = "degradation"
    UNKNOWN = "unknown"


class Outcome(MigratedModel):
    """One remediation's outcome; `plan_id` is unique, so that it is kept exactly once.

    `ending` is the remediation's `MapekOutcome` (a verdict, or rolled_back, rejected, ...). `before` and `after` are
    numbers of violated (component, metric) pairs. `value` is 1, 0.5 or 0, None where it does not count for learning.
    `seconds` is apply to verdict, None if nothing was applied. `rechecks` counts later looks at it; `relapsed_at` (unix
    seconds) is when one of them found the trouble back, None as long as none did. `ended` is when the remediation
    ended by Temporal's clock, 0 in old ones; `at` is by that of the worker. `outlasted`: the trouble was still
    there when the remediation first looked again. `grounds` are the patterns its plan rested on.
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
    """How a remediation ends, written to the store in one transaction. Times are unix seconds.

    `cooldown_until` is 0 for no cool-down. A `quarantine_why` quarantines the knob; empty leaves a quarantine as it
    is, because only a person releases one. `keep` is how many outcomes of the loop are remembered. `mark` is what it
    says of the trust in the plan's actions, None for nothing. `recheck_at` is when the outcome is to be looked at
    again, None for never. `absent` as in `RecordRequest`.
    """

    outcome: Outcome
    cooldown_until: float = 0.0
    cooldown_reason: str = ""
    quarantine_reason: str = ""
    close_incident: bool = False
    history_limit: int = 1000
    evidence_kind: EvidenceKind | None = None
    recheck_at: float | None = None
    unapplied_steps: tuple[int, ...] = ()

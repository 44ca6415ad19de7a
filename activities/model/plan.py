"""A plan: the chosen candidate, frozen, hashed and stored."""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar

from activities.model.action import Action
from activities.model.diagnosis import Cause
from activities.model.guard_state import UnsettledPlan
from activities.model.identifiers import remediation_id
from activities.model.incident import KnobProblem
from activities.model.pattern import PatternBasis
from activities.model.remediation_outcome import CoolDown, consequences_of
from activities.model.types import MigratedModel, encode_json


class Risk(StrEnum):
    """The cost of a mistake, from blast radius and reversibility."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """0 for low, rising."""
        return list(Risk).index(self)


class Verification(MigratedModel):
    """How the effect is verified. Times are in seconds.

    `targets` are the (component, metric) pairs that must recover; `neighbours` are the components that must not get
    worse. `baseline_count` counts the targets violated at the decision. `preexisting` are the other pairs of the
    neighbours that were violated then; the plan is not blamed for them. Samples start `delay` after the apply, one per
    `interval`, at least `samples` of them. `fixed` requires the last `required_passes` to have no violated target.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {
        "passes": "required_passes",
        "before": "baseline_count",
        "known": "preexisting",
    }

    targets: tuple[tuple[str, str], ...]
    neighbours: tuple[str, ...] = ()
    delay: float = 30.0
    interval: float = 15.0
    samples: int = 5
    required_passes: int = 4
    baseline_count: int = 0
    preexisting: tuple[tuple[str, str], ...] = ()


class CoolDowns(MigratedModel):
    """The cool-down of a knob after a remediation, in seconds. The defaults are those of the settings."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"kept": "after_success"}

    after_success: float
    no_effect: float
    rolled_back: float

    def seconds_after(self, outcome: str) -> float:
        """Return the cool-down of a knob after `outcome`, 0 if nothing was applied."""
        seconds = {
            CoolDown.NONE: 0.0,
            CoolDown.AFTER_SUCCESS: self.after_success,
            CoolDown.NO_EFFECT: self.no_effect,
            CoolDown.ROLLED_BACK: self.rolled_back,
        }
        return seconds[consequences_of(outcome).cool_down]


class Plan(MigratedModel):
    """The content of one remediation. A plan changes exactly one knob.

    `plan_id` is the first 12 hex digits of `hash`. `generation` is the knob's generation at the decision: the fence of
    the first step. `created_at` (unix seconds) is part of Charter's apply envelope, so a retry is byte-identical.
    `settle` seconds pass before the plan is prepared. `requested_by` is the operator who requested the plan, empty for
    a plan of the loop. `component_count` is the number of components. `evidence_patterns` are the counted patterns
    on the components of the plan. `low_confidence`: outcomes lowered the confidence in the cause so far that an
    operator must decide.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {
        "watched": "component_count",
        "grounds": "evidence_patterns",
        "doubted": "low_confidence",
    }

    plan_id: str
    hash: str
    loop: str
    charter: str
    cycle_id: str
    knob: str
    incident_id: str
    rung: int
    cause: Cause
    component: str
    onset: float
    generation: int
    actions: tuple[Action, ...]
    created_at: float
    settle: float
    verification: Verification
    cool_downs: CoolDowns
    risk: Risk
    needs_approval: bool
    confidence: float
    cost: float
    benefit: float
    score: float
    snapshot: str
    headline: str
    requested_by: str = ""
    component_count: int = 0
    evidence_patterns: tuple[PatternBasis, ...] = ()
    low_confidence: bool = False

    @property
    def workflow_id(self) -> str:
        """The fixed id of every remediation of this knob: the lock, for every loop on the same Charter."""
        return remediation_id(self.charter, self.knob)

    @property
    def as_unsettled(self) -> UnsettledPlan:
        """The plan as a guard on its knob, until an outcome is recorded."""
        return UnsettledPlan(knob=self.knob, plan_id=self.plan_id, since=self.created_at)

    def problem_at(self, observed_at: float) -> KnobProblem:
        """Return the problem it is for, observed at `observed_at` (unix seconds)."""
        return KnobProblem(charter=self.charter, knob=self.knob, onset=self.onset, observed_at=observed_at)


def compute_plan_hash(incident_id: str, rung: int, generation: int, actions: tuple[Action, ...]) -> str:
    """Return sha256 (64 hex digits) over incident, rung, observed generation and actions with parameters.

    Fields at their default are left out, so that a field added later changes no hash.

    Cost and wording are left out too: the same change to the same state in the same incident is the same plan, with the
    same idempotency keys.
    """
    body: dict[str, Any] = {
        "incident": incident_id,
        "rung": rung,
        "generation": generation,
        "actions": [a.model_dump(mode="json", exclude={"cost"}, exclude_defaults=True) for a in actions],
    }
    return hashlib.sha256(encode_json(body)).hexdigest()

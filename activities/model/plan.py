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
    """What a mistake would cost: from blast radius and reversibility."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """0 for low, rising."""
        return list(Risk).index(self)


class Verification(MigratedModel):
    """How the effect is judged. Times in seconds.

    `targets` are the (component, metric) pairs that must become good; `neighbours` the components that must not get
    worse. `before` counts the targets violated at the decision; `known` are the neighbours' other pairs violated then,
    which are not held against the plan. Samples start `delay` after the apply, one every `interval`, at least `samples`
    of them; `fixed` needs the last `passes` to be all good.
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
    """How long a knob rests after each ending, in seconds."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"kept": "after_success"}

    after_success: float = 300.0
    no_effect: float = 0.0
    rolled_back: float = 900.0

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
    """What one remediation executes. It changes exactly one knob.

    `plan_id` is the first 12 hex digits of `hash`. `generation` is the knob's generation the decision saw: the fence
    of the first step. `created_at` (unix seconds) is the plan's time and goes into Charter's apply envelope, so that
    a retry is byte-identical. `settle` seconds pass before it is prepared. `requested_by` is the person who asked for
    it, empty for a plan of the loop's own. `leading` are the components the leading diagnosis explained: trouble
    elsewhere is held against the picture. `watched` is how many components there were. `grounds` are the counted
    patterns on the components it is for. `doubted`: outcomes left so little confidence in the cause that a person has
    to decide.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {
        "leading": "explained_components",
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
    explained_components: tuple[str, ...] = ()
    component_count: int = 0
    evidence_patterns: tuple[PatternBasis, ...] = ()
    low_confidence: bool = False

    @property
    def workflow_id(self) -> str:
        """The fixed id of whatever remediates this knob: the lock, for every loop on the same Charter."""
        return remediation_id(self.charter, self.knob)

    @property
    def as_unsettled(self) -> UnsettledPlan:
        """It as a guard on its knob, for as long as no outcome answers for it."""
        return UnsettledPlan(knob=self.knob, plan_id=self.plan_id, since=self.created_at)

    def problem_at(self, observed_at: float) -> KnobProblem:
        """Return the problem it is for, observed at `observed_at` (unix seconds)."""
        return KnobProblem(charter=self.charter, knob=self.knob, onset=self.onset, observed_at=observed_at)


def compute_plan_hash(incident_id: str, rung: int, generation: int, actions: tuple[Action, ...]) -> str:
    """Return sha256 (64 hex) over incident, rung, observed generation and actions with parameters.

    Fields at their default are left out, so that a field added later changes no hash.

    Cost and wording are left out: the same change to the same state in the same trouble is the same plan, and so it
    has the same idempotency keys.
    """
    body: dict[str, Any] = {
        "incident": incident_id,
        "rung": rung,
        "generation": generation,
        "actions": [a.model_dump(mode="json", exclude={"cost"}, exclude_defaults=True) for a in actions],
    }
    return hashlib.sha256(encode_json(body)).hexdigest()

"""The complete recorded input of one decision: enough to decide it again."""

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from activities.model.autonomy import Autonomy
from activities.model.baseline import Baseline
from activities.model.blindspot import BlindSpot
from activities.model.charter import CharterFinding, Committee, Policy
from activities.model.experience import Experience
from activities.model.guard_state import GuardState
from activities.model.mode import Mode
from activities.model.pattern import CalibrationCurve
from activities.model.rule import MetricRule
from activities.model.timeseries import Series
from activities.model.topology import Topology
from activities.model.types import FrozenModel, MigratedModel, encode_json


class AnalysisInput(MigratedModel):
    """What Analyze looks at.

    `at` is the last instant of `grid` (unix seconds, multiples of `step`); series hold one value an instant.
    `freshness` holds, per component and signal, seconds since the last sample; its signal "moving" counts how often
    the component's validation counter changed lately. A sample older than `max_age` seconds is not believed.
    `components` are those that must be visible: configured ones and members of the committee.
    `findings` are Charter's own violations, `committee` and `policies` its state at `at` (None: not readable, and
    then `blind` says so). `usual` holds what is usual for metrics with an adaptive rule, without it they are not
    judged. `curves` is what outcomes say of patterns, a kind without one keeps its constant.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {
        "usual": "baselines",
        "curves": "calibration_curves",
    }

    at: float
    step: float
    max_age: float = 30.0
    grid: tuple[float, ...]
    components: tuple[str, ...]
    rules: tuple[MetricRule, ...]
    series: tuple[Series, ...] = ()
    freshness: tuple[Series, ...] = ()
    findings: tuple[CharterFinding, ...] = ()
    committee: Committee | None = None
    policies: tuple[Policy, ...] = ()
    topology: Topology = Topology()
    blind: tuple[BlindSpot, ...] = ()
    baselines: tuple[Baseline, ...] = ()
    calibration_curves: tuple[CalibrationCurve, ...] = ()


class Snapshot(FrozenModel):
    """One decision's input. `analysis` is the digest of the stored analysis input it was made from.

    `settings` is the dump of the sections that decide; `seed` feeds the choices that are drawn (none while exploring
    is off); `at` is the decision's time in unix seconds; `silenced` are components that may only be observed.
    `autonomy` is how far each action is trusted, None in what was recorded before anything was earned.
    `error_budget` is the share left of the service's own, 0 to 1, 0 if it cannot be told, None if it is not asked.
    """

    at: float
    loop: str
    charter: str
    cycle_id: str
    analysis: str
    experience: Experience = Experience()
    guards: GuardState = GuardState()
    mode: Mode
    settings: dict[str, Any] = Field(default_factory=dict)
    seed: int = 0
    silenced: tuple[str, ...] = ()
    error_budget: float | None = None
    autonomy: Autonomy | None = None


def canonical_json(model: FrozenModel) -> bytes:
    """Return the noun as JSON bytes with sorted keys: equal values have equal bytes."""
    return encode_json(model.model_dump(mode="json"))


def compute_digest(model: FrozenModel) -> str:
    """Return the content address of a noun: sha256 over its canonical bytes, 64 hex digits."""
    return hashlib.sha256(canonical_json(model)).hexdigest()

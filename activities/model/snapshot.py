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
    """The input of Analyze.

    `at` is the last instant of `grid` (unix seconds, multiples of `step`); a series holds one value per instant.
    `freshness` holds, per component and signal, the seconds since the last sample. Its signal "moving" counts the
    recent changes of the component's validation counter. A sample older than `max_age` seconds is ignored. `components`
    are those that must be visible: the configured ones and the members of the committee. `findings` are Charter's own
    violations. `committee` and `policies` are its state at `at`, None if not readable; then `blind` says so.
    `baselines` belong to metrics with an adaptive rule, which are not judged without one. `calibration_curves` are
    learned from outcomes; a kind of pattern without one keeps its constant confidence.
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
    """The input of one decision. `analysis` is the digest of the stored analysis input.

    `settings` is the dump of the deciding sections. `seed` feeds the random choices, none without exploration. `at` is
    the time of the decision in unix seconds. `silenced` are components that may only be observed. `autonomy` is the
    trust in each action, None in snapshots from before there was evidence. `error_budget` is the remaining fraction, 0
    to 1: 0 if it is unknown, None if it is not configured.
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
    """Return the model as JSON bytes with sorted keys: equal values have equal bytes."""
    return encode_json(model.model_dump(mode="json"))


def compute_digest(model: FrozenModel) -> str:
    """Return the content address of a model: sha256 over its canonical JSON, 64 hex digits."""
    return hashlib.sha256(canonical_json(model)).hexdigest()

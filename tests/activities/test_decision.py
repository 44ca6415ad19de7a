"""Decisions on recorded input."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.decision import decide, verification_timings
from activities.execute.settings import ExecuteSettings, VerifySettings
from activities.model.action import ActionType
from activities.model.autonomy import Autonomy, Level
from activities.model.diagnosis import Cause
from activities.model.experience import ActionStats, Experience
from activities.model.guard_state import GuardState, KnobGuard
from activities.model.mode import LoopMode, Mode
from activities.model.snapshot import AnalysisInput, Snapshot, compute_digest
from activities.plan.settings import PlanSettings
from activities.settings import LoopSettings
from tests.support.analysis_inputs import MEMBERS, make_analysis_input, make_values_since

SETTINGS = LoopSettings()
NOW = 1_700_001_000.0


def make_slow_committee(exporter_value: float = 0.0) -> AnalysisInput:
    """Return an input with all members slow, and one exporter with this value."""
    values = {
        (name, "validation_latency_seconds"): make_values_since("validation_latency_seconds", 2.4, 6)
        for name in MEMBERS
    }
    return make_analysis_input(
        values | {("audit-log", "failure_rate"): make_values_since("failure_rate", exporter_value, 1)}
    )


def make_snapshot(analysis: AnalysisInput, **changes: Any) -> Snapshot:
    """Return the snapshot of a decision on this input."""
    defaults: dict[str, Any] = {
        "at": NOW,
        "loop": "charter",
        "charter": "charter",
        "cycle_id": "mapek-cycle:charter-1",
        "analysis": compute_digest(analysis),
        "mode": Mode(loop="charter", name=LoopMode.ACT),
        "settings": SETTINGS.decision_settings(),
        "autonomy": Autonomy(start=Level.AUTO),
    }
    return Snapshot(**(defaults | changes))


def test_a_slow_committee_is_scaled_up() -> None:
    """A slow committee is diagnosed and scaled up; the plan names its snapshot, the diagnosis its input."""
    analysis = make_slow_committee()
    recorded = make_snapshot(analysis)
    decision = decide(recorded, analysis, SETTINGS)
    assert decision.outcome == "planned"
    assert decision.headline.startswith("planned SCALE_UP committee (replicas 6): score +0.48")
    (plan,) = decision.plans
    assert (plan.cause, plan.snapshot) == (Cause.VALIDATION_LATENCY, compute_digest(recorded))
    assert (plan.created_at, plan.cycle_id) == (NOW, "mapek-cycle:charter-1")
    assert decision.diagnosis.digest == compute_digest(analysis)
    assert set(plan.verification.targets) <= {(name, "validation_latency_seconds") for name in MEMBERS}


@pytest.mark.parametrize(("simulator", "outcome"), [(True, "planned"), (False, "observed")])
def test_without_evidence_the_initial_level_decides(simulator: bool, outcome: str) -> None:
    """On the simulator the loop acts from the first day; on any other Charter it only observes."""
    analysis = make_slow_committee()
    recorded = make_snapshot(analysis, autonomy=None)
    assert decide(recorded, analysis, SETTINGS.model_copy(update={"simulator": simulator})).outcome == outcome


@given(
    at=st.floats(1e9, 2e9),
    exporter_value=st.sampled_from([0.0, float("nan"), float("inf")]),
    cool_down_until=st.floats(0, 2e9),
    n=st.integers(0, 60),
    success_rate=st.floats(0, 1),
    mode=st.sampled_from(list(LoopMode)),
)
def test_a_decision_survives_the_record(
    at: float, exporter_value: float, cool_down_until: float, n: int, success_rate: float, mode: LoopMode
) -> None:
    """Written and read again, the same input gives the same decision, byte by byte."""
    analysis = make_slow_committee(exporter_value)
    learned = ActionStats(action=ActionType.SCALE_UP, cause=Cause.VALIDATION_LATENCY, count=n, total=n * success_rate)
    recorded = make_snapshot(
        analysis,
        at=at,
        experience=Experience(action_stats=(learned,)),
        guards=GuardState(knobs=(KnobGuard(knob="committee", cool_down_until=cool_down_until),)),
        mode=Mode(loop="charter", name=mode),
    )
    read = Snapshot.model_validate_json(recorded.model_dump_json())
    again = decide(read, AnalysisInput.model_validate_json(analysis.model_dump_json()), SETTINGS)
    assert again.model_dump_json() == decide(recorded, analysis, SETTINGS).model_dump_json()


def test_other_settings_decide_on_the_same_snapshot() -> None:
    """The settings of the argument decide, not those of the snapshot."""
    analysis = make_slow_committee()
    strict = LoopSettings(plan=PlanSettings(min_confidence=1.0))
    assert decide(make_snapshot(analysis), analysis, strict).outcome == "unknown"


@pytest.mark.parametrize(("delay", "expected"), [(0.0, 15.0), (15.0, 15.0), (30.0, 30.0)])
def test_verification_never_starts_before_a_scrape(delay: float, expected: float) -> None:
    """A scrape before the apply cannot show its effect."""
    settings = LoopSettings(execute=ExecuteSettings(verify=VerifySettings(delay=delay)))
    assert verification_timings(settings).delay == expected

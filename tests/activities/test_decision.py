"""Deciding again what was recorded."""

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


def make_slow_committee(has_nan_exporter: float = 0.0) -> AnalysisInput:
    """Return an input with all members slow, and one lying exporter if `lying` is no number."""
    values = {
        (name, "validation_latency_seconds"): make_values_since("validation_latency_seconds", 2.4, 6)
        for name in MEMBERS
    }
    return make_analysis_input(
        values | {("audit-log", "failure_rate"): make_values_since("failure_rate", has_nan_exporter, 1)}
    )


def make_snapshot(analysis: AnalysisInput, **changes: Any) -> Snapshot:
    """Return the snapshot of a decision upon this input."""
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


def test_the_whole_way_from_samples_to_a_plan() -> None:
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
def test_where_nothing_was_earned_the_start_decides(simulator: bool, outcome: str) -> None:
    """On the simulator the loop acts from the first day; on a Charter that matters it only says what it would do."""
    analysis = make_slow_committee()
    recorded = make_snapshot(analysis, autonomy=None)
    assert decide(recorded, analysis, SETTINGS.model_copy(update={"simulator": simulator})).outcome == outcome


@given(
    at=st.floats(1e9, 2e9),
    lying=st.sampled_from([0.0, float("nan"), float("inf")]),
    cooled=st.floats(0, 2e9),
    n=st.integers(0, 60),
    share=st.floats(0, 1),
    mode=st.sampled_from(list(LoopMode)),
)
def test_a_decision_survives_the_record(
    at: float, lying: float, cooled: float, n: int, share: float, mode: LoopMode
) -> None:
    """Written down and read again, the same input gives the same decision, to the byte."""
    analysis = make_slow_committee(lying)
    learned = ActionStats(action=ActionType.SCALE_UP, cause=Cause.VALIDATION_LATENCY, count=n, total=n * share)
    recorded = make_snapshot(
        analysis,
        at=at,
        experience=Experience(action_stats=(learned,)),
        guards=GuardState(knobs=(KnobGuard(knob="committee", cooldown_until=cooled),)),
        mode=Mode(loop="charter", name=mode),
    )
    read = Snapshot.model_validate_json(recorded.model_dump_json())
    again = decide(read, AnalysisInput.model_validate_json(analysis.model_dump_json()), SETTINGS)
    assert again.model_dump_json() == decide(recorded, analysis, SETTINGS).model_dump_json()


def test_other_settings_can_be_asked_of_the_same_past() -> None:
    """What-if: the settings of the argument decide, not those recorded."""
    analysis = make_slow_committee()
    strict = LoopSettings(plan=PlanSettings(min_confidence=1.0))
    assert decide(make_snapshot(analysis), analysis, strict).outcome == "unknown"


@pytest.mark.parametrize(("delay", "expected"), [(0.0, 15.0), (15.0, 15.0), (30.0, 30.0)])
def test_verification_never_starts_before_a_scrape(delay: float, expected: float) -> None:
    """What was scraped before the apply cannot show its effect."""
    settings = LoopSettings(execute=ExecuteSettings(verify=VerifySettings(delay=delay)))
    assert verification_timings(settings).delay == expected

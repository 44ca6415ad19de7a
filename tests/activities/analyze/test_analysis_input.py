"""The fixed grid and the analysis input on it."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.analyze.analysis_input import GridTiming, RangeReading, build_analysis_input, grid_instants, grid_timing
from activities.analyze.diagnose import diagnose
from activities.analyze.settings import AnalyzeSettings
from activities.model.charter import CharterFinding
from activities.model.timeseries import SampleSeries, Series
from activities.monitor.builtin_rules import BUILTIN_RULES
from activities.monitor.queries import COUNTER_MOVING, all_signals
from activities.monitor.settings import MonitorSettings
from tests.support.analysis_inputs import COMMITTEE, HEALTHY_VALUES, MEMBERS, SERVICES, TOPOLOGY

BASE_TIME = 1_700_000_010.0


@pytest.mark.parametrize(
    ("at", "step", "lookback", "expected"),
    [
        (60.0, 15.0, 60.0, (15.0, 30.0, 45.0, 60.0)),
        (74.9, 15.0, 60.0, (15.0, 30.0, 45.0, 60.0)),
        (75.0, 15.0, 60.0, (30.0, 45.0, 60.0, 75.0)),
        (60.0, 15.0, 1.0, (60.0,)),
        (60.0, 15.0, 50.0, (15.0, 30.0, 45.0, 60.0)),
        (60.0, 60.0, 0.0, (60.0,)),
    ],
)
def test_grid_is_aligned_and_half_open(at: float, step: float, lookback: float, expected: tuple[float, ...]) -> None:
    """The grid has multiples of the step, without the start of the look-back, with its end, and at least one."""
    assert grid_instants(at, step, lookback) == expected


@given(phase=st.floats(0, 1, exclude_max=True), step=st.sampled_from([1.0, 15.0, 60.0]))
def test_grid_does_not_depend_on_the_phase(phase: float, step: float) -> None:
    """Every time within a step has the same grid."""
    start = 1_700_000_040.0
    assert grid_instants(start + phase * step * 0.999, step, 600.0) == grid_instants(start, step, 600.0)


def test_step_is_never_below_the_scrape_interval() -> None:
    """A grid finer than the data would count a sample twice."""
    fine = grid_timing(BASE_TIME, MonitorSettings(scrape_interval=1), AnalyzeSettings())
    coarse = grid_timing(BASE_TIME, MonitorSettings(scrape_interval=60), AnalyzeSettings())
    assert (fine.step, fine.max_age, len(fine.instants)) == (15.0, 2.0, 40)
    assert (coarse.step, coarse.max_age, len(coarse.instants)) == (60.0, 120.0, 10)


def test_points_are_aligned_and_gaps_are_none() -> None:
    """A point has its own instant or is left out; NaN is kept."""
    timing = GridTiming((100.0, 115.0, 130.0), 15.0, 30.0)
    points = ((100.001, 1.0), (120.0, 2.0), (130.0, math.nan), (145.0, 3.0))
    labels = {"node_or_service": "gateway", "rule": "failure_rate"}
    reading = RangeReading(values=(SampleSeries(labels=labels, points=points),), committee=COMMITTEE)
    analysis_input = build_analysis_input(reading, timing, BUILTIN_RULES, SERVICES, TOPOLOGY)
    (series,) = analysis_input.series
    assert (series.component, series.metric, series.values[:2]) == ("gateway", "failure_rate", (1.0, None))
    assert math.isnan(series.values[2] or 0.0)
    assert (analysis_input.at, analysis_input.components) == (130.0, tuple(sorted((*SERVICES, *MEMBERS))))


def test_different_series_are_both_kept() -> None:
    """The judgement decides about different answers, not their order."""
    timing = GridTiming((100.0,), 15.0, 30.0)
    answers = tuple(
        SampleSeries(labels={"node_or_service": "gateway", "rule": "failure_rate", "job": str(v)}, points=((100.0, v),))
        for v in (0.1, 0.5)
    )
    lines = build_analysis_input(RangeReading(values=answers), timing, BUILTIN_RULES, SERVICES, TOPOLOGY).series
    assert [line.values for line in lines] == [(0.1,), (0.5,)]


@settings(max_examples=60, deadline=None)
@given(
    phase=st.floats(0, 14.99),
    scrape=st.sampled_from([1.0, 5.0, 7.5, 15.0]),
    failing=st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_diagnosis_depends_neither_on_phase_nor_on_scrape_interval(
    phase: float, scrape: float, failing: list[bool]
) -> None:
    """Equal history, at any time within a step and any scrape interval up to it, gives equal diagnoses."""

    def diagnose_at(at: float, interval: float) -> tuple[object, ...]:
        timing = grid_timing(at, MonitorSettings(scrape_interval=interval), AnalyzeSettings())
        first = BASE_TIME + 15.0 - 8 * 15.0

        def failure_rate(instant: float) -> float:
            index = int((instant - first) // 15.0)
            return 0.3 if 0 <= index < 8 and failing[index] else 0.002

        values = [
            SampleSeries(
                labels={"node_or_service": name, "rule": metric},
                points=tuple(
                    (t, failure_rate(t) if (name, metric) == ("gateway", "failure_rate") else v)
                    for t in timing.instants
                ),
            )
            for name in (*SERVICES, *MEMBERS)
            for metric, v in HEALTHY_VALUES.items()
            if v is not None
        ]
        ages = [
            SampleSeries(
                labels={"node_or_service": name, "signal": signal},
                points=tuple((t, 3.0 if signal == COUNTER_MOVING else t % interval) for t in timing.instants),
            )
            for name in (*SERVICES, *MEMBERS)
            for signal in (*all_signals(BUILTIN_RULES), COUNTER_MOVING)
        ]
        reading = RangeReading(tuple(values), tuple(ages), committee=COMMITTEE)
        diagnosis = diagnose(
            build_analysis_input(reading, timing, BUILTIN_RULES, SERVICES, TOPOLOGY), AnalyzeSettings()
        )
        return (
            diagnosis.headline,
            diagnosis.patterns,
            diagnosis.root_causes,
            diagnosis.violations,
            diagnosis.blind,
            diagnosis.confidence,
        )

    assert diagnose_at(BASE_TIME + phase, scrape) == diagnose_at(BASE_TIME, 15.0)


ARBITRARY_VALUES = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))
COMPONENT_NAMES = st.sampled_from([*SERVICES, "validator-1", "unconfigured", ""])
METRIC_NAMES = st.sampled_from([*(rule.metric for rule in BUILTIN_RULES), "no_rule"])
SIGNAL_NAMES = st.sampled_from([*all_signals(BUILTIN_RULES), COUNTER_MOVING, "other"])


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(
        st.tuples(COMPONENT_NAMES, METRIC_NAMES, st.lists(ARBITRARY_VALUES, min_size=6, max_size=6)), max_size=12
    ),
    ages=st.lists(
        st.tuples(COMPONENT_NAMES, SIGNAL_NAMES, st.lists(ARBITRARY_VALUES, min_size=6, max_size=6)), max_size=12
    ),
    findings=st.lists(
        st.tuples(COMPONENT_NAMES, METRIC_NAMES, st.floats(-100, 100), st.none() | st.floats(-100, 100)), max_size=3
    ),
)
def test_any_telemetry_gives_a_diagnosis(
    values: list[tuple[str, str, list[float | None]]],
    ages: list[tuple[str, str, list[float | None]]],
    findings: list[tuple[str, str, float, float | None]],
) -> None:
    """NaN, infinities, gaps, duplicates, unknown names give a diagnosis; a blind component has no metric violation."""
    timing = GridTiming(tuple(BASE_TIME + 15.0 * n for n in range(6)), 15.0, 30.0)
    analysis_input = build_analysis_input(
        RangeReading(committee=COMMITTEE), timing, BUILTIN_RULES, SERVICES, TOPOLOGY
    ).model_copy(
        update={
            "series": tuple(Series(component=c, metric=m, values=tuple(v)) for c, m, v in values),
            "freshness": tuple(Series(component=c, metric=m, values=tuple(v)) for c, m, v in ages),
            "findings": tuple(
                CharterFinding(
                    id=str(n),
                    component=c,
                    metric=m,
                    opened_at=time_near_end(opened),
                    closed_at=None if closed is None else time_near_end(closed),
                )
                for n, (c, m, opened, closed) in enumerate(findings)
            ),
        }
    )
    diagnosis = diagnose(analysis_input, AnalyzeSettings())
    blind = {spot.component for spot in diagnosis.blind}
    assert all(v.sources == ("charter",) for v in diagnosis.violations if v.component in blind)
    assert bool(diagnosis.root_causes) == bool(diagnosis.violations)


def time_near_end(offset: float) -> float:
    """Return unix seconds near the last instant."""
    return BASE_TIME + 75.0 + offset

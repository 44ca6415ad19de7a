"""The fixed grid and what is put on it."""

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
    """Multiples of the step, the start of the look-back excluded, the end included, at least one."""
    assert grid_instants(at, step, lookback) == expected


@given(phase=st.floats(0, 1, exclude_max=True), step=st.sampled_from([1.0, 15.0, 60.0]))
def test_grid_does_not_depend_on_the_phase(phase: float, step: float) -> None:
    """Every moment within a step has the same grid."""
    start = 1_700_000_040.0
    assert grid_instants(start + phase * step * 0.999, step, 600.0) == grid_instants(start, step, 600.0)


def test_step_is_never_below_the_scrape_interval() -> None:
    """A grid finer than the data would count one sample twice."""
    fine = grid_timing(BASE_TIME, MonitorSettings(scrape_interval=1), AnalyzeSettings())
    coarse = grid_timing(BASE_TIME, MonitorSettings(scrape_interval=60), AnalyzeSettings())
    assert (fine.step, fine.max_age, len(fine.instants)) == (15.0, 2.0, 40)
    assert (coarse.step, coarse.max_age, len(coarse.instants)) == (60.0, 120.0, 10)


def test_points_are_aligned_and_gaps_are_none() -> None:
    """A point belongs to its instant or to none; NaN is kept as it came."""
    timing = GridTiming((100.0, 115.0, 130.0), 15.0, 30.0)
    points = ((100.001, 1.0), (120.0, 2.0), (130.0, math.nan), (145.0, 3.0))
    labels = {"node_or_service": "gateway", "rule": "failure_rate"}
    reading = RangeReading(values=(SampleSeries(labels=labels, points=points),), committee=COMMITTEE)
    found = build_analysis_input(reading, timing, BUILTIN_RULES, SERVICES, TOPOLOGY)
    (series,) = found.series
    assert (series.component, series.metric, series.values[:2]) == ("gateway", "failure_rate", (1.0, None))
    assert math.isnan(series.values[2] or 0.0)
    assert (found.at, found.components) == (130.0, tuple(sorted((*SERVICES, *MEMBERS))))


def test_series_that_disagree_are_both_kept() -> None:
    """Which of two answers is right is judged later, not decided by their order."""
    timing = GridTiming((100.0,), 15.0, 30.0)
    answers = tuple(
        SampleSeries(labels={"node_or_service": "gateway", "rule": "failure_rate", "job": str(v)}, points=((100.0, v),))
        for v in (0.1, 0.5)
    )
    found = build_analysis_input(RangeReading(values=answers), timing, BUILTIN_RULES, SERVICES, TOPOLOGY).series
    assert [series.values for series in found] == [(0.1,), (0.5,)]


@settings(max_examples=60, deadline=None)
@given(
    phase=st.floats(0, 14.99),
    scrape=st.sampled_from([1.0, 5.0, 7.5, 15.0]),
    bad=st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_diagnosis_depends_neither_on_phase_nor_on_scrape_interval(
    phase: float, scrape: float, bad: list[bool]
) -> None:
    """The same history, looked at anywhere within a step and scraped at any interval up to it, is diagnosed alike."""

    def looked_at(at: float, interval: float) -> tuple[object, ...]:
        timing = grid_timing(at, MonitorSettings(scrape_interval=interval), AnalyzeSettings())
        first = BASE_TIME + 15.0 - 8 * 15.0

        def failing(instant: float) -> float:
            index = int((instant - first) // 15.0)
            return 0.3 if 0 <= index < 8 and bad[index] else 0.002

        values = [
            SampleSeries(
                labels={"node_or_service": name, "rule": metric},
                points=tuple(
                    (t, failing(t) if (name, metric) == ("gateway", "failure_rate") else v) for t in timing.instants
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
        found = diagnose(build_analysis_input(reading, timing, BUILTIN_RULES, SERVICES, TOPOLOGY), AnalyzeSettings())
        return found.headline, found.patterns, found.root_causes, found.violations, found.blind, found.confidence

    assert looked_at(BASE_TIME + phase, scrape) == looked_at(BASE_TIME, 15.0)


ARBITRARY_VALUES = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))
COMPONENT_NAMES = st.sampled_from([*SERVICES, "validator-1", "stranger", ""])
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
def test_nothing_that_telemetry_can_hold_breaks_a_diagnosis(
    values: list[tuple[str, str, list[float | None]]],
    ages: list[tuple[str, str, list[float | None]]],
    findings: list[tuple[str, str, float, float | None]],
) -> None:
    """NaN, infinities, gaps, duplicates and strangers are answered, and no blind component is violated by a metric."""
    timing = GridTiming(tuple(BASE_TIME + 15.0 * n for n in range(6)), 15.0, 30.0)
    source = build_analysis_input(
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
                    opened_at=make_input_at(o),
                    closed_at=None if z is None else make_input_at(z),
                )
                for n, (c, m, o, z) in enumerate(findings)
            ),
        }
    )
    found = diagnose(source, AnalyzeSettings())
    blind = {spot.component for spot in found.blind}
    assert all(v.sources == ("charter",) for v in found.violations if v.component in blind)
    assert bool(found.root_causes) == bool(found.violations)


def make_input_at(offset: float) -> float:
    """Unix seconds near the last instant."""
    return BASE_TIME + 75.0 + offset

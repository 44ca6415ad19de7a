"""The four analyzers: just below, at and just above their limits, and disabled."""

from collections.abc import Mapping, Sequence

import pytest

from activities.analyze.causes.symptoms import expand_committee
from activities.analyze.patterns.causal import find_causal_patterns, strongest_correlation
from activities.analyze.patterns.counting import find_frequency_patterns, find_temporal_patterns
from activities.analyze.patterns.spatial import find_spatial_patterns
from activities.analyze.settings import (
    CausalPatternSettings,
    FrequencyPatternSettings,
    SpatialPatternSettings,
    TemporalPatternSettings,
)
from activities.monitor.judgement import Judgement, judge
from tests.support.analysis_inputs import (
    INSTANT_COUNT,
    MEMBERS,
    STEP_SECONDS,
    TOPOLOGY,
    SeriesValues,
    make_analysis_input,
)

VIOLATING_RATE, HEALTHY_RATE = 0.3, 0.002


def make_failures(violated: list[int], component: str = "gateway") -> dict[tuple[str, str], SeriesValues]:
    """Return failures at instants counted back from the last one, which is 0."""
    values = tuple(VIOLATING_RATE if INSTANT_COUNT - 1 - i in violated else HEALTHY_RATE for i in range(INSTANT_COUNT))
    return {(component, "failure_rate"): values}


def judge_values(values: Mapping[tuple[str, str], SeriesValues]) -> Judgement:
    return judge(make_analysis_input(values))


@pytest.mark.parametrize(
    ("violated", "is_found"),
    [([0, 1], False), ([0, 1, 2], True), ([0, 1, 3], True), ([1, 2, 3], True), ([2, 3, 4], False), ([0, 3, 4], False)],
)
def test_temporal_counts_the_latest_window(violated: list[int], is_found: bool) -> None:
    """Three violations within the latest 60 s, start excluded and end included, are a pattern; two are not."""
    assert bool(find_temporal_patterns(judge_values(make_failures(violated)), TemporalPatternSettings())) is is_found


def test_temporal_counts_each_metric_of_a_component() -> None:
    """Three metrics of one component at one instant are three violations; one metric of three components is not."""
    metrics = {"failure_rate": 0.3, "violations_total": 9.0, "policy_load_duration_ms": 900.0}
    on_one_component = {("gateway", metric): [value] for metric, value in metrics.items()}
    on_three_components = {(name, "failure_rate"): [0.3] for name in MEMBERS[:3]}
    (pattern,) = find_temporal_patterns(judge_values(on_one_component), TemporalPatternSettings())
    assert (pattern.components, pattern.metrics) == (("gateway",), tuple(sorted(metrics)))
    assert find_temporal_patterns(judge_values(on_three_components), TemporalPatternSettings()) == ()


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        (TemporalPatternSettings(), 1),
        (TemporalPatternSettings(enabled=False), 0),
        (TemporalPatternSettings(threshold=4), 0),
        (TemporalPatternSettings(window=30.0), 0),
        (TemporalPatternSettings(window=30.0, threshold=2), 1),
        (TemporalPatternSettings(window=1.0, threshold=1), 1),
    ],
)
def test_temporal_settings_apply(settings: TemporalPatternSettings, count: int) -> None:
    """Each setting changes the result; a window below one step is one step."""
    assert len(find_temporal_patterns(judge_values(make_failures([0, 1, 2])), settings)) == count


def test_pattern_has_evidence_and_prior() -> None:
    """The evidence has window, count and newest samples; the confidence is the configured sensitivity."""
    judgement = judge_values(make_failures([0, 1, 2, 3]))
    (pattern,) = find_temporal_patterns(judgement, TemporalPatternSettings(sensitivity=0.5))
    evidence = pattern.evidence
    assert (pattern.confidence, evidence.count, evidence.end, evidence.end - evidence.start) == (
        0.5,
        4,
        judgement.at,
        60,
    )
    assert evidence.samples[0] == ("gateway", "failure_rate", judgement.at, VIOLATING_RATE)
    assert evidence.summary == "4 ≥ 3 violations on gateway in 60 s"


@pytest.mark.parametrize(("count", "is_found"), [(7, False), (8, True), (9, True)])
def test_frequency_counts_eight_in_five_minutes(count: int, is_found: bool) -> None:
    """Eight violations within 5 minutes are a pattern, seven are not."""
    every_second = [2 * n for n in range(count)]
    assert (
        bool(find_frequency_patterns(judge_values(make_failures(every_second)), FrequencyPatternSettings())) is is_found
    )


@pytest.mark.parametrize(("oldest", "is_found"), [(19, True), (20, False)])
def test_frequency_window_is_half_open(oldest: int, is_found: bool) -> None:
    """A violation exactly 5 minutes ago is outside."""
    assert (
        bool(
            find_frequency_patterns(
                judge_values(make_failures([0, 1, 2, 3, 4, 5, 6, oldest])), FrequencyPatternSettings()
            )
        )
        is is_found
    )


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        (FrequencyPatternSettings(), 1),
        (FrequencyPatternSettings(enabled=False), 0),
        (FrequencyPatternSettings(anomaly_threshold=9), 0),
        (FrequencyPatternSettings(window=105.0), 0),
    ],
)
def test_frequency_settings_apply(settings: FrequencyPatternSettings, count: int) -> None:
    """Each setting changes the result."""
    assert len(find_frequency_patterns(judge_values(make_failures(list(range(8)))), settings)) == count


@pytest.mark.parametrize(("count", "is_found"), [(2, False), (3, True), (4, True)])
def test_spatial_counts_distinct_components(count: int, is_found: bool) -> None:
    """Three components violated at the latest instant are a pattern."""
    values = {(name, "failure_rate"): [0.3] for name in MEMBERS[:count]}
    patterns = find_spatial_patterns(judge_values(values), SpatialPatternSettings())
    assert [p.components for p in patterns] == ([MEMBERS[:count]] if is_found else [])


@pytest.mark.parametrize(("count", "is_found"), [(2, False), (3, True)])
def test_spatial_counts_metrics_on_one_component(count: int, is_found: bool) -> None:
    """Three violated metrics on one component are a pattern."""
    metrics = {"failure_rate": 0.3, "violations_total": 9.0, "policy_load_duration_ms": 900.0}
    values = {("gateway", metric): [value] for metric, value in list(metrics.items())[:count]}
    assert bool(find_spatial_patterns(judge_values(values), SpatialPatternSettings())) is is_found


def test_spatial_counts_one_instant_only() -> None:
    """Three components violated one after the other are not a pattern."""
    values = make_failures([0], "validator-1") | make_failures([1], "validator-2") | make_failures([2], "validator-3")
    assert find_spatial_patterns(judge_values(values), SpatialPatternSettings()) == ()


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        (SpatialPatternSettings(sensitivity=0.4), 1),
        (SpatialPatternSettings(enabled=False), 0),
        (SpatialPatternSettings(min_components=4), 0),
        (SpatialPatternSettings(min_components=2), 1),
    ],
)
def test_spatial_settings_apply(settings: SpatialPatternSettings, count: int) -> None:
    """Each setting changes the result."""
    patterns = find_spatial_patterns(judge_values({(name, "failure_rate"): [0.3] for name in MEMBERS[:3]}), settings)
    assert [p.confidence for p in patterns] == [settings.sensitivity] * count


RAMP = [0.001, 0.4, 0.9, 1.3, 1.1, 1.9, 2.4, 2.0]


def find_causal_summaries(
    cause: Sequence[float | None], effect: Sequence[float | None], component: str = "policy-engine", **settings: object
) -> list[str]:
    """Return the summaries of the causal patterns for a latency on the gateway and failures on a component."""
    values = {("gateway", "validation_latency_seconds"): cause, (component, "failure_rate"): effect}
    patterns = find_causal_patterns(
        judge_values(values), expand_committee(TOPOLOGY, MEMBERS), CausalPatternSettings.model_validate(settings)
    )
    return [pattern.evidence.summary for pattern in patterns]


def test_causal_links_latency_with_failures_of_a_neighbour() -> None:
    """Failures that follow the latency of the caller are a pattern, with r and the number of instants."""
    (summary,) = find_causal_summaries(RAMP, [x / 8 for x in RAMP])
    assert summary.endswith("r = +1.00 at lag 0 s over 8 instants")


def test_causal_finds_a_small_lag() -> None:
    """Failures one or two steps later are a pattern, with the lag in seconds."""
    (summary,) = find_causal_summaries(RAMP, [0.0, 0.0, *(x / 8 for x in RAMP[:-2])])
    assert f"at lag {2 * STEP_SECONDS:g} s over 6 instants" in summary


def test_causal_expands_the_committee() -> None:
    """The policy engine calls the committee, so its latency can correlate with a member's failures."""
    values = {
        ("policy-engine", "validation_latency_seconds"): RAMP,
        ("validator-2", "failure_rate"): [x / 8 for x in RAMP],
    }
    (pattern,) = find_causal_patterns(
        judge_values(values), expand_committee(TOPOLOGY, MEMBERS), CausalPatternSettings()
    )
    assert pattern.components == ("policy-engine", "validator-2")


UNLINKED_CASES = {
    "four instants": ([*RAMP[4:]], [x / 8 for x in RAMP[4:]], "policy-engine"),
    "a constant latency": ([2.0] * 8, [x / 8 for x in RAMP], "policy-engine"),
    "failures within their limit": (RAMP, [x / 100 for x in RAMP], "policy-engine"),
    "latency within its limit": ([x / 3 for x in RAMP], [x / 8 for x in RAMP], "policy-engine"),
    "no call between them": (RAMP, [x / 8 for x in RAMP], "audit-log"),
}


@pytest.mark.parametrize(("cause", "effect", "component"), UNLINKED_CASES.values(), ids=UNLINKED_CASES.keys())
def test_causal_needs_violations_variation_and_a_call(
    cause: Sequence[float | None], effect: Sequence[float | None], component: str
) -> None:
    """Without enough instants, varying values, violations of both or a call there is no pattern."""
    assert find_causal_summaries(cause, effect, component) == []


def test_causal_settings_apply() -> None:
    """Each setting changes the result."""
    noisy: list[float | None] = [0.0, 0.3, 0.05, 0.2, 0.25, 0.1, 0.3, 0.28]
    assert find_causal_summaries(RAMP, noisy, enabled=False) == []
    assert find_causal_summaries(RAMP, noisy, correlation_threshold=0.95) == []
    assert len(find_causal_summaries(RAMP, noisy, correlation_threshold=0.3)) == 1


def test_correlation_accepts_gaps_and_huge_values() -> None:
    """A gap does not shift pairs, and an overflow is no correlation."""
    huge = [1e308, -1e308, 1e308, -1e308, 1e308, -1e308]
    assert strongest_correlation([*RAMP, None], [*RAMP, None]) is not None
    assert strongest_correlation(huge, list(reversed(huge))) is None
    assert strongest_correlation([None] * 8, RAMP) is None

"""The four analyzers: just below, at and just above their limits, and switched off."""

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


def make_failures(bad_instants: list[int], component: str = "gateway") -> dict[tuple[str, str], SeriesValues]:
    """Failures at instants counted back from the last one, which is 0."""
    values = tuple(
        VIOLATING_RATE if INSTANT_COUNT - 1 - i in bad_instants else HEALTHY_RATE for i in range(INSTANT_COUNT)
    )
    return {(component, "failure_rate"): values}


def judge_values(values: dict[tuple[str, str], SeriesValues]) -> Judgement:
    return judge(make_analysis_input(values))


@pytest.mark.parametrize(
    ("bad_instants", "found"),
    [([0, 1], False), ([0, 1, 2], True), ([0, 1, 3], True), ([1, 2, 3], True), ([2, 3, 4], False), ([0, 3, 4], False)],
)
def test_temporal_counts_the_latest_window(bad_instants: list[int], found: bool) -> None:
    """Three violations within the latest 60 s, start excluded and end included, are a burst; two are not."""
    assert bool(find_temporal_patterns(judge_values(make_failures(bad_instants)), TemporalPatternSettings())) is found


def test_temporal_counts_each_metric_of_a_component() -> None:
    """Three metrics at one instant are three violations of the component, but not of the loop."""
    metrics = {"failure_rate": 0.3, "violations_total": 9.0, "policy_load_duration_ms": 900.0}
    one = {("gateway", metric): [value] for metric, value in metrics.items()}
    spread = {(name, "failure_rate"): [0.3] for name in MEMBERS[:3]}
    (pattern,) = find_temporal_patterns(judge_values(one), TemporalPatternSettings())
    assert (pattern.components, pattern.metrics) == (("gateway",), tuple(sorted(metrics)))
    assert find_temporal_patterns(judge_values(spread), TemporalPatternSettings()) == ()


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
def test_temporal_settings_matter(settings: TemporalPatternSettings, count: int) -> None:
    """Each setting decides; a window below one step is one step."""
    assert len(find_temporal_patterns(judge_values(make_failures([0, 1, 2])), settings)) == count


def test_a_pattern_carries_its_evidence_and_prior() -> None:
    """Window, count and newest samples can be checked by a person; the confidence is the setting's."""
    source = judge_values(make_failures([0, 1, 2, 3]))
    (pattern,) = find_temporal_patterns(source, TemporalPatternSettings(sensitivity=0.5))
    evidence = pattern.evidence
    assert (pattern.confidence, evidence.count, evidence.end, evidence.end - evidence.start) == (0.5, 4, source.at, 60)
    assert evidence.samples[0] == ("gateway", "failure_rate", source.at, VIOLATING_RATE)
    assert evidence.summary == "4 ≥ 3 violations on gateway in 60 s"


@pytest.mark.parametrize(("count", "found"), [(7, False), (8, True), (9, True)])
def test_frequency_counts_eight_in_five_minutes(count: int, found: bool) -> None:
    """Eight spread over 5 minutes are a pattern, seven are not."""
    spread = [2 * n for n in range(count)]
    assert bool(find_frequency_patterns(judge_values(make_failures(spread)), FrequencyPatternSettings())) is found


@pytest.mark.parametrize(("oldest", "found"), [(19, True), (20, False)])
def test_frequency_window_is_half_open(oldest: int, found: bool) -> None:
    """A violation exactly 5 minutes ago is outside."""
    assert (
        bool(
            find_frequency_patterns(
                judge_values(make_failures([0, 1, 2, 3, 4, 5, 6, oldest])), FrequencyPatternSettings()
            )
        )
        is found
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
def test_frequency_settings_matter(settings: FrequencyPatternSettings, count: int) -> None:
    """Each setting decides."""
    assert len(find_frequency_patterns(judge_values(make_failures(list(range(8)))), settings)) == count


@pytest.mark.parametrize(("count", "found"), [(2, False), (3, True), (4, True)])
def test_spatial_counts_distinct_components(count: int, found: bool) -> None:
    """Three components violated at the latest instant are a pattern."""
    values = {(name, "failure_rate"): [0.3] for name in MEMBERS[:count]}
    patterns = find_spatial_patterns(judge_values(values), SpatialPatternSettings())
    assert [p.components for p in patterns] == ([MEMBERS[:count]] if found else [])


@pytest.mark.parametrize(("count", "found"), [(2, False), (3, True)])
def test_spatial_counts_metrics_on_one_component(count: int, found: bool) -> None:
    """Three violated metrics on one component are a pattern too."""
    bad = {"failure_rate": 0.3, "violations_total": 9.0, "policy_load_duration_ms": 900.0}
    values = {("gateway", metric): [value] for metric, value in list(bad.items())[:count]}
    assert bool(find_spatial_patterns(judge_values(values), SpatialPatternSettings())) is found


def test_spatial_looks_at_the_same_instant() -> None:
    """Three components one after the other were never in trouble at once."""
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
def test_spatial_settings_matter(settings: SpatialPatternSettings, count: int) -> None:
    """Each setting decides."""
    patterns = find_spatial_patterns(judge_values({(name, "failure_rate"): [0.3] for name in MEMBERS[:3]}), settings)
    assert [p.confidence for p in patterns] == [settings.sensitivity] * count


RAMP = [0.001, 0.4, 0.9, 1.3, 1.1, 1.9, 2.4, 2.0]


def find_causal_summaries(
    cause: list[float | None], effect: list[float | None], component: str = "policy-engine", **settings: object
) -> list[str]:
    """Texts of the causal patterns for a latency on the gateway and failures on a component."""
    values = {("gateway", "validation_latency_seconds"): cause, (component, "failure_rate"): effect}
    settings_ = CausalPatternSettings.model_validate(settings)
    return [
        p.evidence.summary
        for p in find_causal_patterns(judge_values(values), expand_committee(TOPOLOGY, MEMBERS), settings_)
    ]


def test_causal_links_latency_with_failures_of_a_neighbour() -> None:
    """Failures that follow the latency of the caller are linked, with r and the instants behind it."""
    (text,) = find_causal_summaries(RAMP, [x / 8 for x in RAMP])
    assert text.endswith("r = +1.00 at lag 0 s over 8 instants")


def test_causal_finds_a_small_lag() -> None:
    """Failures one or two steps behind are found, with the lag in seconds."""
    (text,) = find_causal_summaries(RAMP, [0.0, 0.0, *(x / 8 for x in RAMP[:-2])])
    assert f"at lag {2 * STEP_SECONDS:g} s over 6 instants" in text


def test_causal_reaches_members_through_the_committee() -> None:
    """The policy engine calls the committee, so its latency can be linked with a member's failures."""
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
def test_causal_needs_deviation_variation_and_a_call(
    cause: list[float | None], effect: list[float | None], component: str
) -> None:
    """Too few instants, nothing that varies, nothing that deviates or no call: no link."""
    assert find_causal_summaries(cause, effect, component) == []


def test_causal_settings_matter() -> None:
    """Each setting decides."""
    noisy: list[float | None] = [0.0, 0.3, 0.05, 0.2, 0.25, 0.1, 0.3, 0.28]
    assert find_causal_summaries(RAMP, noisy, enabled=False) == []
    assert find_causal_summaries(RAMP, noisy, correlation_threshold=0.95) == []
    assert len(find_causal_summaries(RAMP, noisy, correlation_threshold=0.3)) == 1


def test_strongest_survives_gaps_and_huge_values() -> None:
    """A gap breaks no pairing, an overflow is no link."""
    huge = [1e308, -1e308, 1e308, -1e308, 1e308, -1e308]
    assert strongest_correlation([*RAMP, None], [*RAMP, None]) is not None
    assert strongest_correlation(huge, list(reversed(huge))) is None
    assert strongest_correlation([None] * 8, RAMP) is None

"""The four analyzers: just below, at and just above their limits, and switched off."""

import pytest

from activities.analyze.causes.symptoms import expanded
from activities.analyze.patterns.causal import causal, strongest
from activities.analyze.patterns.frequency import frequency
from activities.analyze.patterns.spatial import spatial
from activities.analyze.patterns.temporal import temporal
from activities.analyze.settings import CausalSettings, FrequencySettings, SpatialSettings, TemporalSettings
from activities.monitor.judgement import Judged, judge
from tests.support.analysis_inputs import LENGTH, MEMBERS, STEP, TOPOLOGY, Line, scene

BAD, GOOD = 0.3, 0.002


def failures(bad_instants: list[int], component: str = "gateway") -> dict[tuple[str, str], Line]:
    """Failures at instants counted back from the last one, which is 0."""
    values = tuple(BAD if LENGTH - 1 - i in bad_instants else GOOD for i in range(LENGTH))
    return {(component, "failure_rate"): values}


def judged(values: dict[tuple[str, str], Line]) -> Judged:
    return judge(scene(values))


@pytest.mark.parametrize(
    ("bad_instants", "found"),
    [([0, 1], False), ([0, 1, 2], True), ([0, 1, 3], True), ([1, 2, 3], True), ([2, 3, 4], False), ([0, 3, 4], False)],
)
def test_temporal_counts_the_latest_window(bad_instants: list[int], found: bool) -> None:
    """Three violations within the latest 60 s, start excluded and end included, are a burst; two are not."""
    assert bool(temporal(judged(failures(bad_instants)), TemporalSettings())) is found


def test_temporal_counts_each_metric_of_a_component() -> None:
    """Three metrics at one instant are three violations of the component, but not of the loop."""
    metrics = {"failure_rate": 0.3, "violations_total": 9.0, "policy_load_duration_ms": 900.0}
    one = {("gateway", metric): [value] for metric, value in metrics.items()}
    spread = {(name, "failure_rate"): [0.3] for name in MEMBERS[:3]}
    (pattern,) = temporal(judged(one), TemporalSettings())
    assert (pattern.components, pattern.metrics) == (("gateway",), tuple(sorted(metrics)))
    assert temporal(judged(spread), TemporalSettings()) == ()


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        (TemporalSettings(), 1),
        (TemporalSettings(enabled=False), 0),
        (TemporalSettings(threshold=4), 0),
        (TemporalSettings(window=30.0), 0),
        (TemporalSettings(window=30.0, threshold=2), 1),
        (TemporalSettings(window=1.0, threshold=1), 1),
    ],
)
def test_temporal_settings_matter(settings: TemporalSettings, count: int) -> None:
    """Each setting decides; a window below one step is one step."""
    assert len(temporal(judged(failures([0, 1, 2])), settings)) == count


def test_a_pattern_carries_its_evidence_and_prior() -> None:
    """Window, count and newest samples can be checked by a person; the confidence is the setting's."""
    source = judged(failures([0, 1, 2, 3]))
    (pattern,) = temporal(source, TemporalSettings(sensitivity=0.5))
    evidence = pattern.evidence
    assert (pattern.confidence, evidence.count, evidence.end, evidence.end - evidence.start) == (0.5, 4, source.at, 60)
    assert evidence.samples[0] == ("gateway", "failure_rate", source.at, BAD)
    assert evidence.text == "4 ≥ 3 violations on gateway in 60 s"


@pytest.mark.parametrize(("count", "found"), [(7, False), (8, True), (9, True)])
def test_frequency_counts_eight_in_five_minutes(count: int, found: bool) -> None:
    """Eight spread over 5 minutes are a pattern, seven are not."""
    spread = [2 * n for n in range(count)]
    assert bool(frequency(judged(failures(spread)), FrequencySettings())) is found


@pytest.mark.parametrize(("oldest", "found"), [(19, True), (20, False)])
def test_frequency_window_is_half_open(oldest: int, found: bool) -> None:
    """A violation exactly 5 minutes ago is outside."""
    assert bool(frequency(judged(failures([0, 1, 2, 3, 4, 5, 6, oldest])), FrequencySettings())) is found


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        (FrequencySettings(), 1),
        (FrequencySettings(enabled=False), 0),
        (FrequencySettings(anomaly_threshold=9), 0),
        (FrequencySettings(window=105.0), 0),
    ],
)
def test_frequency_settings_matter(settings: FrequencySettings, count: int) -> None:
    """Each setting decides."""
    assert len(frequency(judged(failures(list(range(8)))), settings)) == count


@pytest.mark.parametrize(("count", "found"), [(2, False), (3, True), (4, True)])
def test_spatial_counts_distinct_components(count: int, found: bool) -> None:
    """Three components violated at the latest instant are a pattern."""
    values = {(name, "failure_rate"): [0.3] for name in MEMBERS[:count]}
    patterns = spatial(judged(values), SpatialSettings())
    assert [p.components for p in patterns] == ([MEMBERS[:count]] if found else [])


@pytest.mark.parametrize(("count", "found"), [(2, False), (3, True)])
def test_spatial_counts_metrics_on_one_component(count: int, found: bool) -> None:
    """Three violated metrics on one component are a pattern too."""
    bad = {"failure_rate": 0.3, "violations_total": 9.0, "policy_load_duration_ms": 900.0}
    values = {("gateway", metric): [value] for metric, value in list(bad.items())[:count]}
    assert bool(spatial(judged(values), SpatialSettings())) is found


def test_spatial_looks_at_the_same_instant() -> None:
    """Three components one after the other were never in trouble at once."""
    values = failures([0], "validator-1") | failures([1], "validator-2") | failures([2], "validator-3")
    assert spatial(judged(values), SpatialSettings()) == ()


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        (SpatialSettings(sensitivity=0.4), 1),
        (SpatialSettings(enabled=False), 0),
        (SpatialSettings(min_components=4), 0),
        (SpatialSettings(min_components=2), 1),
    ],
)
def test_spatial_settings_matter(settings: SpatialSettings, count: int) -> None:
    """Each setting decides."""
    patterns = spatial(judged({(name, "failure_rate"): [0.3] for name in MEMBERS[:3]}), settings)
    assert [p.confidence for p in patterns] == [settings.sensitivity] * count


RAMP = [0.001, 0.4, 0.9, 1.3, 1.1, 1.9, 2.4, 2.0]


def linked(
    cause: list[float | None], effect: list[float | None], component: str = "policy-engine", **settings: object
) -> list[str]:
    """Texts of the causal patterns for a latency on the gateway and failures on a component."""
    values = {("gateway", "validation_latency_seconds"): cause, (component, "failure_rate"): effect}
    settings_ = CausalSettings.model_validate(settings)
    return [p.evidence.text for p in causal(judged(values), expanded(TOPOLOGY, MEMBERS), settings_)]


def test_causal_links_latency_with_failures_of_a_neighbour() -> None:
    """Failures that follow the latency of the caller are linked, with r and the instants behind it."""
    (text,) = linked(RAMP, [x / 8 for x in RAMP])
    assert text.endswith("r = +1.00 at lag 0 s over 8 instants")


def test_causal_finds_a_small_lag() -> None:
    """Failures one or two steps behind are found, with the lag in seconds."""
    (text,) = linked(RAMP, [0.0, 0.0, *(x / 8 for x in RAMP[:-2])])
    assert f"at lag {2 * STEP:g} s over 6 instants" in text


def test_causal_reaches_members_through_the_committee() -> None:
    """The policy engine calls the committee, so its latency can be linked with a member's failures."""
    values = {
        ("policy-engine", "validation_latency_seconds"): RAMP,
        ("validator-2", "failure_rate"): [x / 8 for x in RAMP],
    }
    (pattern,) = causal(judged(values), expanded(TOPOLOGY, MEMBERS), CausalSettings())
    assert pattern.components == ("policy-engine", "validator-2")


UNLINKED = {
    "four instants": ([*RAMP[4:]], [x / 8 for x in RAMP[4:]], "policy-engine"),
    "a constant latency": ([2.0] * 8, [x / 8 for x in RAMP], "policy-engine"),
    "failures within their limit": (RAMP, [x / 100 for x in RAMP], "policy-engine"),
    "latency within its limit": ([x / 3 for x in RAMP], [x / 8 for x in RAMP], "policy-engine"),
    "no call between them": (RAMP, [x / 8 for x in RAMP], "audit-log"),
}


@pytest.mark.parametrize(("cause", "effect", "component"), UNLINKED.values(), ids=UNLINKED.keys())
def test_causal_needs_deviation_variation_and_a_call(
    cause: list[float | None], effect: list[float | None], component: str
) -> None:
    """Too few instants, nothing that varies, nothing that deviates or no call: no link."""
    assert linked(cause, effect, component) == []


def test_causal_settings_matter() -> None:
    """Each setting decides."""
    noisy: list[float | None] = [0.0, 0.3, 0.05, 0.2, 0.25, 0.1, 0.3, 0.28]
    assert linked(RAMP, noisy, enabled=False) == []
    assert linked(RAMP, noisy, correlation_threshold=0.95) == []
    assert len(linked(RAMP, noisy, correlation_threshold=0.3)) == 1


def test_strongest_survives_gaps_and_huge_values() -> None:
    """A gap breaks no pairing, an overflow is no link."""
    huge = [1e308, -1e308, 1e308, -1e308, 1e308, -1e308]
    assert strongest([*RAMP, None], [*RAMP, None]) is not None
    assert strongest(huge, list(reversed(huge))) is None
    assert strongest([None] * 8, RAMP) is None

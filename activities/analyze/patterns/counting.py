"""Counted violations: once per (component, metric, instant) of the grid."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from activities.analyze.settings import FrequencyPatternSettings, TemporalPatternSettings
from activities.model.pattern import Evidence, Pattern, PatternKind
from activities.monitor.judgement import Judgement

_MAX_EVIDENCE_SAMPLES = 5
"""Samples a piece of evidence shows."""


class ViolationSample(NamedTuple):
    """One counted violation; `value` is None where only Charter reports it."""

    at: float
    component: str
    metric: str
    value: float | None


class TimeWindow(NamedTuple):
    """The half-open window (start, end], unix seconds."""

    start: float
    end: float


def latest_window(judgement: Judgement, seconds: float) -> TimeWindow:
    """Return the window of that length, at least one step, that ends at the last instant."""
    return TimeWindow(judgement.at - max(seconds, judgement.step), judgement.at)


def violation_samples(judgement: Judgement, window: TimeWindow) -> tuple[ViolationSample, ...]:
    """Return the counted violations of hand-set limits and of Charter in the window, the newest first.

    What deviates from its own past has its own analysis: there, how far and how long counts, not how often.
    """
    inside = [i for i, instant in enumerate(judgement.grid) if window.start < instant <= window.end]
    found = [
        ViolationSample(judgement.grid[i], track.component, track.metric, track.values[i])
        for track in judgement.tracks
        if not track.adaptive
        for i in inside
        if track.violated_at[i]
    ]
    return tuple(sorted(found, key=lambda hit: (-hit.at, hit.component, hit.metric)))


def group_by_component(samples: Iterable[ViolationSample]) -> dict[str, list[ViolationSample]]:
    """Return the hits of each component, in the order of the components' names."""
    groups: dict[str, list[ViolationSample]] = {}
    for hit in sorted(samples, key=lambda hit: hit.component):
        groups.setdefault(hit.component, []).append(hit)
    return groups


def build_pattern(
    kind: PatternKind, samples: Sequence[ViolationSample], window: TimeWindow, confidence: float, summary: str
) -> Pattern:
    """Return the pattern that the hits in the window make; `text` says with numbers why they do."""
    return Pattern(
        kind=kind,
        components=tuple(sorted({hit.component for hit in samples})),
        metrics=tuple(sorted({hit.metric for hit in samples})),
        confidence=confidence,
        evidence=Evidence(
            start=window.start,
            end=window.end,
            count=len(samples),
            samples=tuple((hit.component, hit.metric, hit.at, hit.value) for hit in samples[:_MAX_EVIDENCE_SAMPLES]),
            summary=summary,
        ),
    )


def find_temporal_patterns(judgement: Judgement, settings: TemporalPatternSettings) -> tuple[Pattern, ...]:
    """Return a pattern for each component with a burst: at least `threshold` violations in the latest window."""
    if not settings.enabled:
        return ()
    return _find_repeated_patterns(
        judgement, PatternKind.TEMPORAL, settings.window, settings.threshold, settings.sensitivity
    )


def find_frequency_patterns(judgement: Judgement, settings: FrequencyPatternSettings) -> tuple[Pattern, ...]:
    """Return a pattern for each component whose violations recur: at least `anomaly_threshold` in the latest window."""
    if not settings.enabled:
        return ()
    return _find_repeated_patterns(
        judgement, PatternKind.FREQUENCY, settings.window, settings.anomaly_threshold, settings.sensitivity
    )


def _find_repeated_patterns(
    judgement: Judgement, kind: PatternKind, seconds: float, min_count: int, confidence: float
) -> tuple[Pattern, ...]:
    window = latest_window(judgement, seconds)
    return tuple(
        build_pattern(
            kind, found, window, confidence, f"{len(found)} ≥ {min_count} violations on {component} in {seconds:g} s"
        )
        for component, found in group_by_component(violation_samples(judgement, window)).items()
        if len(found) >= min_count
    )

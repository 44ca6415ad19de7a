"""Violation samples, one per (component, metric, instant) of the grid, and the patterns that count them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from activities.analyze.settings import FrequencyPatternSettings, TemporalPatternSettings
from activities.model.pattern import Evidence, Pattern, PatternKind
from activities.monitor.judgement import Judgement

_MAX_EVIDENCE_SAMPLES = 5
"""Samples that an evidence holds."""


class ViolationSample(NamedTuple):
    """One metric violated at one instant; `value` is None where only Charter reports it."""

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
    """Return the violations of hand-set limits and of Charter in the window, the newest first.

    Metrics with an adaptive rule are left out: `analyze/deviation` judges them by distance and duration, not by count.
    """
    indexes = [i for i, instant in enumerate(judgement.grid) if window.start < instant <= window.end]
    samples = [
        ViolationSample(judgement.grid[i], track.component, track.metric, track.values[i])
        for track in judgement.tracks
        if not track.adaptive
        for i in indexes
        if track.violated_at[i]
    ]
    return tuple(sorted(samples, key=lambda sample: (-sample.at, sample.component, sample.metric)))


def group_by_component(samples: Iterable[ViolationSample]) -> dict[str, list[ViolationSample]]:
    """Return the samples of each component, sorted by its name."""
    groups: dict[str, list[ViolationSample]] = {}
    for sample in sorted(samples, key=lambda sample: sample.component):
        groups.setdefault(sample.component, []).append(sample)
    return groups


def build_pattern(
    kind: PatternKind, samples: Sequence[ViolationSample], window: TimeWindow, confidence: float, summary: str
) -> Pattern:
    """Return the pattern of the samples in the window; `summary` gives the reason with numbers."""
    return Pattern(
        kind=kind,
        components=tuple(sorted({sample.component for sample in samples})),
        metrics=tuple(sorted({sample.metric for sample in samples})),
        confidence=confidence,
        evidence=Evidence(
            start=window.start,
            end=window.end,
            count=len(samples),
            samples=tuple((s.component, s.metric, s.at, s.value) for s in samples[:_MAX_EVIDENCE_SAMPLES]),
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
            kind,
            samples,
            window,
            confidence,
            f"{len(samples)} ≥ {min_count} violations on {component} in {seconds:g} s",
        )
        for component, samples in group_by_component(violation_samples(judgement, window)).items()
        if len(samples) >= min_count
    )

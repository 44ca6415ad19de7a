"""Frequency: violations of one component that keep coming."""

from activities.analyze.counting import by_component, hits, latest, pattern_of
from activities.analyze.settings import FrequencySettings
from activities.model.pattern import Pattern, PatternKind
from activities.monitor.judgement import Judged


def frequency(judged: Judged, settings: FrequencySettings) -> tuple[Pattern, ...]:
    """Return a pattern for each component with at least `anomaly_threshold` counted violations in the latest window."""
    if not settings.enabled:
        return ()
    window = latest(judged, settings.window)
    return tuple(
        pattern_of(
            PatternKind.FREQUENCY,
            found,
            window,
            settings.sensitivity,
            f"{len(found)} ≥ {settings.anomaly_threshold} violations on {component} in {settings.window:g} s",
        )
        for component, found in by_component(hits(judged, window)).items()
        if len(found) >= settings.anomaly_threshold
    )

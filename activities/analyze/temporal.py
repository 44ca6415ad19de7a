"""Temporal: a burst of violations on one component."""

from activities.analyze.counting import by_component, hits, latest, pattern_of
from activities.analyze.settings import TemporalSettings
from activities.model.pattern import Pattern, PatternKind
from activities.monitor.judgement import Judged


def temporal(judged: Judged, settings: TemporalSettings) -> tuple[Pattern, ...]:
    """Return a pattern for each component with at least `threshold` counted violations in the latest window."""
    if not settings.enabled:
        return ()
    window = latest(judged, settings.window)
    return tuple(
        pattern_of(
            PatternKind.TEMPORAL,
            found,
            window,
            settings.sensitivity,
            f"{len(found)} ≥ {settings.threshold} violations on {component} in {settings.window:g} s",
        )
        for component, found in by_component(hits(judged, window)).items()
        if len(found) >= settings.threshold
    )

"""Temporal: a burst of violations on one component."""

from activities.analyze.patterns.counting import repeated
from activities.analyze.settings import TemporalSettings
from activities.model.pattern import Pattern, PatternKind
from activities.monitor.judgement import Judged


def temporal(judged: Judged, settings: TemporalSettings) -> tuple[Pattern, ...]:
    """Return a pattern for each component with at least `threshold` counted violations in the latest window."""
    if not settings.enabled:
        return ()
    return repeated(judged, PatternKind.TEMPORAL, settings.window, settings.threshold, settings.sensitivity)

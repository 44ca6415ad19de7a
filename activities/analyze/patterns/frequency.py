"""Frequency: violations of one component that keep coming."""

from activities.analyze.patterns.counting import repeated
from activities.analyze.settings import FrequencySettings
from activities.model.pattern import Pattern, PatternKind
from activities.monitor.judgement import Judged


def frequency(judged: Judged, settings: FrequencySettings) -> tuple[Pattern, ...]:
    """Return a pattern for each component with at least `anomaly_threshold` counted violations in the latest window."""
    if not settings.enabled:
        return ()
    return repeated(judged, PatternKind.FREQUENCY, settings.window, settings.anomaly_threshold, settings.sensitivity)

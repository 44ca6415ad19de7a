"""Frequency: violations of one component that keep coming."""

from activities.analyze.patterns.counting import find_repeated_patterns
from activities.analyze.settings import FrequencyPatternSettings
from activities.model.pattern import Pattern, PatternKind
from activities.monitor.judgement import Judgement


def find_frequency_patterns(judgement: Judgement, settings: FrequencyPatternSettings) -> tuple[Pattern, ...]:
    """Return a pattern for each component with at least `anomaly_threshold` counted violations in the latest window."""
    if not settings.enabled:
        return ()
    return find_repeated_patterns(
        judgement, PatternKind.FREQUENCY, settings.window, settings.anomaly_threshold, settings.sensitivity
    )

"""Temporal: a burst of violations on one component."""

from activities.analyze.patterns.counting import find_repeated_patterns
from activities.analyze.settings import TemporalPatternSettings
from activities.model.pattern import Pattern, PatternKind
from activities.monitor.judgement import Judgement


def find_temporal_patterns(judgement: Judgement, settings: TemporalPatternSettings) -> tuple[Pattern, ...]:
    """Return a pattern for each component with at least `threshold` counted violations in the latest window."""
    if not settings.enabled:
        return ()
    return find_repeated_patterns(
        judgement, PatternKind.TEMPORAL, settings.window, settings.threshold, settings.sensitivity
    )

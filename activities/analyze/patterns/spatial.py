"""Spatial patterns: many components violated at the same time, or many metrics of one component."""

from activities.analyze.patterns.counting import build_pattern, group_by_component, latest_window, violation_samples
from activities.analyze.settings import SpatialPatternSettings
from activities.model.pattern import Pattern, PatternKind
from activities.monitor.judgement import Judgement


def find_spatial_patterns(judgement: Judgement, settings: SpatialPatternSettings) -> tuple[Pattern, ...]:
    """Return the patterns of the latest instant.

    One pattern if at least `min_components` distinct components are violated, and one for each component with at least
    that many violated metrics.
    """
    if not settings.enabled:
        return ()
    window = latest_window(judgement, judgement.step)
    samples, min_count = violation_samples(judgement, window), settings.min_components
    groups = group_by_component(samples)
    patterns = []
    if len(groups) >= min_count:
        summary = f"{len(groups)} ≥ {min_count} components violated at the same time"
        patterns.append(build_pattern(PatternKind.SPATIAL, samples, window, settings.sensitivity, summary))
    for component, group in groups.items():
        if len(group) >= min_count:
            summary = f"{len(group)} ≥ {min_count} metrics violated on {component} at the same time"
            patterns.append(build_pattern(PatternKind.SPATIAL, group, window, settings.sensitivity, summary))
    return tuple(patterns)

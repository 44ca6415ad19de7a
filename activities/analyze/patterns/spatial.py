"""Spatial: many components in trouble at once, or one component in trouble in many ways."""

from activities.analyze.patterns.counting import build_pattern, group_by_component, latest_window, violation_samples
from activities.analyze.settings import SpatialPatternSettings
from activities.model.pattern import Pattern, PatternKind
from activities.monitor.judgement import Judgement


def find_spatial_patterns(judgement: Judgement, settings: SpatialPatternSettings) -> tuple[Pattern, ...]:
    """Return the patterns of the latest instant.

    One if at least `min_components` distinct components of the loop are violated, and one for each component with at
    least that many violated metrics. It groups what is wrong at the same time; trouble of a single component with a
    single symptom is not its subject.
    """
    if not settings.enabled:
        return ()
    window = latest_window(judgement, judgement.step)
    found, limit = violation_samples(judgement, window), settings.min_components
    groups = group_by_component(found)
    patterns = []
    if len(groups) >= limit:
        text = f"{len(groups)} ≥ {limit} components violated at once"
        patterns.append(build_pattern(PatternKind.SPATIAL, found, window, settings.sensitivity, text))
    for component, own in groups.items():
        if len(own) >= limit:
            text = f"{len(own)} ≥ {limit} metrics violated on {component} at once"
            patterns.append(build_pattern(PatternKind.SPATIAL, own, window, settings.sensitivity, text))
    return tuple(patterns)

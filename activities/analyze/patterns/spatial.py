"""Spatial: many components in trouble at once, or one component in trouble in many ways."""

from activities.analyze.patterns.counting import by_component, hits, latest, pattern_of
from activities.analyze.settings import SpatialSettings
from activities.model.pattern import Pattern, PatternKind
from activities.monitor.judgement import Judged


def spatial(judged: Judged, settings: SpatialSettings) -> tuple[Pattern, ...]:
    """Return the patterns of the latest instant.

    One if at least `min_components` distinct components of the loop are violated, and one for each component with at
    least that many violated metrics. It groups what is wrong at the same time; trouble of a single component with a
    single symptom is not its subject.
    """
    if not settings.enabled:
        return ()
    window = latest(judged, judged.step)
    found, limit = hits(judged, window), settings.min_components
    groups = by_component(found)
    patterns = []
    if len(groups) >= limit:
        text = f"{len(groups)} ≥ {limit} components violated at once"
        patterns.append(pattern_of(PatternKind.SPATIAL, found, window, settings.sensitivity, text))
    for component, own in groups.items():
        if len(own) >= limit:
            text = f"{len(own)} ≥ {limit} metrics violated on {component} at once"
            patterns.append(pattern_of(PatternKind.SPATIAL, own, window, settings.sensitivity, text))
    return tuple(patterns)

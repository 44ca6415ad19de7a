"""Counted violations: once per (component, metric, instant) of the grid."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from activities.model.pattern import Evidence, Pattern, PatternKind
from activities.monitor.judgement import Judged

_KEPT = 5
"""Samples a piece of evidence shows."""


class Hit(NamedTuple):
    """One counted violation; `value` is None where only Charter reports it."""

    at: float
    component: str
    metric: str
    value: float | None


class Window(NamedTuple):
    """The half-open window (start, end], unix seconds."""

    start: float
    end: float


def latest(judged: Judged, seconds: float) -> Window:
    """Return the window of that length, at least one step, that ends at the last instant."""
    return Window(judged.at - max(seconds, judged.step), judged.at)


def hits(judged: Judged, window: Window) -> tuple[Hit, ...]:
    """Return the counted violations of hand-set limits and of Charter in the window, the newest first.

    What deviates from its own past has its own analysis: there, how far and how long counts, not how often.
    """
    inside = [i for i, instant in enumerate(judged.grid) if window.start < instant <= window.end]
    found = [
        Hit(judged.grid[i], track.component, track.metric, track.values[i])
        for track in judged.tracks
        if not track.adaptive
        for i in inside
        if track.counted[i]
    ]
    return tuple(sorted(found, key=lambda hit: (-hit.at, hit.component, hit.metric)))


def by_component(found: Iterable[Hit]) -> dict[str, list[Hit]]:
    """Return the hits of each component, in the order of the components' names."""
    groups: dict[str, list[Hit]] = {}
    for hit in sorted(found, key=lambda hit: hit.component):
        groups.setdefault(hit.component, []).append(hit)
    return groups


def pattern_of(kind: PatternKind, found: Sequence[Hit], window: Window, confidence: float, text: str) -> Pattern:
    """Return the pattern that the hits in the window make; `text` says with numbers why they do."""
    return Pattern(
        kind=kind,
        components=tuple(sorted({hit.component for hit in found})),
        metrics=tuple(sorted({hit.metric for hit in found})),
        confidence=confidence,
        evidence=Evidence(
            start=window.start,
            end=window.end,
            count=len(found),
            samples=tuple((hit.component, hit.metric, hit.at, hit.value) for hit in found[:_KEPT]),
            text=text,
        ),
    )


def repeated(judged: Judged, kind: PatternKind, seconds: float, least: int, confidence: float) -> tuple[Pattern, ...]:
    """Return a pattern for each component with at least `least` hits in the latest window of so many seconds."""
    window = latest(judged, seconds)
    return tuple(
        pattern_of(
            kind, found, window, confidence, f"{len(found)} ≥ {least} violations on {component} in {seconds:g} s"
        )
        for component, found in by_component(hits(judged, window)).items()
        if len(found) >= least
    )

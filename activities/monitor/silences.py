"""The components that are silenced at Alertmanager.

With a silence an operator takes over: a silenced component is observed and not acted upon. Inhibition does not count:
the inhibiting alert fires for the same incident.
"""

import re
from collections.abc import Iterable, Sequence

from activities.model.alertmanager import ActiveAlert, Matcher, Silence
from activities.monitor.metric_names import COMPONENT_LABEL

ALL_COMPONENTS = "*"
"""The component name that means all components."""


def silenced_components(
    alerts: Iterable[ActiveAlert], silences: Iterable[Silence], components: Iterable[str]
) -> tuple[str, ...]:
    """Return the silenced components, sorted.

    A component is silenced if a silence names only the component and so covers all its alerts, or if every alert that
    fires on it now is silenced.
    """
    alerts = tuple(alerts)
    firing = {alert.labels.get(COMPONENT_LABEL, "") for alert in alerts if not alert.silenced}
    muted = {alert.labels.get(COMPONENT_LABEL, "") for alert in alerts if alert.silenced} - firing
    active = [silence for silence in silences if silence.active]
    covered = {
        name for name in {*components, *muted} if any(covers_component(silence.matchers, name) for silence in active)
    }
    return tuple(sorted((muted | covered) - {""}))


def covers_component(matchers: Sequence[Matcher], component: str) -> bool:
    """Return whether a silence covers every alert on a component, with any other labels."""
    return bool(matchers) and all(m.name == COMPONENT_LABEL and matches(m, component) for m in matchers)


def matches(matcher: Matcher, value: str) -> bool:
    """Return whether a value matches. A pattern that Python cannot compile matches all values: not acting is safer."""
    try:
        is_match = re.fullmatch(matcher.value, value) is not None if matcher.regex else matcher.value == value
    except re.error:
        return True
    return is_match is matcher.equal

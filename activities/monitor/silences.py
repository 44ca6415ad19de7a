"""Which components Alertmanager was told to keep quiet about. Pure.

A silence is a person saying "I know, leave it": what is silenced is observed and not acted upon. Inhibition is not: the
alert that inhibits another is about the same trouble, and is told itself.
"""

import re
from collections.abc import Iterable, Sequence

from activities.model.alertmanager import ActiveAlert, Matcher, Silence
from activities.monitor.metric_names import COMPONENT_LABEL

ALL_COMPONENTS = "*"
"""In place of a component: all of them."""


def silenced_components(
    alerts: Iterable[ActiveAlert], silences: Iterable[Silence], components: Iterable[str]
) -> tuple[str, ...]:
    """Return the components that are silenced, sorted.

    Either by a silence that holds for all of a component's alerts, because its matchers say nothing but the component;
    or because every alert that fires on it now is silenced.
    """
    alerts = tuple(alerts)
    told = {one.labels.get(COMPONENT_LABEL, "") for one in alerts if not one.silenced}
    hushed = {one.labels.get(COMPONENT_LABEL, "") for one in alerts if one.silenced} - told
    active = [silence for silence in silences if silence.active]
    named = {name for name in {*components, *hushed} if any(covers_component(one.matchers, name) for one in active)}
    return tuple(sorted((hushed | named) - {""}))


def covers_component(matchers: Sequence[Matcher], component: str) -> bool:
    """Tell whether a silence holds for every alert on a component, whatever its other labels."""
    return bool(matchers) and all(one.name == COMPONENT_LABEL and matches(one, component) for one in matchers)


def matches(matcher: Matcher, value: str) -> bool:
    """Tell whether a value fits. A pattern that cannot be read here fits everything: rather quiet than wrong."""
    try:
        same = re.fullmatch(matcher.value, value) is not None if matcher.regex else matcher.value == value
    except re.error:
        return True
    return same is matcher.equal

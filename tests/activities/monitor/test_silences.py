"""Which components a person has silenced."""

import pytest

from activities.model.alertmanager import ActiveAlert, Matcher, Silence
from activities.monitor.silences import quiet_components

COMPONENTS = ("gateway", "policy-engine")


def alert(component: str, silenced: bool = False, inhibited: bool = False) -> ActiveAlert:
    labels = {"node_or_service": component} if component else {}
    times = {"starts_at": 1.0, "ends_at": 2.0}
    return ActiveAlert(fingerprint="f", labels=labels, annotations={}, silenced=silenced, inhibited=inhibited, **times)


def silence(*matchers: tuple[str, str, bool, bool], active: bool = True) -> Silence:
    made = tuple(Matcher(name=name, value=value, regex=regex, equal=equal) for name, value, regex, equal in matchers)
    return Silence(id="s", active=active, matchers=made)


@pytest.mark.parametrize(
    ("silences", "quiet"),
    [
        ([silence(("node_or_service", "gateway", False, True))], ("gateway",)),
        ([silence(("node_or_service", "gateway", False, True), active=False)], ()),
        ([silence(("node_or_service", "gateway|policy-.*", True, True))], COMPONENTS),
        ([silence(("node_or_service", "gate", True, True))], ()),
        ([silence(("node_or_service", "gateway", False, False))], ("policy-engine",)),
        ([silence(("node_or_service", "gateway", False, True), ("alertname", "A", False, True))], ()),
        ([silence(("alertname", ".*", True, True))], ()),
        ([silence(("node_or_service", "(?P<", True, True))], COMPONENTS),
        ([silence()], ()),
    ],
)
def test_silences_of_a_component(silences: list[Silence], quiet: tuple[str, ...]) -> None:
    """A silence counts that holds for whatever alert on the component; an unreadable pattern counts for all."""
    assert quiet_components([], silences, COMPONENTS) == quiet


@pytest.mark.parametrize(
    ("alerts", "quiet"),
    [
        ([alert("gateway", silenced=True)], ("gateway",)),
        ([alert("gateway", silenced=True), alert("gateway")], ()),
        ([alert("gateway", inhibited=True)], ()),
        ([alert("validator-9", silenced=True)], ("validator-9",)),
        ([alert("", silenced=True)], ()),
        ([], ()),
    ],
)
def test_silenced_alerts(alerts: list[ActiveAlert], quiet: tuple[str, ...]) -> None:
    """A component is quiet while all that fires on it is silenced; inhibition silences nothing."""
    assert quiet_components(alerts, [], COMPONENTS) == quiet

"""The components that an operator silenced."""

import pytest

from activities.model.alertmanager import ActiveAlert, Matcher, Silence
from activities.monitor.silences import silenced_components

COMPONENTS = ("gateway", "policy-engine")


def make_alert(component: str, silenced: bool = False, inhibited: bool = False) -> ActiveAlert:
    labels = {"node_or_service": component} if component else {}
    return ActiveAlert(
        fingerprint="f",
        labels=labels,
        annotations={},
        silenced=silenced,
        inhibited=inhibited,
        starts_at=1.0,
        ends_at=2.0,
    )


def make_silence(*matchers: tuple[str, str, bool, bool], active: bool = True) -> Silence:
    parsed = tuple(Matcher(name=name, value=value, regex=regex, equal=equal) for name, value, regex, equal in matchers)
    return Silence(id="s", active=active, matchers=parsed)


@pytest.mark.parametrize(
    ("silences", "silenced"),
    [
        ([make_silence(("node_or_service", "gateway", False, True))], ("gateway",)),
        ([make_silence(("node_or_service", "gateway", False, True), active=False)], ()),
        ([make_silence(("node_or_service", "gateway|policy-.*", True, True))], COMPONENTS),
        ([make_silence(("node_or_service", "gate", True, True))], ()),
        ([make_silence(("node_or_service", "gateway", False, False))], ("policy-engine",)),
        ([make_silence(("node_or_service", "gateway", False, True), ("alertname", "A", False, True))], ()),
        ([make_silence(("alertname", ".*", True, True))], ()),
        ([make_silence(("node_or_service", "(?P<", True, True))], COMPONENTS),
        ([make_silence()], ()),
    ],
)
def test_silence_of_a_component(silences: list[Silence], silenced: tuple[str, ...]) -> None:
    """A silence counts if it covers every alert on the component; an invalid pattern covers all components."""
    assert silenced_components([], silences, COMPONENTS) == silenced


@pytest.mark.parametrize(
    ("alerts", "silenced"),
    [
        ([make_alert("gateway", silenced=True)], ("gateway",)),
        ([make_alert("gateway", silenced=True), make_alert("gateway")], ()),
        ([make_alert("gateway", inhibited=True)], ()),
        ([make_alert("validator-9", silenced=True)], ("validator-9",)),
        ([make_alert("", silenced=True)], ()),
        ([], ()),
    ],
)
def test_silenced_alerts_silence_their_component(alerts: list[ActiveAlert], silenced: tuple[str, ...]) -> None:
    """A component is silenced while all of its firing alerts are; inhibition does not count."""
    assert silenced_components(alerts, [], COMPONENTS) == silenced

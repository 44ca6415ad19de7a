"""Parsing of webhook payloads, valid and invalid."""

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.model.alert import Alert
from activities.sanitize import sanitize_terminal
from tests.support.alert_payloads import STARTED_AT, make_alert, make_body, make_grafana_payload, make_payload
from worker.webhook.payload import MAX_ALERTS, MAX_BODY_BYTES, MAX_CONTAINERS, InvalidPayload, Remedy, parse_payload


def test_an_alert_has_its_identifying_fields() -> None:
    """Fingerprint, status, start, name, severity and component are read; links and annotations are not."""
    assert parse_payload(make_body(make_alert(7))).alerts == (
        Alert(
            fingerprint="0000000000000007",
            firing=True,
            starts_at=STARTED_AT,
            name="CommitteeOverloaded",
            severity="warning",
            component="validator-2",
        ),
    )


def test_each_alert_has_its_own_status() -> None:
    """The status of the alert counts, not that of the group."""
    alerts = parse_payload(make_body(make_alert(1, status="resolved"), make_alert(2), status="firing")).alerts
    assert [alert.firing for alert in alerts] == [False, True]


@pytest.mark.parametrize(("label", "read"), [("CRITICAL", "critical"), ("Page", "page"), (None, "")])
def test_severities_are_in_lower_case(label: str | None, read: str) -> None:
    """An unknown severity is kept, and a missing one is empty."""
    labels = {"alertname": "A"} | ({"severity": label} if label else {})
    assert parse_payload(make_body(make_alert(labels=labels))).alerts[0].severity == read


def test_truncated_and_excess_alerts_are_counted() -> None:
    """Alerts that the sender truncated and alerts beyond the limit are counted as omitted."""
    payload = parse_payload(make_body(*(make_alert(n) for n in range(MAX_ALERTS + 3)), truncatedAlerts=5))
    assert (len(payload.alerts), payload.omitted) == (MAX_ALERTS, 8)


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        (make_payload(version="3"), "/version"),
        (make_payload(version=4), "/version"),
        (make_payload(version=[]), "/version"),
        (make_payload(version=None), "/version"),
        (make_payload(alerts=None), "/alerts"),
        (make_payload(alerts={}), "/alerts"),
        (make_payload(alerts=[5]), "/alerts/0"),
        (make_payload({}), "/alerts/0/status"),
        (make_payload(make_alert(fingerprint=None, labels=None)), "/alerts/0/fingerprint"),
        (make_payload(make_alert(status="pending"), make_alert(startsAt=None)), "/alerts/0/status"),
        (make_payload(make_alert(startsAt="2026-01-31 12:00")), "/alerts/0/startsAt"),
        ([], ""),
        ("4", ""),
    ],
)
def test_a_payload_without_usable_alerts_is_refused(content: Any, pointer: str) -> None:
    """The refusal names the first invalid field with a JSON pointer, and never its value."""
    with pytest.raises(InvalidPayload) as refused:
        parse_payload(json.dumps(content).encode())
    assert refused.value.pointer == pointer
    assert "pending" not in refused.value.reason


def test_an_unknown_sender_gets_the_way_out() -> None:
    """The refusal names the versions that are accepted, and the route for other alerts."""
    with pytest.raises(InvalidPayload, match=r'"4" .Alertmanager. or "1" .Grafana Alerting.*through Alertmanager'):
        parse_payload(make_body(version="2"))


GOOD = make_alert(7)
LONG = "x" * 20_000


@pytest.mark.parametrize(
    "change",
    [
        {"annotations": {"description": LONG}},
        {"annotations": {str(number): "" for number in range(100)}},
        {"annotations": {LONG: ""}},
        {"annotations": 5},
        {"annotations": None},
        {"annotations": {"a": 5}},
        {"endsAt": "never"},
        {"generatorURL": ["x"]},
        {"labels": GOOD["labels"] | {"pod": LONG}},
        {"labels": GOOD["labels"] | {"pod": 5}},
        {"labels": GOOD["labels"] | {str(number): "" for number in range(100)}},
        {"extra": LONG},
    ],
)
def test_an_unused_field_may_have_any_content(change: dict[str, Any]) -> None:
    """A field that the loop does not use costs neither its alert nor the group, and is not counted."""
    payload = parse_payload(make_body(make_alert(1) | change, GOOD))
    assert [alert.fingerprint for alert in payload.alerts] == ["0000000000000001", "0000000000000007"]
    assert (payload.alerts[0].component, payload.invalid, payload.omitted) == ("validator-2", {}, 0)


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        (5, "alert"),
        (None, "alert"),
        ([[]], "alert"),
        ({}, "status"),
        (make_alert(status=None), "status"),
        (make_alert(status="pending"), "status"),
        (make_alert(status=["firing"]), "status"),
        (make_alert(startsAt=None), "startsAt"),
        (make_alert(startsAt=5), "startsAt"),
        (make_alert(startsAt=""), "startsAt"),
        (make_alert(startsAt="2026-01-31T12:00:00"), "startsAt"),
        (make_alert(startsAt="2026-02-30T12:00:00Z"), "startsAt"),
        (make_alert(startsAt="10000-01-01T00:00:00Z"), "startsAt"),
        (make_alert(startsAt=LONG), "startsAt"),
        (make_alert(fingerprint=None, labels=None), "fingerprint"),
        (make_alert(fingerprint="a b", labels={}), "fingerprint"),
    ],
)
def test_an_unusable_alert_is_dropped_alone(bad: Any, name: str) -> None:
    """The other alerts of the group are kept; the loop counts the dropped one as omitted, which starts a cycle."""
    payload = parse_payload(json.dumps(make_payload(alerts=[bad, GOOD])).encode())
    assert [alert.fingerprint for alert in payload.alerts] == ["0000000000000007"]
    assert (payload.invalid, payload.omitted) == ({(name, Remedy.DROPPED): 1}, 1)
    assert payload.first_invalid.startswith("/alerts/0")


@pytest.mark.parametrize(
    ("change", "name", "read"),
    [
        ({"labels": None}, "labels", ("", "", "")),
        ({"labels": "x"}, "labels", ("", "", "")),
        ({"labels": {"alertname": 5, "severity": "info"}}, "labels", ("", "info", "")),
        ({"labels": {"alertname": "é" * 100}}, "labels", ("é" * 60, "", "")),
        ({"labels": {"alertname": "A", "severity": LONG}}, "labels", ("A", "x" * 16, "")),
        ({"labels": {"alertname": "A", "node_or_service": ["x"]}}, "labels", ("A", "", "")),
        ({"labels": {"alertname": "A", "node_or_service": LONG}}, "labels", ("A", "", "x" * 80)),
        ({"fingerprint": None}, "fingerprint", ("CommitteeOverloaded", "warning", "validator-2")),
        ({"fingerprint": "a b"}, "fingerprint", ("CommitteeOverloaded", "warning", "validator-2")),
        ({"fingerprint": 5}, "fingerprint", ("CommitteeOverloaded", "warning", "validator-2")),
    ],
)
def test_an_alert_is_kept_without_an_invalid_value(change: dict[str, Any], name: str, read: tuple[str, ...]) -> None:
    """An invalid label is empty, an overlong one is cut; a fingerprint is derived from the labels."""
    payload = parse_payload(make_body(make_alert(1) | change))
    (alert,) = payload.alerts
    assert (alert.name, alert.severity, alert.component) == read
    assert (payload.invalid, payload.omitted) == ({(name, Remedy.KEPT): 1}, 0)


def test_a_derived_fingerprint_identifies_the_labels() -> None:
    """Equal labels in any order have one fingerprint, other labels another one."""
    first, same, other = (
        parse_payload(make_body(make_alert(fingerprint=None, labels=labels))).alerts[0].fingerprint
        for labels in ({"alertname": "A", "x": "1"}, {"x": "1", "alertname": "A"}, {"alertname": "A", "x": "2"})
    )
    assert first == same != other


@pytest.mark.parametrize("count", [-1, "3", 2.5, True, [], 10**30])
def test_an_invalid_number_of_truncated_alerts_is_not_zero(count: Any) -> None:
    """The alerts are read, and at least one omitted alert is reported to the loop."""
    payload = parse_payload(make_body(make_alert(1), truncatedAlerts=count))
    assert (len(payload.alerts), payload.omitted) == (1, 1)
    assert payload.invalid == {("truncatedAlerts", Remedy.KEPT): 1}


@pytest.mark.parametrize("element", ["0", "[]", "{}", '{"labels":5}', '{"status":"firing","startsAt":"x"}'])
def test_many_invalid_elements_are_cheap(element: str) -> None:
    """A body full of invalid elements is refused without parsing, or costs the work of 1,000; the rest is omitted."""
    count = (MAX_BODY_BYTES - 1000) // (len(element) + 1)
    good = json.dumps(GOOD)
    body = f'{{"version":"4","alerts":[{good},{",".join([element] * count)}]}}'.encode()
    is_refused = body.count(b"[") + body.count(b"{") > MAX_CONTAINERS
    started = time.thread_time()
    with pytest.raises(InvalidPayload, match="lists and objects") if is_refused else contextlib.nullcontext():
        payload = parse_payload(body)
    assert time.thread_time() - started < 0.5
    if not is_refused:
        assert (len(payload.alerts), payload.omitted) == (1, count)
        assert sum(payload.invalid.values()) == MAX_ALERTS - 1


def test_the_alerts_of_grafana_are_read() -> None:
    """Grafana Alerting's default payload has the fields of Alertmanager's, and more."""
    payload = parse_payload(json.dumps(make_grafana_payload(make_alert(7), make_alert(8, status="resolved"))).encode())
    assert payload.alerts[0] == parse_payload(make_body(make_alert(7))).alerts[0]
    assert ([alert.firing for alert in payload.alerts], payload.invalid) == ([True, False], {})


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b'{"version":"\\ud800"}', b"[" * 100_000, b'{"a":' * 5000])
def test_invalid_json_is_refused(raw: bytes) -> None:
    """A body that is not JSON or is nested too deeply is refused."""
    with pytest.raises(InvalidPayload):
        parse_payload(raw)


@given(
    name=st.text(max_size=300),
    severity=st.text(max_size=300),
    component=st.text(max_size=300),
    fingerprint=st.from_regex(r"\A[0-9A-Za-z_-]{1,64}\Z"),
    started=st.datetimes().map(lambda at: at.isoformat() + "Z"),
)
def test_an_alert_is_small_and_printable(
    name: str, severity: str, component: str, fingerprint: str, started: str
) -> None:
    """With any labels, an alert has at most 400 bytes of JSON and its summary is one printable line."""
    labels = {"alertname": name, "severity": severity, "node_or_service": component}
    raw = json.dumps(make_payload(make_alert(labels=labels, fingerprint=fingerprint, startsAt=started))).encode()
    (alert,) = parse_payload(raw).alerts
    assert len(alert.model_dump_json().encode()) <= 400
    assert sanitize_terminal(alert.summary) == alert.summary


_json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
_alert_fields = st.sampled_from([*make_alert(), "extra"])


@given(
    st.dictionaries(_alert_fields, _json_values, max_size=4),
    st.dictionaries(st.sampled_from([*make_payload(), "x"]), _json_values, max_size=2),
)
def test_any_value_is_read_or_refused(inner: dict[str, Any], outer: dict[str, Any]) -> None:
    """Any value in any field gives a payload or InvalidPayload."""
    with contextlib.suppress(InvalidPayload):
        parse_payload(json.dumps(make_payload(make_alert() | inner) | outer).encode())


@given(st.binary(max_size=400))
def test_random_bytes_are_refused(raw: bytes) -> None:
    """Random bytes give InvalidPayload."""
    with pytest.raises(InvalidPayload):
        parse_payload(raw)

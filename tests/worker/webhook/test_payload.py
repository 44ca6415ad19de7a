"""Parsing of webhook payloads, valid and invalid."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.model.alert import Alert
from activities.sanitize import sanitize_terminal
from tests.support.alert_payloads import STARTED_AT, make_alert, make_body, make_payload
from worker.webhook.payload import MAX_ALERTS, InvalidPayload, parse_payload


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
        (make_payload(version=None), "/version"),
        (make_payload(alerts=None), "/alerts"),
        (make_payload(alerts={}), "/alerts"),
        (make_payload(truncatedAlerts=-1), "/truncatedAlerts"),
        (make_payload(make_alert(fingerprint=None)), "/alerts/0/fingerprint"),
        (make_payload(make_alert(), make_alert(fingerprint="a b")), "/alerts/1/fingerprint"),
        (make_payload(make_alert(status="pending")), "/alerts/0/status"),
        (make_payload(make_alert(startsAt="2026-01-31 12:00")), "/alerts/0/startsAt"),
        (make_payload(make_alert(startsAt=5)), "/alerts/0/startsAt"),
        (make_payload(make_alert(labels={"a/b~": 1})), "/alerts/0/labels/a~1b~0"),
        (make_payload(make_alert(labels={"a": "x" * 4097})), "/alerts/0/labels/a"),
        (make_payload(make_alert(labels={str(n): "" for n in range(65)})), "/alerts/0/labels"),
        (make_payload(make_alert(annotations={"a": "x" * 16385})), "/alerts/0/annotations/a"),
        ([], ""),
        ("4", ""),
    ],
)
def test_an_invalid_field_is_named(content: Any, pointer: str) -> None:
    """A missing, invalid or oversize field is refused with a JSON pointer."""
    with pytest.raises(InvalidPayload) as refused:
        parse_payload(json.dumps(content).encode())
    assert refused.value.pointer == pointer


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

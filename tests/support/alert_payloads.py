"""Payloads as Alertmanager and Grafana Alerting post them."""

import json
from typing import Any

STARTED_AT_TEXT = "2026-01-31T12:00:00.000Z"
STARTED_AT = 1769860800.0


def make_alert(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return one alert; `changes` replace fields, None removes a field."""
    fields = {
        "status": "firing",
        "labels": {"alertname": "CommitteeOverloaded", "severity": "warning", "node_or_service": "validator-2"},
        "annotations": {"description": "too many investigations"},
        "startsAt": STARTED_AT_TEXT,
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://169.254.169.254/",
        "fingerprint": f"{number:016x}",
    }
    return {key: value for key, value in (fields | changes).items() if value is not None}


def make_payload(*alerts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the notification of one group; `changes` replace fields, None removes a field."""
    fields = {
        "version": "4",
        "groupKey": '{}:{alertname="CommitteeOverloaded"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "mapek",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://evil.example/",
        "alerts": list(alerts),
    }
    return {key: value for key, value in (fields | changes).items() if value is not None}


def make_body(*alerts: dict[str, Any], **changes: Any) -> bytes:
    """Return the notification of one group as bytes."""
    return json.dumps(make_payload(*alerts, **changes)).encode()


def make_grafana_payload(*alerts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the default payload of a Grafana contact point of type webhook; `changes` replace fields."""
    extra = {
        "silenceURL": "http://grafana.example/alerting/silence/new",
        "dashboardURL": "",
        "panelURL": "",
        "values": {"B": 44.23943737541908, "C": 1},
        "valueString": "[ var='B' labels={} value=44.23943737541908 ]",
        "orgId": 1,
    }
    fields = {
        "receiver": "mapek",
        "status": "firing",
        "orgId": 1,
        "alerts": [alert | extra for alert in alerts],
        "groupLabels": {"alertname": "CommitteeOverloaded", "grafana_folder": "charter"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://grafana.example/",
        "version": "1",
        "groupKey": '{}:{alertname="CommitteeOverloaded"}',
        "truncatedAlerts": 0,
        "title": "[FIRING:1] CommitteeOverloaded charter",
        "state": "alerting",
        "message": "**Firing**",
    }
    return fields | changes

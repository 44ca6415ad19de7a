"""Parsing of the webhook payloads of Alertmanager (version 4) and Grafana Alerting (version 1) within limits. Pure.

Fields that the loop does not use are ignored, with any content. An invalid alert costs only itself: it is dropped, or
kept without the invalid value. Links in a payload are neither read nor fetched.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic_core import from_json, to_json

from activities.model.alert import Alert
from activities.model.types import truncate
from activities.monitor.metric_names import COMPONENT_LABEL
from activities.sanitize import sanitize_terminal

MAX_BODY_BYTES = 2 << 20
"""1,000 alerts of 2 KB."""
MAX_ALERTS = 1000
"""Alerts read from one payload, so that its cost is bounded. The rest count as omitted, like those that the sender
truncated."""
MAX_CONTAINERS = 100_000
"""Brackets and braces in a body. 1,000 alerts have some 4,000; parsing many more would stop the worker for a second."""
SENDERS = {"4": "Alertmanager", "1": "Grafana Alerting"}
"""The accepted values of the field `version`. Both have the same fields in an alert."""
LABEL_LIMITS = {"alertname": 120, "severity": 16, COMPONENT_LABEL: 80}
"""The labels that are read, and their maximum size in bytes; the size of a signal is limited."""

WHOLE_ALERT = "alert"
"""Counts as a field: the alert is not an object."""

_FINGERPRINT = re.compile(r"[0-9A-Za-z_-]{1,64}")
_MAX_TIME_LENGTH = 64
_MAX_TRUNCATED = 10_000_000


class Remedy(StrEnum):
    """What became of an alert with an invalid field."""

    DROPPED = "dropped"
    KEPT = "kept"


InvalidCounts = Mapping[tuple[str, Remedy], int]
"""The number of alerts by invalid field and remedy."""


class InvalidPayload(ValueError):
    """A payload of which nothing can be used. `pointer` (RFC 6901) names the invalid part."""

    def __init__(self, pointer: str, reason: str, invalid: InvalidCounts | None = None) -> None:
        super().__init__(f"{pointer or '/'}: {reason}")
        self.pointer = pointer
        self.reason = reason
        self.invalid = invalid or {}


@dataclass(frozen=True)
class Payload:
    """The alerts of one post, the number that the sender or the limit left out, and the invalid fields.

    `first_invalid` names the first invalid field for the log, without its value.
    """

    alerts: tuple[Alert, ...]
    truncated: int = 0
    invalid: InvalidCounts = field(default_factory=dict)
    first_invalid: str = ""

    @property
    def omitted(self) -> int:
        """The number of alerts that are not in `alerts`: a cycle must find their cause itself."""
        return self.truncated + sum(n for (_, remedy), n in self.invalid.items() if remedy is Remedy.DROPPED)


class _InvalidAlert(Exception):
    """An alert without a usable value in a required field."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


class _InvalidFields:
    """The count of the invalid fields of one payload, and its first one."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, Remedy]] = Counter()
        self.first: InvalidPayload | None = None

    def add(self, pointer: str, name: str, remedy: Remedy, reason: str) -> None:
        self.counts[name, remedy] += 1
        if self.first is None:
            self.first = InvalidPayload(pointer if name == WHOLE_ALERT else f"{pointer}/{name}", reason)


def parse_payload(body: bytes) -> Payload:
    """Return the alerts in a body. The JSON parser refuses more than about 200 levels.

    Raises:
        InvalidPayload: the body is not JSON, its version is unknown, or none of its alerts can be used.
    """
    content = _parse_object(body)
    values = _list_alerts(content)
    invalid = _InvalidFields()
    alerts: list[Alert] = []
    for index, value in enumerate(values[:MAX_ALERTS]):
        pointer = f"/alerts/{index}"
        try:
            alerts.append(_parse_alert(value, pointer, invalid))
        except _InvalidAlert as error:
            invalid.add(pointer, error.name, Remedy.DROPPED, str(error))
    if values and not alerts and invalid.first:
        raise InvalidPayload(invalid.first.pointer, invalid.first.reason, dict(invalid.counts))
    truncated = _parse_truncated(content, invalid) + max(0, len(values) - MAX_ALERTS)
    return Payload(tuple(alerts), truncated, dict(invalid.counts), str(invalid.first or ""))


def _parse_object(body: bytes) -> dict[str, Any]:
    containers = body.count(b"[") + body.count(b"{")
    if containers > MAX_CONTAINERS:
        raise InvalidPayload("", f"{containers} lists and objects; the limit is {MAX_CONTAINERS}")
    try:
        content = from_json(body)
    except ValueError as error:
        raise InvalidPayload("", f"not JSON: {truncate(sanitize_terminal(str(error)))}") from None
    if not isinstance(content, dict):
        raise InvalidPayload("", f"an object is required, not {_type_name(content)}")
    return content


def _list_alerts(content: Mapping[str, Any]) -> list[Any]:
    version = content.get("version")
    if not isinstance(version, str) or version not in SENDERS:
        known = " or ".join(f'"{number}" ({sender})' for number, sender in SENDERS.items())
        found = repr(truncate(sanitize_terminal(version), 20)) if isinstance(version, str) else _type_name(version)
        raise InvalidPayload("/version", f"{known} is required, not {found}; send other alerts through Alertmanager")
    values = content.get("alerts")
    if not isinstance(values, list):
        raise InvalidPayload("/alerts", f"a list of alerts is required, not {_type_name(values)}")
    return values


def _parse_alert(value: object, pointer: str, invalid: _InvalidFields) -> Alert:
    """Return the alert, and record the fields that it is kept without.

    Raises:
        _InvalidAlert: a required field has no usable value.
    """
    if not isinstance(value, dict):
        raise _InvalidAlert(WHOLE_ALERT, f"an object is required, not {_type_name(value)}")
    status = value.get("status")
    if status not in ("firing", "resolved"):
        raise _InvalidAlert("status", "firing or resolved is required")
    starts_at = _parse_time(value.get("startsAt"))
    fingerprint = value.get("fingerprint")
    labels = value.get("labels")
    if not (isinstance(fingerprint, str) and _FINGERPRINT.fullmatch(fingerprint)):
        fingerprint = _derive_fingerprint(labels)
        invalid.add(pointer, "fingerprint", Remedy.KEPT, "invalid or missing; replaced by a hash of the labels")
    texts = _read_labels(labels)
    if texts.fault:
        invalid.add(pointer, "labels", Remedy.KEPT, texts.fault)
    return Alert(
        fingerprint=fingerprint,
        firing=status == "firing",
        starts_at=starts_at,
        name=texts.values["alertname"],
        severity=to_one_line(texts.values["severity"].lower(), LABEL_LIMITS["severity"]),
        component=texts.values[COMPONENT_LABEL],
    )


def _parse_time(value: object) -> float:
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) and len(value) <= _MAX_TIME_LENGTH else None
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise _InvalidAlert("startsAt", "a time with its zone is required (RFC 3339)")
    return round(time.timestamp(), 3)


def _derive_fingerprint(labels: object) -> str:
    """Return a fingerprint that is equal for equal labels, for a sender that has none."""
    if not isinstance(labels, dict) or not labels:
        raise _InvalidAlert("fingerprint", "1 to 64 characters of 0-9 A-Z a-z _ - are required")
    return hashlib.sha256(to_json(sorted(labels.items()))).hexdigest()[:16]


@dataclass(frozen=True)
class _Labels:
    """The texts of the labels that are read, and what is invalid in them."""

    values: Mapping[str, str]
    fault: str = ""


def _read_labels(labels: object) -> _Labels:
    """Return the texts of the labels. A missing label is empty, an invalid one too; an overlong one is cut."""
    if not isinstance(labels, dict):
        return _Labels(dict.fromkeys(LABEL_LIMITS, ""), f"an object is required, not {_type_name(labels)}")
    values, fault = {}, ""
    for name, limit in LABEL_LIMITS.items():
        value = labels.get(name, "")
        if not isinstance(value, str):
            fault = fault or f"label {name}: a text is required, not {_type_name(value)}"
            value = ""
        values[name] = to_one_line(value, limit)
        if len(value[: limit + 1].encode(errors="replace")) > limit:
            fault = fault or f"label {name}: {len(value)} characters; cut to the limit of {limit} bytes"
    return _Labels(values, fault)


def _parse_truncated(content: Mapping[str, Any], invalid: _InvalidFields) -> int:
    """Return how many alerts the sender left out; an invalid number counts as one, for it is not known to be zero."""
    count = content.get("truncatedAlerts")
    if count is None:
        return 0
    if isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= _MAX_TRUNCATED:
        return count
    reason = f"a number from 0 to {_MAX_TRUNCATED} is required"
    invalid.add("", "truncatedAlerts", Remedy.KEPT, reason)
    return 1


def _type_name(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def to_one_line(text: str, max_bytes: int) -> str:
    """Return `text` as one line without quotes and control characters, cut to `max_bytes` of UTF-8.

    Quotes and backslashes would need more bytes in JSON, and the size of an alert is limited.
    """
    # A character has at least one byte: an overlong text costs no more than its limit.
    line = sanitize_terminal(text[: max_bytes + 1]).translate({ord('"'): "'", ord("\\"): "/"})
    return line.encode()[:max_bytes].decode(errors="ignore")

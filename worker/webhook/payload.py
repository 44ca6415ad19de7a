"""Parsing of Alertmanager's webhook payload (version 4) within limits. Pure.

Unknown fields are ignored; a missing or invalid field is refused with a pointer to it. Links in a payload are neither
read nor fetched.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, ValidationError

from activities.model.alert import SEVERITIES, Alert
from activities.model.types import truncate
from activities.monitor.metric_names import COMPONENT_LABEL
from activities.sanitize import sanitize_terminal

MAX_BODY_BYTES = 2 << 20
"""1,000 alerts of 2 KB."""
MAX_ALERTS = 1000
"""Alerts read from one payload. The rest count as omitted, like those Alertmanager itself truncated."""

_LabelName = Annotated[str, StringConstraints(max_length=256)]
_Labels = Annotated[dict[_LabelName, Annotated[str, StringConstraints(max_length=4096)]], Field(max_length=64)]
_Annotations = Annotated[dict[_LabelName, Annotated[str, StringConstraints(max_length=16384)]], Field(max_length=64)]


class InvalidPayload(ValueError):
    """A payload that does not conform to version 4. `pointer` (RFC 6901) names the invalid part."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(f"{pointer or '/'}: {reason}")
        self.pointer = pointer
        self.reason = reason


class _WireAlert(BaseModel):
    status: Literal["firing", "resolved"]
    labels: _Labels
    annotations: _Annotations = {}
    starts_at: Annotated[AwareDatetime, Field(alias="startsAt")]
    fingerprint: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,64}$")]

    def to_alert(self) -> Alert:
        severity = self.labels.get("severity", "").lower()
        return Alert(
            fingerprint=self.fingerprint,
            firing=self.status == "firing",
            starts_at=round(self.starts_at.timestamp(), 3),
            name=to_one_line(self.labels.get("alertname", ""), 120),
            severity=severity if severity in SEVERITIES else to_one_line(severity, 16),
            component=to_one_line(self.labels.get(COMPONENT_LABEL, ""), 80),
        )


class _WirePayload(BaseModel):
    version: Literal["4"]
    alerts: list[_WireAlert]
    truncated_count: Annotated[int, Field(alias="truncatedAlerts", ge=0, le=10_000_000)] = 0


class Payload(BaseModel):
    """The alerts of one post, and how many alerts were omitted from it."""

    alerts: tuple[Alert, ...]
    omitted: int = 0


def parse_payload(body: bytes) -> Payload:
    """Return the alerts in a body. The JSON parser refuses more than about 200 levels.

    Raises:
        InvalidPayload: the body is not JSON, or a field is missing, too long or of the wrong type.
    """
    try:
        wire = _WirePayload.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise _to_invalid_payload(error) from None
    alerts = tuple(alert.to_alert() for alert in wire.alerts[:MAX_ALERTS])
    return Payload(alerts=alerts, omitted=wire.truncated_count + len(wire.alerts) - len(alerts))


def to_one_line(text: str, max_bytes: int) -> str:
    """Return `text` as one line without quotes and control characters, cut to `max_bytes` of UTF-8.

    Quotes and backslashes would need more bytes in JSON, and the size of an alert is limited.
    """
    line = sanitize_terminal(text).translate({ord('"'): "'", ord("\\"): "/"})
    return line.encode()[:max_bytes].decode(errors="ignore")


def _to_invalid_payload(error: ValidationError) -> InvalidPayload:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in first["loc"])
    return InvalidPayload(truncate(sanitize_terminal(pointer)), truncate(sanitize_terminal(first["msg"])))

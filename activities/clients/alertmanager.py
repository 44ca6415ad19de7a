"""Alertmanager: its alerts and silences."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter

from activities.clients.http import HttpClient
from activities.clients.http_messages import Request, encode_body
from activities.model.alertmanager import ActiveAlert, Matcher, Silence
from activities.model.types import truncate

MAX_REPLY_BYTES = 2 << 20
"""Maximum bytes of the list of alerts, some thousands of them: every cycle reads it, and must not wait for it."""


class _WireStatus(BaseModel):
    silenced_by: Annotated[list[str], Field(alias="silencedBy")] = []
    inhibited_by: Annotated[list[str], Field(alias="inhibitedBy")] = []


class _WireAlert(BaseModel):
    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: Annotated[AwareDatetime, Field(alias="startsAt")]
    ends_at: Annotated[AwareDatetime, Field(alias="endsAt")]
    status: _WireStatus = _WireStatus()

    def to_alert(self) -> ActiveAlert:
        times = {"starts_at": self.starts_at.timestamp(), "ends_at": self.ends_at.timestamp()}
        return ActiveAlert(
            fingerprint=self.fingerprint,
            labels=self.labels,
            annotations=self.annotations,
            silenced=bool(self.status.silenced_by),
            inhibited=bool(self.status.inhibited_by),
            **times,
        )


class _WireMatcher(BaseModel):
    name: str
    value: str
    regex: Annotated[bool, Field(alias="isRegex")]
    equal: Annotated[bool, Field(alias="isEqual")] = True


class _WireSilenceStatus(BaseModel):
    state: str


class _WireSilence(BaseModel):
    id: str
    status: _WireSilenceStatus
    matchers: tuple[_WireMatcher, ...]

    def to_silence(self) -> Silence:
        matchers = tuple(Matcher(name=m.name, value=m.value, regex=m.regex, equal=m.equal) for m in self.matchers)
        return Silence(id=self.id, active=self.status.state == "active", matchers=matchers)


class _WireVersion(BaseModel):
    version: str = ""


class _WireServerStatus(BaseModel):
    version_info: Annotated[_WireVersion, Field(alias="versionInfo")]


_SERVER_STATUS = TypeAdapter(_WireServerStatus)
_ALERTS = TypeAdapter(tuple[_WireAlert, ...])
_SILENCES = TypeAdapter(tuple[_WireSilence, ...])


class AlertmanagerClient:
    """One Alertmanager, version 2 of its API. `timeout` is seconds for one call.

    Every call raises: Unreachable, InvalidResponse, Overloaded, Unauthorized, Rejected, NotFound.
    """

    def __init__(self, http: HttpClient, url: str, timeout: float = 5.0) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._timeout = timeout

    async def check_ready(self) -> None:
        """Return if Alertmanager is ready."""
        await self._http.probe(Request("GET", f"{self._url}/-/ready", timeout=self._timeout))

    async def fetch_version(self) -> str:
        """Return the version that the server names, empty if it names none."""
        request = Request("GET", f"{self._url}/api/v2/status", timeout=self._timeout)
        return truncate((await self._http.read(request, _SERVER_STATUS)).value.version_info.version)

    async def fetch_alerts(self, *, include_suppressed: bool = False) -> tuple[ActiveAlert, ...]:
        """Return the firing alerts; with `include_suppressed` also silenced and inhibited ones."""
        suppressed = str(include_suppressed).lower()
        filters = {"active": "true", "silenced": suppressed, "inhibited": suppressed, "unprocessed": "false"}
        request = Request(
            "GET", f"{self._url}/api/v2/alerts", params=filters, timeout=self._timeout, max_bytes=MAX_REPLY_BYTES
        )
        return tuple(alert.to_alert() for alert in (await self._http.read(request, _ALERTS)).value)

    async def fetch_silences(self) -> tuple[Silence, ...]:
        """Return all silences, also expired and pending ones."""
        request = Request("GET", f"{self._url}/api/v2/silences", timeout=self._timeout)
        return tuple(silence.to_silence() for silence in (await self._http.read(request, _SILENCES)).value)

    async def post_alert(
        self, labels: dict[str, str], annotations: dict[str, str], *, starts_at: float, ends_at: float
    ) -> None:
        """Post an alert as Prometheus does. Times are unix seconds.

        The same labels are the same alert: posting it again changes its times. An `ends_at` in the past resolves it.
        """
        start, end = (datetime.fromtimestamp(at, UTC).isoformat() for at in (starts_at, ends_at))
        alert = {"labels": labels, "annotations": annotations, "startsAt": start, "endsAt": end}
        await self._http.probe(
            Request(
                "POST",
                f"{self._url}/api/v2/alerts",
                headers={"Content-Type": "application/json"},
                content=encode_body([alert]),
                timeout=self._timeout,
            )
        )

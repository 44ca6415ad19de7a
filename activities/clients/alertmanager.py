"""Alertmanager: which alerts it holds, and which of them it keeps quiet about."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter

from activities.clients.http import Http
from activities.clients.request import Request, json_bytes
from activities.model.alertmanager import ActiveAlert, Matcher, Silence

MAX_BYTES = 2 << 20
"""Of the list of alerts, some thousands: it is read in every cycle, and must not hold the others up."""


class _Status(BaseModel):
    silenced_by: Annotated[list[str], Field(alias="silencedBy")] = []
    inhibited_by: Annotated[list[str], Field(alias="inhibitedBy")] = []


class _Wire(BaseModel):
    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: Annotated[AwareDatetime, Field(alias="startsAt")]
    ends_at: Annotated[AwareDatetime, Field(alias="endsAt")]
    status: _Status = _Status()

    def alert(self) -> ActiveAlert:
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


class _SilenceStatus(BaseModel):
    state: str


class _WireSilence(BaseModel):
    id: str
    status: _SilenceStatus
    matchers: tuple[_WireMatcher, ...]

    def silence(self) -> Silence:
        matchers = tuple(Matcher(name=m.name, value=m.value, regex=m.regex, equal=m.equal) for m in self.matchers)
        return Silence(id=self.id, active=self.status.state == "active", matchers=matchers)


_ALERTS = TypeAdapter(tuple[_Wire, ...])
_SILENCES = TypeAdapter(tuple[_WireSilence, ...])


class AlertmanagerClient:
    """One Alertmanager, version 2 of its API. `timeout` is seconds for one call.

    Every call raises: Unreachable, Unreadable, Overloaded, Unauthorized, Rejected, NotFound.
    """

    def __init__(self, http: Http, url: str, timeout: float = 5.0) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._timeout = timeout

    async def ready(self) -> None:
        """Return if Alertmanager is ready."""
        await self._http.probe(Request("GET", f"{self._url}/-/ready", timeout=self._timeout))

    async def alerts(self, *, muted: bool = False) -> tuple[ActiveAlert, ...]:
        """Return the alerts that fire now; with `muted` also those that are silenced or inhibited."""
        quiet = str(muted).lower()
        shown = {"active": "true", "silenced": quiet, "inhibited": quiet, "unprocessed": "false"}
        request = Request("GET", f"{self._url}/api/v2/alerts", params=shown, timeout=self._timeout, max_bytes=MAX_BYTES)
        return tuple(one.alert() for one in (await self._http.read(request, _ALERTS)).value)

    async def silences(self) -> tuple[Silence, ...]:
        """Return all silences, those that have ended or not begun included."""
        request = Request("GET", f"{self._url}/api/v2/silences", timeout=self._timeout)
        return tuple(one.silence() for one in (await self._http.read(request, _SILENCES)).value)

    async def fire(self, labels: dict[str, str], annotations: dict[str, str], times: tuple[float, float]) -> None:
        """Post an alert as Prometheus does; the same labels are the same alert, and posting again changes its times.

        `times` are start and end (unix seconds): it fires until the end, and one in the past resolves it.
        """
        start, end = (datetime.fromtimestamp(at, UTC).isoformat() for at in times)
        alert = {"labels": labels, "annotations": annotations, "startsAt": start, "endsAt": end}
        await self._http.probe(
            Request(
                "POST",
                f"{self._url}/api/v2/alerts",
                headers={"Content-Type": "application/json"},
                content=json_bytes([alert]),
                timeout=self._timeout,
            )
        )

"""Alertmanager: which alerts it holds, and which of them it keeps quiet about."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter

from activities.clients.http import Http
from activities.clients.request import Request, json_bytes
from activities.model.base import Noun


class ActiveAlert(Noun):
    """One alert as Alertmanager holds it. Times are unix seconds; the same alert has the same fingerprint.

    `muted` tells that a silence or another alert (inhibition) keeps it from being told.
    """

    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: float
    ends_at: float
    muted: bool = False


class _Status(BaseModel):
    silenced_by: Annotated[list[str], Field(alias="silencedBy")] = []
    inhibited_by: Annotated[list[str], Field(alias="inhibitedBy")] = []
    muted_by: Annotated[list[str], Field(alias="mutedBy")] = []


class _Wire(BaseModel):
    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: Annotated[AwareDatetime, Field(alias="startsAt")]
    ends_at: Annotated[AwareDatetime, Field(alias="endsAt")]
    status: _Status = _Status()

    def alert(self) -> ActiveAlert:
        times = {"starts_at": self.starts_at.timestamp(), "ends_at": self.ends_at.timestamp()}
        muted = bool(self.status.silenced_by or self.status.inhibited_by or self.status.muted_by)
        return ActiveAlert(
            fingerprint=self.fingerprint, labels=self.labels, annotations=self.annotations, muted=muted, **times
        )


_ALERTS = TypeAdapter(tuple[_Wire, ...])


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
        request = Request("GET", f"{self._url}/api/v2/alerts", params=shown, timeout=self._timeout)
        return tuple(one.alert() for one in await self._http.read(request, _ALERTS))

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

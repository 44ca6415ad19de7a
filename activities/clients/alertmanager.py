"""Alertmanager: which alerts it holds active, to reconcile what a lost or repeated webhook left."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter

from activities.clients.http import Http
from activities.clients.request import Request
from activities.model.base import Noun


class ActiveAlert(Noun):
    """One alert as Alertmanager holds it. Times are unix seconds; the same alert has the same fingerprint."""

    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: float
    ends_at: float


class _Wire(BaseModel):
    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: Annotated[AwareDatetime, Field(alias="startsAt")]
    ends_at: Annotated[AwareDatetime, Field(alias="endsAt")]

    def alert(self) -> ActiveAlert:
        times = {"starts_at": self.starts_at.timestamp(), "ends_at": self.ends_at.timestamp()}
        return ActiveAlert(fingerprint=self.fingerprint, labels=self.labels, annotations=self.annotations, **times)


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

    async def alerts(self) -> tuple[ActiveAlert, ...]:
        """Return the alerts that fire now, without silenced and inhibited ones."""
        shown = {"active": "true", "silenced": "false", "inhibited": "false", "unprocessed": "false"}
        request = Request("GET", f"{self._url}/api/v2/alerts", params=shown, timeout=self._timeout)
        return tuple(one.alert() for one in await self._http.read(request, _ALERTS))

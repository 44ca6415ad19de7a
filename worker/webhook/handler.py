"""`POST` of alerts: let in, read within limits, told to the loops concerned, and only then answered.

200: every alert in it is known to its loop, or is ignored on purpose. 503: nobody can promise that; Alertmanager posts
again. Anything else is the sender's mistake, and posting the same again would not help. 429 is never answered: at that
Alertmanager gives the notice up.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from activities.model.alert import Alert
from activities.model.errors import MapekError
from activities.model.types import truncate
from worker.config.schema import AlertRoute
from worker.http.auth import CHALLENGE, TokenAuth
from worker.observability.metrics import Metrics
from worker.observability.redaction import redact
from worker.webhook.batcher import AlertBatcher
from worker.webhook.dedupe import RecentAlerts
from worker.webhook.payload import MAX_BODY_BYTES, InvalidPayload, Payload, parse_payload
from worker.webhook.routing import IGNORE, route_alert

log = logging.getLogger("mapek.http")

BODY_TIMEOUT_SECONDS = 3.0
"""In which the whole body has to arrive."""
RETRY_AFTER = {"Retry-After": "1"}


@dataclass(frozen=True)
class AlertRouting:
    """Where alerts go: the way to each loop, the routes, and the loop of what no route fits."""

    batchers: Mapping[str, AlertBatcher]
    routes: tuple[AlertRoute, ...]
    default_loop: str


class HttpProblem(Exception):
    """The answer to a request that is not served."""

    def __init__(self, status: int, title: str, pointer: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(title)
        self.status = status
        self.problem = {"status": status, "title": title} | ({"pointer": pointer} if pointer else {})
        self.headers = headers

    def to_response(self) -> Response:
        """Return it as problem+json."""
        return JSONResponse(self.problem, self.status, self.headers, "application/problem+json")


class AlertWebhook:
    """The door for alerts."""

    def __init__(self, auth: TokenAuth, routing: AlertRouting, metrics: Metrics) -> None:
        self._auth = auth
        self._routing = routing
        self._metrics = metrics
        self._recent: defaultdict[str, RecentAlerts] = defaultdict(RecentAlerts)
        self._rejected_count, self._logged_at = 0, -1.0

    async def handle_post(self, request: Request) -> Response:
        """Answer one POST."""
        started = time.monotonic()
        try:
            answer = await self._accept_post(request)
        except HttpProblem as refusal:
            answer = refusal.to_response()
        self._metrics.webhook_seconds.labels(str(answer.status_code)).observe(time.monotonic() - started)
        return answer

    async def _accept_post(self, request: Request) -> Response:
        if not self._auth.is_authorized(request.headers.get("authorization", "")):
            raise HttpProblem(401, "a token is needed, as bearer or as a password", headers=CHALLENGE)
        body = await read_body(request)
        if all(way.is_full for way in self._routing.batchers.values()):
            # Before it is parsed: what a flood costs must not keep the worker from taking what it was told already.
            raise self._service_unavailable("alerts wait already, as many as there is room for")
        try:
            payload = parse_payload(body)
        except InvalidPayload as error:
            raise HttpProblem(400, error.reason, error.pointer or "/") from None
        try:
            news = await self._deliver(payload)
        except MapekError as error:
            raise self._service_unavailable(str(error)) from None
        return JSONResponse({"status": "ok", "alerts": len(payload.alerts), "new": news})

    def _service_unavailable(self, reason: str) -> HttpProblem:
        """Return the answer that makes the sender come again; said in the log at most once a second."""
        self._rejected_count += 1
        if time.monotonic() >= self._logged_at + 1.0:
            log.warning("%d times alerts are not taken, now because %s", self._rejected_count, truncate(redact(reason)))
            self._rejected_count, self._logged_at = 0, time.monotonic()
        return HttpProblem(503, "the alerts cannot be handed over now", headers=RETRY_AFTER)

    async def _deliver(self, payload: Payload) -> int:
        """Tell each loop of its alerts; return how many were news. Nothing is counted twice for a second attempt."""
        by_loop = self._group_by_loop(payload.alerts)
        ignored = by_loop.pop(IGNORE, [])
        # What was left out might be for any loop that has alerts in here; without any, for the default one.
        concerned = list(by_loop) or ([self._routing.default_loop] if payload.omitted else [])
        news = {loop: self._recent[loop].new_alerts(by_loop[loop]) for loop in concerned}
        await asyncio.gather(
            *(
                self._routing.batchers[loop].submit(news[loop], payload.omitted)
                for loop in concerned
                if news[loop] or payload.omitted
            )
        )
        for loop, alerts in news.items():
            self._recent[loop].remember(alerts)
        fresh = sum(map(len, news.values()))
        self._count_alerts(payload, len(ignored), fresh)
        return fresh

    def _group_by_loop(self, alerts: tuple[Alert, ...]) -> defaultdict[str, list[Alert]]:
        by_loop: defaultdict[str, list[Alert]] = defaultdict(list)
        for alert in alerts:
            by_loop[route_alert(alert, self._routing.routes, self._routing.default_loop)].append(alert)
        return by_loop

    def _count_alerts(self, payload: Payload, ignored_count: int, new_count: int) -> None:
        firing = sum(alert.firing for alert in payload.alerts)
        self._metrics.alerts_received.labels("firing").inc(firing)
        self._metrics.alerts_received.labels("resolved").inc(len(payload.alerts) - firing)
        self._metrics.alerts_deduplicated.inc(len(payload.alerts) - ignored_count - new_count)
        self._metrics.alerts_ignored.labels("route").inc(ignored_count)
        self._metrics.alerts_ignored.labels("truncated").inc(payload.omitted)


async def read_body(
    request: Request, max_bytes: int = MAX_BODY_BYTES, hint: str = "; set max_alerts at the sender"
) -> bytes:
    """Return the body.

    Raises:
        Refused: it is longer than `most` bytes (2 MiB), or did not arrive within 3 s.
    """
    too_large = HttpProblem(413, f"a body has at most {max_bytes} bytes{hint}")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise too_large
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > max_bytes:
                    raise too_large
                chunks.append(chunk)
    except TimeoutError:
        raise HttpProblem(
            408, f"the body did not arrive within {BODY_TIMEOUT_SECONDS:g} s", headers={"Connection": "close"}
        ) from None
    except ClientDisconnect:
        # Nobody hears it but a proxy between, and the sender, which gave up, has to come again.
        raise HttpProblem(503, "the body ended early", headers=RETRY_AFTER) from None
    return b"".join(chunks)

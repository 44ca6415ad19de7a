"""The webhook for alerts: authorize the request, read it within limits, signal its loops, and only then answer.

200: every usable alert is known to its loop, or is ignored by a route. 503: this is not certain, and Alertmanager posts
again. Any other status is an error of the sender, and posting again does not help. 429 is never sent: Alertmanager
drops the notification on it. Every answer but 200 and 401 leaves a line in the log, and so do invalid fields.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from activities.model.alert import Alert
from activities.model.errors import MapekError
from activities.model.types import truncate
from worker.config.schema import AlertRoute
from worker.http.auth import CHALLENGE, TokenAuth
from worker.http.request_body import RETRY_AFTER, HttpProblem, read_body
from worker.observability.metrics import Metrics
from worker.observability.redaction import redact
from worker.webhook.batcher import AlertBatcher
from worker.webhook.dedupe import FutureStarts, RecentAlerts
from worker.webhook.payload import MAX_BODY_BYTES, InvalidCounts, InvalidPayload, Payload, parse_payload
from worker.webhook.routing import IGNORE, route_alert

log = logging.getLogger("mapek.http")

LOG_INTERVAL_SECONDS = 1.0
"""Minimum seconds between two log lines of one kind."""


class _LimitedLog:
    """One kind of warning, at most once in an interval; each line counts those since the line before."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._count, self._logged_at = 0, -LOG_INTERVAL_SECONDS

    def warn(self, reason: str) -> None:
        self._count += 1
        if time.monotonic() >= self._logged_at + LOG_INTERVAL_SECONDS:
            log.warning(self._text, self._count, truncate(redact(reason)))
            self._count, self._logged_at = 0, time.monotonic()


@dataclass(frozen=True)
class AlertRouting:
    """The batcher of each loop, the routes, and the loop for alerts that match no route."""

    batchers: Mapping[str, AlertBatcher]
    routes: tuple[AlertRoute, ...]
    default_loop: str


class AlertWebhook:
    """The handler of alert posts."""

    def __init__(self, auth: TokenAuth, routing: AlertRouting, metrics: Metrics) -> None:
        self._auth = auth
        self._routing = routing
        self._metrics = metrics
        self._recent: defaultdict[str, RecentAlerts] = defaultdict(RecentAlerts)
        self._future_starts = FutureStarts()
        self._unavailable = _LimitedLog("rejected %d alert posts (503); last reason: %s")
        self._refused = _LimitedLog("refused %d alert posts, which the sender does not repeat; the last: %s")
        self._invalid = _LimitedLog("read %d alert posts with invalid fields; the last: %s")

    async def handle_post(self, request: Request) -> Response:
        """Return the answer to one post and record its duration."""
        started = time.monotonic()
        try:
            answer = await self._accept_post(request)
        except HttpProblem as problem:
            if problem.status not in (401, 503):
                self._refused.warn(f"status {problem.status}: {problem.problem.get('pointer', '')} {problem}")
            answer = problem.to_response()
        self._metrics.webhook_duration.labels(str(answer.status_code)).observe(time.monotonic() - started)
        return answer

    async def _accept_post(self, request: Request) -> Response:
        if not self._auth.is_authorized(request.headers.get("authorization", "")):
            raise HttpProblem(401, "a token is required, as bearer token or as password", headers=CHALLENGE)
        body = await read_body(request, MAX_BODY_BYTES, hint="; set max_alerts at the sender")
        if all(batcher.is_full for batcher in self._routing.batchers.values()):
            # Before parsing: a flood of posts must not keep the worker from sending the alerts it already has.
            raise self._service_unavailable("the queue of every loop is full")
        try:
            payload = parse_payload(body)
        except InvalidPayload as error:
            self._count_invalid(error.invalid)
            raise HttpProblem(400, error.reason, error.pointer or "/") from None
        if payload.invalid:
            self._count_invalid(payload.invalid)
            counts = f"invalid fields: {sum(payload.invalid.values())}, alerts kept: {len(payload.alerts)}"
            self._invalid.warn(f"{counts}, first: {payload.first_invalid}")
        try:
            new_count = await self._deliver(payload)
        except MapekError as error:
            raise self._service_unavailable(str(error)) from None
        return JSONResponse({"status": "ok", "alerts": len(payload.alerts), "new": new_count})

    def _service_unavailable(self, reason: str) -> HttpProblem:
        """Return the answer that makes the sender post again, and log it."""
        self._unavailable.warn(reason)
        return HttpProblem(503, "the alerts cannot be delivered now", headers=RETRY_AFTER)

    async def _deliver(self, payload: Payload) -> int:
        """Submit new alerts to their loops and return their number. Nothing is counted if a loop fails."""
        by_loop = self._group_by_loop(self._future_starts.correct(payload.alerts, time.time()))
        ignored = by_loop.pop(IGNORE, [])
        # Omitted alerts may be for any loop with alerts in this payload; without one, for the default loop.
        loops = list(by_loop) or ([self._routing.default_loop] if payload.omitted else [])
        new_alerts = {loop: self._recent[loop].new_alerts(by_loop[loop]) for loop in loops}
        await asyncio.gather(
            *(
                self._routing.batchers[loop].submit(alerts, payload.omitted)
                for loop, alerts in new_alerts.items()
                if alerts or payload.omitted
            )
        )
        for loop, alerts in new_alerts.items():
            self._recent[loop].remember(alerts)
        new_count = sum(map(len, new_alerts.values()))
        self._count_alerts(payload, len(ignored), new_count)
        return new_count

    def _count_invalid(self, invalid: InvalidCounts) -> None:
        for (name, remedy), count in invalid.items():
            self._metrics.alerts_invalid.labels(name, remedy).inc(count)

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
        self._metrics.alerts_ignored.labels("truncated").inc(payload.truncated)

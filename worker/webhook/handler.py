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
from activities.model.types import clipped
from worker.config.schema import AlertRoute
from worker.http.auth import CHALLENGE, Gate
from worker.observability.metrics import Metrics
from worker.observability.redaction import redacted
from worker.webhook.batcher import HandOver
from worker.webhook.dedupe import Seen
from worker.webhook.payload import MAX_BYTES, Malformed, Payload, read_payload
from worker.webhook.routing import IGNORE, routed

log = logging.getLogger("mapek.http")

BODY_SECONDS = 3.0
"""In which the whole body has to arrive."""
COME_AGAIN = {"Retry-After": "1"}


@dataclass(frozen=True)
class Delivery:
    """Where alerts go: the way to each loop, the routes, and the loop of what no route fits."""

    loops: Mapping[str, HandOver]
    routes: tuple[AlertRoute, ...]
    default: str


class Refused(Exception):
    """The answer to a request that is not served."""

    def __init__(self, status: int, title: str, pointer: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(title)
        self.status = status
        self.problem = {"status": status, "title": title} | ({"pointer": pointer} if pointer else {})
        self.headers = headers

    def answer(self) -> Response:
        """Return it as problem+json."""
        return JSONResponse(self.problem, self.status, self.headers, "application/problem+json")


class Webhook:
    """The door for alerts."""

    def __init__(self, gate: Gate, delivery: Delivery, metrics: Metrics) -> None:
        self._gate = gate
        self._delivery = delivery
        self._metrics = metrics
        self._seen: defaultdict[str, Seen] = defaultdict(Seen)
        self._refused, self._said_at = 0, -1.0

    async def post(self, request: Request) -> Response:
        """Answer one POST."""
        started = time.monotonic()
        try:
            answer = await self._served(request)
        except Refused as refusal:
            answer = refusal.answer()
        self._metrics.webhook_seconds.labels(str(answer.status_code)).observe(time.monotonic() - started)
        return answer

    async def _served(self, request: Request) -> Response:
        if not self._gate.admits(request.headers.get("authorization", "")):
            raise Refused(401, "a token is needed, as bearer or as a password", headers=CHALLENGE)
        body = await read_body(request)
        if all(way.full for way in self._delivery.loops.values()):
            # Before it is parsed: what a flood costs must not keep the worker from taking what it was told already.
            raise self._not_now("alerts wait already, as many as there is room for")
        try:
            payload = read_payload(body)
        except Malformed as error:
            raise Refused(400, error.reason, error.pointer or "/") from None
        try:
            news = await self._deliver(payload)
        except MapekError as error:
            raise self._not_now(str(error)) from None
        return JSONResponse({"status": "ok", "alerts": len(payload.alerts), "new": news})

    def _not_now(self, why: str) -> Refused:
        """Return the answer that makes the sender come again; said in the log at most once a second."""
        self._refused += 1
        if time.monotonic() >= self._said_at + 1.0:
            log.warning("%d times alerts are not taken, now because %s", self._refused, clipped(redacted(why)))
            self._refused, self._said_at = 0, time.monotonic()
        return Refused(503, "the alerts cannot be handed over now", headers=COME_AGAIN)

    async def _deliver(self, payload: Payload) -> int:
        """Tell each loop of its alerts; return how many were news. Nothing is counted twice for a second attempt."""
        by_loop = self._sorted(payload.alerts)
        ignored = by_loop.pop(IGNORE, [])
        # What was left out might be for any loop that has alerts in here; without any, for the default one.
        concerned = list(by_loop) or ([self._delivery.default] if payload.left_out else [])
        news = {loop: self._seen[loop].news(by_loop[loop]) for loop in concerned}
        await asyncio.gather(
            *(
                self._delivery.loops[loop].hand(news[loop], payload.left_out)
                for loop in concerned
                if news[loop] or payload.left_out
            )
        )
        for loop, alerts in news.items():
            self._seen[loop].note(alerts)
        fresh = sum(map(len, news.values()))
        self._count(payload, len(ignored), fresh)
        return fresh

    def _sorted(self, alerts: tuple[Alert, ...]) -> defaultdict[str, list[Alert]]:
        by_loop: defaultdict[str, list[Alert]] = defaultdict(list)
        for alert in alerts:
            by_loop[routed(alert, self._delivery.routes, self._delivery.default)].append(alert)
        return by_loop

    def _count(self, payload: Payload, ignored: int, fresh: int) -> None:
        firing = sum(alert.firing for alert in payload.alerts)
        self._metrics.alerts_received.labels("firing").inc(firing)
        self._metrics.alerts_received.labels("resolved").inc(len(payload.alerts) - firing)
        self._metrics.alerts_deduplicated.inc(len(payload.alerts) - ignored - fresh)
        self._metrics.alerts_ignored.labels("route").inc(ignored)
        self._metrics.alerts_ignored.labels("truncated").inc(payload.left_out)


async def read_body(request: Request, most: int = MAX_BYTES, remedy: str = "; set max_alerts at the sender") -> bytes:
    """Return the body.

    Raises:
        Refused: it is longer than `most` bytes (2 MiB), or did not arrive within 3 s.
    """
    too_large = Refused(413, f"a body has at most {most} bytes{remedy}")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise too_large
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > most:
                    raise too_large
                chunks.append(chunk)
    except TimeoutError:
        raise Refused(
            408, f"the body did not arrive within {BODY_SECONDS:g} s", headers={"Connection": "close"}
        ) from None
    except ClientDisconnect:
        # Nobody hears it but a proxy between, and the sender, which gave up, has to come again.
        raise Refused(503, "the body ended early", headers=COME_AGAIN) from None
    return b"".join(chunks)

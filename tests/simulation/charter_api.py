"""Charter's API over the virtual plant, as an HTTP client sees it, with the ways it can misbehave.

The changes are decided by the simulator's own functions under its own idempotency keys; only the network between is
missing. What can happen to a change is named as the simulator's doors name it, and `refused`: no connection.
"""

import asyncio
import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import unquote

import httpx
from pydantic import TypeAdapter

from activities.clients.http import Http, _Raw
from activities.clients.request import Reply as Read
from activities.clients.request import Request
from deploy.simulator import changes
from deploy.simulator.changes import Decide, Order
from deploy.simulator.fault_injection import Mode
from deploy.simulator.idempotency import Keys, Reply, fingerprint
from deploy.simulator.problems import ProblemError
from deploy.simulator.records import Origin
from deploy.simulator.serializers import committee_view, policy_view, violation_view
from deploy.simulator.validation import policy
from tests.simulation.memory_store import Pass
from tests.simulation.plant import QuietPlant

T = TypeVar("T")

REFUSED = "refused"
DELIVERED_LATE = "delivered-late"
"""Charter gets the request, and so its key, long after the caller gave up."""
TROUBLES = (
    REFUSED,
    Mode.ERROR_500.value,
    Mode.UNAVAILABLE.value,
    Mode.GARBAGE.value,
    Mode.RATE_LIMIT.value,
    Mode.HANG.value,
    Mode.REPLY_LOST.value,
    Mode.HANG_THEN_EXECUTE.value,
    DELIVERED_LATE,
)
DECIDE: tuple[tuple[str, Decide], ...] = (
    (r"policies/apply", changes.apply_policy),
    (r"policies/(?P<policy_id>[^/]+)/rollback", changes.roll_back),
    (r"committee/scale", changes.scale),
    (r"committee/restart", changes.restart),
)
LATE = 2.5
"""Time-outs after which a request that nobody waits for is carried out."""
BASE = "http://charter/api/v1/"


class VirtualCharter(Http):
    """Takes the place of the HTTP client: one reply for each request, or none.

    `trouble` says what happens to a request for this path: empty, or one of `TROUBLES`. `refresh` brings the plant up
    to now. `effects` holds every change with the committee as it was before it.
    """

    def __init__(
        self, plant: QuietPlant, pass_point: Pass, trouble: Callable[[str], str], refresh: Callable[[], None]
    ) -> None:
        self.plant, self.pass_point, self.trouble, self.refresh = plant, pass_point, trouble, refresh
        self.keys = Keys()
        self.requests = 0
        self.effects: list[dict[str, Any]] = []
        self.cache: dict[str, _Raw] = {}

    async def read(self, request: Request, shape: TypeAdapter[T]) -> Read[T]:
        """Return the reply; the same text is taken apart once."""
        raw = await self._read(request)
        return Read(parsed(shape, raw.body), raw.headers)

    async def _exchange(self, request: Request) -> _Raw:
        path = request.url.removeprefix(BASE)
        self.requests += 1
        self.refresh()
        trouble = self.trouble(path)
        if request.method == "GET":
            if trouble:
                raise httpx.ConnectError("refused")
            return self._looked_up(path, request)
        if path == "policies/validate":
            return self._validated(request, trouble)
        return await self._change(path, request, trouble)

    def _looked_up(self, path: str, request: Request) -> _Raw:
        key = f"{path}?{sorted(request.params.items())}" if path == "policies" else path
        if key not in self.cache:
            self.cache[key] = _Raw(200, httpx.Headers(), json.dumps(self._view(path, request)).encode())
        return self.cache[key]

    def _view(self, path: str, request: Request) -> Any:
        if path == "committee/state":
            return committee_view(self.plant)
        if path == "violations":
            since = self.plant.now - 3600.0
            return [violation_view(found) for found in self.plant.watch.listing(since)]
        book, name = self.plant.policies, request.params.get("name")
        found = book.history() if request.params.get("status") == "all" else book.active()
        return [policy_view(one, book) for one in found if name in (None, one.spec.name)]

    def _validated(self, request: Request, trouble: str) -> _Raw:
        if trouble:
            raise httpx.ConnectError("refused")
        try:
            policy(_body(request), self.plant.components)
        except ProblemError as problem:
            return _problem(problem)
        return _Raw(200, httpx.Headers(), b"{}")

    async def _change(self, path: str, request: Request, trouble: str) -> _Raw:
        await self.pass_point("charter", "before_send")
        if trouble == REFUSED:
            raise httpx.ConnectError("refused")
        if trouble in (Mode.ERROR_500, Mode.UNAVAILABLE, Mode.RATE_LIMIT):
            status = {Mode.ERROR_500: 500, Mode.UNAVAILABLE: 503, Mode.RATE_LIMIT: 429}[Mode(trouble)]
            return _Raw(status, httpx.Headers({} if status == 500 else {"Retry-After": "1"}), b"{}")
        if trouble == Mode.GARBAGE:
            return _Raw(200, httpx.Headers(), b'{"policy_id": "pol')
        if trouble in (Mode.HANG, Mode.HANG_THEN_EXECUTE, DELIVERED_LATE):
            return await self._silent(path, request, trouble)
        raw = self._decided(path, request)
        await self.pass_point("charter", "after_send")
        if trouble == Mode.REPLY_LOST:
            raise httpx.ReadError("connection reset")
        await self.pass_point("charter", "after_reply")
        return raw

    async def _silent(self, path: str, request: Request, trouble: str) -> _Raw:
        begun = False
        if trouble == Mode.HANG_THEN_EXECUTE:
            # The request waits inside its key, so that a second one finds it in flight.
            key = request.headers.get("Idempotency-Key", "")
            try:
                begun = self.keys.begin(key, fingerprint(f"/api/v1/{path}", _body(request))) is None
            except ProblemError as problem:
                return _problem(problem)
        if trouble != Mode.HANG:
            asyncio.get_running_loop().call_later(LATE * request.timeout, self._decided, path, request, begun)
        await asyncio.sleep(request.timeout)
        raise httpx.ReadTimeout("no reply")

    def _decided(self, path: str, request: Request, begun: bool = False) -> _Raw:
        self.refresh()
        body = _body(request)
        key = request.headers.get("Idempotency-Key", "")
        matched = re.fullmatch(r'"([0-9]{1,15})"', request.headers.get("If-Match", ""))
        if not key or matched is None:
            return _Raw(400, httpx.Headers(), b'{"title": "Bad Request"}')
        decide, variables = _route(path)
        order = Order(Origin(key, request.headers.get("X-Plan-Hash")), int(matched[1]), body, variables)
        try:
            stored = None if begun else self.keys.begin(key, fingerprint(f"/api/v1/{path}", body))
            if stored is not None:
                return _raw(stored, replayed=True)
            reply = self._carried_out(decide, order)
            self.keys.store(key, reply)
            return _raw(reply)
        except ProblemError as problem:
            if problem.decided and key:
                self.keys.store(key, Reply(problem.status, problem.body, problem.headers))
            self.keys.release(key)
            return _problem(problem)

    def _carried_out(self, decide: Decide, order: Order) -> Reply:
        before = committee_view(self.plant)
        reply = decide(self.plant, order)
        entry = self.plant.ledger[-1]
        self.cache.clear()
        self.effects.append(
            {
                "at": entry.at,
                "key": entry.key,
                "kind": entry.kind.value,
                "effect": entry.effect.value,
                "body": order.body,
                "before": before,
            }
        )
        return reply


@lru_cache(maxsize=64)
def parsed(shape: TypeAdapter[T], body: bytes) -> T:
    """Return what the client takes out of the body of a reply."""
    return shape.validate_json(body, strict=True)


def _body(request: Request) -> dict[str, Any]:
    body = json.loads(request.content or b"{}")
    assert isinstance(body, dict)
    return body


def _route(path: str) -> tuple[Decide, dict[str, Any]]:
    for pattern, decide in DECIDE:
        matched = re.fullmatch(pattern, path)
        if matched:
            return decide, {name: unquote(value) for name, value in matched.groupdict().items()}
    raise ValueError(f"no route {path}")


def _raw(reply: Reply, *, replayed: bool = False) -> _Raw:
    headers = {**reply.headers, **({"Idempotency-Replayed": "true"} if replayed else {})}
    return _Raw(reply.status, httpx.Headers(headers), json.dumps(dict(reply.body)).encode())


def _problem(problem: ProblemError) -> _Raw:
    return _Raw(problem.status, httpx.Headers(problem.headers), json.dumps(problem.body).encode())

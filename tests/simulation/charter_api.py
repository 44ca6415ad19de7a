"""Charter's API over the virtual plant, as an HTTP client sees it, with its faults.

The simulator's own functions execute the changes, with its own idempotency keys; only the network is missing. The
faults of a change have the names of the simulator's control API, and `refused`: no connection.
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

from activities.clients.http import HttpClient, _RawResponse
from activities.clients.http_messages import Request
from activities.clients.http_messages import Response as Read
from deploy.simulator import changes
from deploy.simulator.api_faults import ApiFaultMode
from deploy.simulator.changes import ChangeHandler, ChangeRequest
from deploy.simulator.idempotency import IdempotencyStore, Reply, compute_fingerprint
from deploy.simulator.problems import ProblemError
from deploy.simulator.records import ChangeOrigin
from deploy.simulator.serializers import serialize_committee, serialize_policy, serialize_violation
from deploy.simulator.validation import parse_policy
from tests.simulation.memory_store import PassPoint
from tests.simulation.plant import SkippablePlant

T = TypeVar("T")

REFUSED = "refused"
DELIVERED_LATE = "delivered-late"
"""Charter gets the request and its key long after the client's timeout."""
CHARTER_FAULTS = (
    REFUSED,
    ApiFaultMode.ERROR_500.value,
    ApiFaultMode.UNAVAILABLE.value,
    ApiFaultMode.GARBAGE.value,
    ApiFaultMode.RATE_LIMIT.value,
    ApiFaultMode.HANG.value,
    ApiFaultMode.REPLY_LOST.value,
    ApiFaultMode.HANG_THEN_EXECUTE.value,
    DELIVERED_LATE,
)
CHANGE_HANDLERS: tuple[tuple[str, ChangeHandler], ...] = (
    (r"policies/apply", changes.apply_policy),
    (r"policies/(?P<policy_id>[^/]+)/rollback", changes.roll_back),
    (r"committee/scale", changes.scale),
    (r"committee/restart", changes.restart),
)
LATE_DELIVERY_SECONDS = 2.5
"""Client timeouts until a late request is executed."""
BASE_URL = "http://charter/api/v1/"


class VirtualCharter(HttpClient):
    """An HTTP client that answers each request itself, or does not answer.

    `draw_fault` returns the fault of a request for a path: empty, or one of `CHARTER_FAULTS`. `refresh` advances the
    plant to now. `effects` has every change with the committee before it.
    """

    def __init__(
        self,
        plant: SkippablePlant,
        pass_point: PassPoint,
        draw_fault: Callable[[str], str],
        refresh: Callable[[], None],
    ) -> None:
        self.plant, self.pass_point, self.draw_fault, self.refresh = plant, pass_point, draw_fault, refresh
        self.keys = IdempotencyStore()
        self.requests = 0
        self.effects: list[dict[str, Any]] = []
        self.cache: dict[str, _RawResponse] = {}

    async def read(self, request: Request, schema: TypeAdapter[T]) -> Read[T]:
        """Return the parsed reply. Equal bodies are parsed once."""
        raw = await self._read(request)
        return Read(parse_body(schema, raw.body), raw.headers)

    async def _exchange(self, request: Request) -> _RawResponse:
        path = request.url.removeprefix(BASE_URL)
        self.requests += 1
        self.refresh()
        fault = self.draw_fault(path)
        if request.method == "GET":
            if fault:
                raise httpx.ConnectError("refused")
            return self._handle_read(path, request)
        if path == "policies/validate":
            return self._handle_validate(request, fault)
        return await self._handle_change(path, request, fault)

    def _handle_read(self, path: str, request: Request) -> _RawResponse:
        key = f"{path}?{sorted(request.params.items())}" if path == "policies" else path
        if key not in self.cache:
            self.cache[key] = _RawResponse(200, httpx.Headers(), json.dumps(self._render_view(path, request)).encode())
        return self.cache[key]

    def _render_view(self, path: str, request: Request) -> Any:
        if path == "committee/state":
            return serialize_committee(self.plant)
        if path == "violations":
            since = self.plant.now - 3600.0
            return [
                serialize_violation(violation) for violation in self.plant.violation_detector.list_violations(since)
            ]
        book, name = self.plant.policies, request.params.get("name")
        policies = book.list_history() if request.params.get("status") == "all" else book.list_active()
        return [serialize_policy(policy, book) for policy in policies if name in (None, policy.spec.name)]

    def _handle_validate(self, request: Request, fault: str) -> _RawResponse:
        if fault:
            raise httpx.ConnectError("refused")
        try:
            parse_policy(_decode_body(request), self.plant.components)
        except ProblemError as problem:
            return _make_problem_reply(problem)
        return _RawResponse(200, httpx.Headers(), b"{}")

    async def _handle_change(self, path: str, request: Request, fault: str) -> _RawResponse:
        await self.pass_point("charter", "before_send")
        if fault == REFUSED:
            raise httpx.ConnectError("refused")
        if fault in (ApiFaultMode.ERROR_500, ApiFaultMode.UNAVAILABLE, ApiFaultMode.RATE_LIMIT):
            status = {ApiFaultMode.ERROR_500: 500, ApiFaultMode.UNAVAILABLE: 503, ApiFaultMode.RATE_LIMIT: 429}[
                ApiFaultMode(fault)
            ]
            return _RawResponse(status, httpx.Headers({} if status == 500 else {"Retry-After": "1"}), b"{}")
        if fault == ApiFaultMode.GARBAGE:
            return _RawResponse(200, httpx.Headers(), b'{"policy_id": "pol')
        if fault in (ApiFaultMode.HANG, ApiFaultMode.HANG_THEN_EXECUTE, DELIVERED_LATE):
            return await self._drop_reply(path, request, fault)
        raw = self._decide_change(path, request)
        await self.pass_point("charter", "after_send")
        if fault == ApiFaultMode.REPLY_LOST:
            raise httpx.ReadError("connection reset")
        await self.pass_point("charter", "after_reply")
        return raw

    async def _drop_reply(self, path: str, request: Request, fault: str) -> _RawResponse:
        is_started = False
        if fault == ApiFaultMode.HANG_THEN_EXECUTE:
            # The request waits after it took its key, so a second request finds the key in flight.
            key = request.headers.get("Idempotency-Key", "")
            try:
                is_started = self.keys.begin(key, compute_fingerprint(f"/api/v1/{path}", _decode_body(request))) is None
            except ProblemError as problem:
                return _make_problem_reply(problem)
        if fault != ApiFaultMode.HANG:
            asyncio.get_running_loop().call_later(
                LATE_DELIVERY_SECONDS * request.timeout, self._decide_change, path, request, is_started
            )
        await asyncio.sleep(request.timeout)
        raise httpx.ReadTimeout("no reply")

    def _decide_change(self, path: str, request: Request, is_started: bool = False) -> _RawResponse:
        self.refresh()
        body = _decode_body(request)
        key = request.headers.get("Idempotency-Key", "")
        matched = re.fullmatch(r'"([0-9]{1,15})"', request.headers.get("If-Match", ""))
        if not key or matched is None:
            return _RawResponse(400, httpx.Headers(), b'{"title": "Bad Request"}')
        decide, variables = _match_route(path)
        order = ChangeRequest(ChangeOrigin(key, request.headers.get("X-Plan-Hash")), int(matched[1]), body, variables)
        try:
            stored = None if is_started else self.keys.begin(key, compute_fingerprint(f"/api/v1/{path}", body))
            if stored is not None:
                return _make_raw_reply(stored, replayed=True)
            reply = self._execute_change(decide, order)
            self.keys.store_reply(key, reply)
            return _make_raw_reply(reply)
        except ProblemError as problem:
            if problem.is_final and key:
                self.keys.store_reply(key, Reply(problem.status, problem.body, problem.headers))
            self.keys.release(key)
            return _make_problem_reply(problem)

    def _execute_change(self, decide: ChangeHandler, order: ChangeRequest) -> Reply:
        before = serialize_committee(self.plant)
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
def parse_body(schema: TypeAdapter[T], body: bytes) -> T:
    """Return the parsed body of a reply."""
    return schema.validate_json(body, strict=True)


def _decode_body(request: Request) -> dict[str, Any]:
    body = json.loads(request.content or b"{}")
    assert isinstance(body, dict)
    return body


def _match_route(path: str) -> tuple[ChangeHandler, dict[str, Any]]:
    for pattern, decide in CHANGE_HANDLERS:
        matched = re.fullmatch(pattern, path)
        if matched:
            return decide, {name: unquote(value) for name, value in matched.groupdict().items()}
    raise ValueError(f"no route {path}")


def _make_raw_reply(reply: Reply, *, replayed: bool = False) -> _RawResponse:
    headers = {**reply.headers, **({"Idempotency-Replayed": "true"} if replayed else {})}
    return _RawResponse(reply.status, httpx.Headers(headers), json.dumps(dict(reply.body)).encode())


def _make_problem_reply(problem: ProblemError) -> _RawResponse:
    return _RawResponse(problem.status, httpx.Headers(problem.headers), json.dumps(problem.body).encode())

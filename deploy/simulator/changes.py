"""The four changes: what every one of them must carry, and how each is decided.

Order of checks: token, body, key, fence, meaning. The key comes before the fence, so a retry of a change that was
made gets its stored reply although the generation has moved on.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.simulator.fault_injection import PAUSE
from deploy.simulator.idempotency import Reply, fingerprint
from deploy.simulator.plant import Plant
from deploy.simulator.policies import NotNewestError
from deploy.simulator.problems import MEDIA_TYPE, ProblemError, invalid, malformed, not_newest, stale, unknown
from deploy.simulator.records import Origin
from deploy.simulator.serializers import committee_view, restart_view, spec_view
from deploy.simulator.simulator import Simulator, Witness
from deploy.simulator.topology import COMMITTEE
from deploy.simulator.validation import applicable, envelope, policy, restart_body, scale_body

MAX_BODY: Final = 65_536
"""Bytes a body may have."""
MAX_KEY: Final = 255


@dataclass(frozen=True)
class Order:
    """A change as asked for: who, on which generation of the knob, with which body and path parameters."""

    origin: Origin
    expected: int
    body: dict[str, Any]
    path: dict[str, Any]

    def fence(self, knob: str, generation: int) -> None:
        """Refuse with 412 if the knob moved since the caller looked."""
        if generation != self.expected:
            raise stale(knob, generation)


Decide = Callable[[Plant, Order], Reply]


async def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object in the body; an empty body is an empty object.

    Raises:
        ProblemError: 400, too large or not a JSON object.
    """
    raw = bytearray()
    async for part in request.stream():
        raw += part
        if len(raw) > MAX_BODY:
            raise malformed(f"The body is larger than {MAX_BODY} bytes.")
    try:
        body = json.loads(raw or b"{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise malformed("The body is not JSON.") from error
    if not isinstance(body, dict):
        raise malformed("The body must be a JSON object.")
    return body


async def change(request: Request, simulator: Simulator, decide: Decide) -> Response:
    """Carry out one change under its idempotency key."""
    body = await read_object(request)
    order = _order(request, body)
    key = order.origin.key or ""
    stored = simulator.keys.begin(key, fingerprint(request.url.path, body))
    if stored is not None:
        return _response(stored, replayed=True)
    try:
        if PAUSE in request.scope:
            await request.scope[PAUSE]
        reply = witnessed(simulator, decide, order)
    except ProblemError as problem:
        if not problem.decided:
            raise
        reply = Reply(problem.status, problem.body, problem.headers, MEDIA_TYPE)
        simulator.keys.store(key, reply)
    else:
        simulator.keys.store(key, reply)
    finally:
        simulator.keys.release(key)
    return _response(reply)


def witnessed(simulator: Simulator, decide: Decide, order: Order) -> Reply:
    """Decide, and keep the committee as it was if there was an effect."""
    plant = simulator.plant()
    before, effects = committee_view(plant), len(plant.ledger)
    reply = decide(plant, order)
    simulator.witnesses += (Witness(effect, order.body, before) for effect in plant.ledger[effects:])
    return reply


def apply_policy(plant: Plant, order: Order) -> Reply:
    """POST /api/v1/policies/apply."""
    raw = envelope(order.body)
    name = raw.get("name")
    if isinstance(name, str):
        knob = plant.committee if name == COMMITTEE else plant.policies.knob(name)
        order.fence(name, knob.generation)
    spec = applicable(policy(raw, plant.components, "/policy"))
    before = plant.policies.knob(spec.name).active
    application = plant.apply(spec, order.origin)
    generation = plant.policies.knob(spec.name).generation
    previous = spec_view(before.spec if before else None)
    return _changed(201, spec.name, generation, previous, policy_id=application.policy_id)


def roll_back(plant: Plant, order: Order) -> Reply:
    """POST /api/v1/policies/{id}/rollback."""
    application = plant.policies.find(order.path["policy_id"])
    if application is None:
        raise unknown(f"No policy has the id {order.path['policy_id']!r}.")
    name = application.spec.name
    before = plant.policies.knob(name)
    order.fence(name, before.generation)
    if order.body:
        raise invalid([{"pointer": "", "detail": "a rollback takes no body"}])
    previous = spec_view(before.active.spec if before.active else None)
    try:
        undone = plant.undo(application, order.origin)
    except NotNewestError as error:
        raise not_newest(f"{application.policy_id} is not the newest on {name}.") from error
    generation = plant.policies.knob(name).generation
    return _changed(200, name, generation, previous, policy_id=application.policy_id, changed=undone)


def scale(plant: Plant, order: Order) -> Reply:
    """POST /api/v1/committee/scale."""
    order.fence(COMMITTEE, plant.committee.generation)
    size = plant.scale(scale_body(order.body).replicas, order.origin)
    return _changed(200, COMMITTEE, plant.committee.generation, {"replicas": size})


def restart(plant: Plant, order: Order) -> Reply:
    """POST /api/v1/committee/restart."""
    order.fence(COMMITTEE, plant.committee.generation)
    body = restart_body(order.body)
    if body.member is not None and body.member not in plant.components:
        raise unknown(f"No member or service has the name {body.member!r}.")
    previous = plant.restart(body.member, body.graceful, order.origin)
    return _changed(200, COMMITTEE, plant.committee.generation, restart_view(previous))


def _order(request: Request, body: dict[str, Any]) -> Order:
    key = request.headers.get("idempotency-key", "")
    if not 0 < len(key) <= MAX_KEY or not key.isprintable():
        raise malformed(f"The header Idempotency-Key is required, 1 to {MAX_KEY} printable characters.")
    expected = re.fullmatch(r'"([0-9]{1,15})"', request.headers.get("if-match", ""))
    if expected is None:
        raise malformed('The header If-Match is required: the generation of the knob in quotes, "0" for a new policy.')
    origin = Origin(key, request.headers.get("x-plan-hash"))
    return Order(origin, int(expected[1]), body, dict(request.path_params))


def _changed(status: int, knob: str, generation: int, previous: dict[str, Any] | None, **more: Any) -> Reply:
    body = {"knob": knob, "generation": generation, "previous": previous, "changed": True, **more}
    return Reply(status, body, {"ETag": f'"{generation}"'})


def _response(reply: Reply, *, replayed: bool = False) -> Response:
    headers = {**reply.headers, **({"Idempotency-Replayed": "true"} if replayed else {})}
    return JSONResponse(dict(reply.body), reply.status, headers, reply.media_type)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")

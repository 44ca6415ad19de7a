"""The four changes: the required headers, and how each change is decided.

The order of checks is token, body, idempotency key, generation, meaning. The key comes before the generation: a retry
of an executed change gets its stored reply although the generation has changed.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.simulator.api_faults import PAUSE_SCOPE_KEY
from deploy.simulator.idempotency import Reply, compute_fingerprint
from deploy.simulator.plant import Plant
from deploy.simulator.policies import NotNewestError
from deploy.simulator.problems import (
    PROBLEM_MEDIA_TYPE,
    ProblemError,
    bad_request,
    generation_mismatch,
    newer_change_exists,
    not_found,
    validation_failed,
)
from deploy.simulator.records import ChangeOrigin
from deploy.simulator.serializers import serialize_committee, serialize_restart, serialize_spec
from deploy.simulator.simulator import EffectContext, Simulator
from deploy.simulator.topology import COMMITTEE
from deploy.simulator.validation import (
    parse_envelope,
    parse_policy,
    parse_restart_body,
    parse_scale_body,
    require_applicable,
)

MAX_BODY_BYTES: Final = 65_536
"""Maximum size of a body."""
MAX_KEY_LENGTH: Final = 255


@dataclass(frozen=True)
class ChangeRequest:
    """A requested change: origin, expected generation of the knob, body and path parameters."""

    origin: ChangeOrigin
    expected_generation: int
    body: dict[str, Any]
    path_params: dict[str, Any]

    def require_generation(self, knob: str, generation: int) -> None:
        """Raise 412 if the knob has another generation than the caller expects."""
        if generation != self.expected_generation:
            raise generation_mismatch(knob, generation)


ChangeHandler = Callable[[Plant, ChangeRequest], Reply]


async def read_json_object(request: Request) -> dict[str, Any]:
    """Return the JSON object in the body; an empty body is an empty object.

    Raises:
        ProblemError: 400 if the body is too large or not a JSON object.
    """
    raw = bytearray()
    async for part in request.stream():
        raw += part
        if len(raw) > MAX_BODY_BYTES:
            raise bad_request(f"The body is larger than {MAX_BODY_BYTES} bytes.")
    try:
        body = json.loads(raw or b"{}", parse_constant=_reject_constant)
    except (ValueError, RecursionError) as error:
        raise bad_request("The body is not JSON.") from error
    if not isinstance(body, dict):
        raise bad_request("The body must be a JSON object.")
    return body


async def handle_change(request: Request, simulator: Simulator, apply_change: ChangeHandler) -> Response:
    """Execute one change under its idempotency key."""
    body = await read_json_object(request)
    change_request = _parse_change_request(request, body)
    key = change_request.origin.key or ""
    stored = simulator.idempotency_store.begin(key, compute_fingerprint(request.url.path, body))
    if stored is not None:
        return _build_response(stored, replayed=True)
    try:
        if PAUSE_SCOPE_KEY in request.scope:
            await request.scope[PAUSE_SCOPE_KEY]
        reply = apply_and_record(simulator, apply_change, change_request)
    except ProblemError as problem:
        if not problem.is_final:
            raise
        reply = Reply(problem.status, problem.body, problem.headers, PROBLEM_MEDIA_TYPE)
        simulator.idempotency_store.store_reply(key, reply)
    else:
        simulator.idempotency_store.store_reply(key, reply)
    finally:
        simulator.idempotency_store.release(key)
    return _build_response(reply)


def apply_and_record(simulator: Simulator, apply_change: ChangeHandler, change_request: ChangeRequest) -> Reply:
    """Execute a change and record the committee before each effect."""
    plant = simulator.advance_plant()
    before, effects = serialize_committee(plant), len(plant.ledger)
    reply = apply_change(plant, change_request)
    simulator.effect_contexts += (
        EffectContext(effect, change_request.body, before) for effect in plant.ledger[effects:]
    )
    return reply


def apply_policy(plant: Plant, change_request: ChangeRequest) -> Reply:
    """Handle POST /api/v1/policies/apply."""
    raw = parse_envelope(change_request.body)
    name = raw.get("name")
    if isinstance(name, str):
        knob = plant.committee if name == COMMITTEE else plant.policies.knob(name)
        change_request.require_generation(name, knob.generation)
    spec = require_applicable(parse_policy(raw, plant.components, "/policy"))
    before = plant.policies.knob(spec.name).active
    application = plant.apply_policy(spec, change_request.origin)
    generation = plant.policies.knob(spec.name).generation
    previous = serialize_spec(before.spec if before else None)
    return _build_reply(201, spec.name, generation, previous, policy_id=application.policy_id)


def roll_back(plant: Plant, change_request: ChangeRequest) -> Reply:
    """Handle POST /api/v1/policies/{id}/rollback."""
    application = plant.policies.find(change_request.path_params["policy_id"])
    if application is None:
        raise not_found(f"No policy has the id {change_request.path_params['policy_id']!r}.")
    name = application.spec.name
    before = plant.policies.knob(name)
    change_request.require_generation(name, before.generation)
    if change_request.body:
        raise validation_failed([{"pointer": "", "detail": "a rollback takes no body"}])
    previous = serialize_spec(before.active.spec if before.active else None)
    try:
        undone = plant.undo_policy(application, change_request.origin)
    except NotNewestError as error:
        raise newer_change_exists(f"{application.policy_id} is not the newest on {name}.") from error
    generation = plant.policies.knob(name).generation
    return _build_reply(200, name, generation, previous, policy_id=application.policy_id, changed=undone)


def scale(plant: Plant, change_request: ChangeRequest) -> Reply:
    """Handle POST /api/v1/committee/scale."""
    change_request.require_generation(COMMITTEE, plant.committee.generation)
    size = plant.scale(parse_scale_body(change_request.body).replicas, change_request.origin)
    return _build_reply(200, COMMITTEE, plant.committee.generation, {"replicas": size})


def restart(plant: Plant, change_request: ChangeRequest) -> Reply:
    """Handle POST /api/v1/committee/restart."""
    change_request.require_generation(COMMITTEE, plant.committee.generation)
    body = parse_restart_body(change_request.body)
    if body.member is not None and body.member not in plant.components:
        raise not_found(f"No member or service has the name {body.member!r}.")
    previous = plant.restart(body.member, body.graceful, change_request.origin)
    return _build_reply(200, COMMITTEE, plant.committee.generation, serialize_restart(previous))


def _parse_change_request(request: Request, body: dict[str, Any]) -> ChangeRequest:
    key = request.headers.get("idempotency-key", "")
    if not 0 < len(key) <= MAX_KEY_LENGTH or not key.isprintable():
        raise bad_request(f"The header Idempotency-Key is required, 1 to {MAX_KEY_LENGTH} printable characters.")
    expected = re.fullmatch(r'"([0-9]{1,15})"', request.headers.get("if-match", ""))
    if expected is None:
        raise bad_request(
            'The header If-Match is required: the generation of the knob in quotes, "0" for a new policy.'
        )
    origin = ChangeOrigin(key, request.headers.get("x-plan-hash"))
    return ChangeRequest(origin, int(expected[1]), body, dict(request.path_params))


def _build_reply(status: int, knob: str, generation: int, previous: dict[str, Any] | None, **extra: Any) -> Reply:
    body = {"knob": knob, "generation": generation, "previous": previous, "changed": True, **extra}
    return Reply(status, body, {"ETag": f'"{generation}"'})


def _build_response(reply: Reply, *, replayed: bool = False) -> Response:
    headers = {**reply.headers, **({"Idempotency-Replayed": "true"} if replayed else {})}
    return JSONResponse(dict(reply.body), reply.status, headers, reply.media_type)


def _reject_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")

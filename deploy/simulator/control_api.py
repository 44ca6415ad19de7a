"""The control API of the simulator under /sim: without token, on loopback only, not part of the contract.

`POST /sim/behaviour` `{"mode", "route"?, "count"?, "seconds"?, "delay"?}` injects faults into the API: for paths that
start with `route` (default /api/v1), for the next `count` requests or for `seconds`, otherwise until changed. Modes:

* `normal`
* `hang`: wait `delay` seconds (default 30), then 503; not executed
* `error-500`; `unavailable` (503); `rate-limit` (429); not executed
* `garbage`: 200 with half a JSON text; not executed
* `slow`: wait 0.5 s
* `reply-lost`: execute, send half of the reply and close the connection
* `hang-then-execute`: wait `delay` seconds with the key in flight, then execute, even if the caller has disconnected

`DELETE /sim/keys` deletes all answered idempotency keys. `GET /sim/committee` returns for each effect of a client's
change its body and the committee just before it.
"""

import time
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.simulator.api_faults import (
    API_PREFIX,
    DEFAULT_HANG_SECONDS,
    ApiFaultInjection,
    ApiFaultMode,
    ApiFaultRule,
)
from deploy.simulator.changes import read_json_object
from deploy.simulator.faults import FaultKind
from deploy.simulator.problems import validation_failed
from deploy.simulator.serializers import serialize_state
from deploy.simulator.simulator import Simulator
from deploy.simulator.validation import format_errors

Body = TypeVar("Body", bound=BaseModel)
PositiveSeconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _FaultBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    component: str
    for_seconds: PositiveSeconds | None = None


class _ApiFaultBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mode: ApiFaultMode
    route: str = API_PREFIX
    count: Annotated[int, Field(ge=1)] | None = None
    seconds: PositiveSeconds | None = None
    delay: PositiveSeconds = DEFAULT_HANG_SECONDS


class ControlApi:
    """Handlers that read the true state, inject faults into the plant and into the API."""

    def __init__(self, simulator: Simulator, api_faults: ApiFaultInjection) -> None:
        self._simulator = simulator
        self._api_faults = api_faults

    def build_routes(self) -> list[Route]:
        """Return the routes below /sim."""
        return [
            Route("/sim/state", self.get_state, methods=["GET"]),
            Route("/sim/faults", self.add_fault, methods=["POST"]),
            Route("/sim/faults", self.clear_faults, methods=["DELETE"]),
            Route("/sim/ledger", self.get_ledger, methods=["GET"]),
            Route("/sim/committee", self.get_effect_contexts, methods=["GET"]),
            Route("/sim/behaviour", self.set_api_fault, methods=["POST"]),
            Route("/sim/keys", self.clear_keys, methods=["DELETE"]),
        ]

    async def get_state(self, _request: Request) -> Response:
        """Return time, fault kinds, components, faults, committee and active policies."""
        return JSONResponse({"kinds": list(FaultKind), **serialize_state(self._simulator.advance_plant())})

    async def add_fault(self, request: Request) -> Response:
        """Inject a fault; 422 for an unknown kind or component."""
        body = _parse_body(_FaultBody, await read_json_object(request))
        plant = self._simulator.advance_plant()
        if body.component not in plant.components:
            raise validation_failed([{"pointer": "/component", "detail": f"known are {', '.join(plant.components)}"}])
        fault = plant.inject_fault(body.kind, body.component, body.for_seconds)
        return JSONResponse({"kind": fault.kind, "component": fault.component, "until": fault.until}, 201)

    async def clear_faults(self, _request: Request) -> Response:
        """Clear all faults."""
        self._simulator.advance_plant().clear_faults()
        return Response(status_code=204)

    async def get_ledger(self, _request: Request) -> Response:
        """Return every effect of clients' changes, oldest first; `at` in unix seconds."""
        return JSONResponse([asdict(entry) for entry in self._simulator.advance_plant().ledger])

    async def get_effect_contexts(self, _request: Request) -> Response:
        """Return the committee just before each effect: {at, key, kind, effect, body, before}."""
        rows = (
            {
                "at": context.ledger_entry.at,
                "key": context.ledger_entry.key,
                "kind": context.ledger_entry.kind,
                "effect": context.ledger_entry.effect,
                "body": context.request_body,
                "before": context.committee_before,
            }
            for context in self._simulator.effect_contexts
        )
        return JSONResponse(list(rows))

    async def clear_keys(self, _request: Request) -> Response:
        """Delete the idempotency keys of all answered changes."""
        self._simulator.idempotency_store.clear_answered()
        return Response(status_code=204)

    async def set_api_fault(self, request: Request) -> Response:
        """Set the fault of the next API requests."""
        body = _parse_body(_ApiFaultBody, await read_json_object(request))
        expires_at = None if body.seconds is None else time.monotonic() + body.seconds
        self._api_faults.rule = ApiFaultRule(body.mode, body.route, body.count, expires_at, body.delay)
        return JSONResponse({"mode": body.mode}, 201)


def _parse_body(model: type[Body], raw: dict[str, Any]) -> Body:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise validation_failed(format_errors(error)) from error

"""The simulator's own doors under /sim: no token, never on a network, not part of the contract.

`POST /sim/behaviour` `{"mode", "route"?, "count"?, "seconds"?, "delay"?}` makes the API misbehave: for paths that
start with `route` (default all of /api/v1), for the next `count` requests or for `seconds`, else until changed.
Modes: `normal`; `hang` (waits `delay` seconds, 30 by default, then 503; nothing executed); `error-500`;
`unavailable` (503); `garbage` (200 with half a JSON text; nothing executed); `rate-limit` (429); `slow` (0.5 s);
`reply-lost` (executes, sends half the reply and closes the connection); `hang-then-execute` (waits `delay` seconds
with the key in flight, then executes, even if the caller has gone).

`DELETE /sim/keys` makes it forget the idempotency keys it has answered. `GET /sim/committee` gives for each effect of a
client's change the body that asked for it, and the committee just before it.
"""

import time
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.simulator.changes import read_object
from deploy.simulator.fault_injection import API, DELAY_S, Behaviour, Misbehaviour, Mode
from deploy.simulator.faults import FaultKind
from deploy.simulator.problems import invalid
from deploy.simulator.serializers import state_view
from deploy.simulator.simulator import Simulator
from deploy.simulator.validation import pointed

Body = TypeVar("Body", bound=BaseModel)
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _FaultBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    component: str
    for_seconds: Positive | None = None


class _BehaviourBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mode: Mode
    route: str = API
    count: Annotated[int, Field(ge=1)] | None = None
    seconds: Positive | None = None
    delay: Positive = DELAY_S


class Doors:
    """Look at the ground truth, switch faults, make the API misbehave."""

    def __init__(self, simulator: Simulator, misbehaviour: Misbehaviour) -> None:
        self._simulator = simulator
        self._misbehaviour = misbehaviour

    def routes(self) -> list[Route]:
        """Routes of all doors."""
        return [
            Route("/sim/state", self.state, methods=["GET"]),
            Route("/sim/faults", self.add_fault, methods=["POST"]),
            Route("/sim/faults", self.clear_faults, methods=["DELETE"]),
            Route("/sim/ledger", self.ledger, methods=["GET"]),
            Route("/sim/committee", self.committee, methods=["GET"]),
            Route("/sim/behaviour", self.behave, methods=["POST"]),
            Route("/sim/keys", self.forget_keys, methods=["DELETE"]),
        ]

    async def state(self, _request: Request) -> Response:
        """Return time, fault kinds, components, faults, committee and active policies."""
        return JSONResponse({"kinds": list(FaultKind), **state_view(self._simulator.plant())})

    async def add_fault(self, request: Request) -> Response:
        """Switch a fault on; 422 for an unknown kind or component."""
        body = _parsed(_FaultBody, await read_object(request))
        plant = self._simulator.plant()
        if body.component not in plant.components:
            raise invalid([{"pointer": "/component", "detail": f"known are {', '.join(plant.components)}"}])
        fault = plant.inject(body.kind, body.component, body.for_seconds)
        return JSONResponse({"kind": fault.kind, "component": fault.component, "until": fault.until}, 201)

    async def clear_faults(self, _request: Request) -> Response:
        """End all faults."""
        self._simulator.plant().heal()
        return Response(status_code=204)

    async def ledger(self, _request: Request) -> Response:
        """Return every effect a client's change had, oldest first; `at` in unix seconds."""
        return JSONResponse([asdict(entry) for entry in self._simulator.plant().ledger])

    async def committee(self, _request: Request) -> Response:
        """Return the committee as it was just before each effect: {at, key, kind, effect, body, before}."""
        rows = (
            {
                "at": seen.effect.at,
                "key": seen.effect.key,
                "kind": seen.effect.kind,
                "effect": seen.effect.effect,
                "body": seen.body,
                "before": seen.before,
            }
            for seen in self._simulator.witnesses
        )
        return JSONResponse(list(rows))

    async def forget_keys(self, _request: Request) -> Response:
        """Forget the idempotency keys of all changes that were answered."""
        self._simulator.keys.forget()
        return Response(status_code=204)

    async def behave(self, request: Request) -> Response:
        """Set how the API treats the next requests."""
        body = _parsed(_BehaviourBody, await read_object(request))
        ends = None if body.seconds is None else time.monotonic() + body.seconds
        self._misbehaviour.behaviour = Behaviour(body.mode, body.route, body.count, ends, body.delay)
        return JSONResponse({"mode": body.mode}, 201)


def _parsed(model: type[Body], raw: dict[str, Any]) -> Body:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise invalid(pointed(error)) from error

"""The remediations that began, as statements inside a transaction of the guards."""

from sqlalchemy import Connection, bindparam, select

from activities.clients.store.engine import upsert
from activities.clients.store.schema import effects, remediations
from activities.model.effect import Direction, Effect
from activities.model.history import LOOK_BACK, PastRemediation
from activities.model.outcome import Outcome

_LATELY = (
    select(remediations.c.body)
    .where(remediations.c.charter == bindparam("charter"), remediations.c.began > bindparam("since"))
    .order_by(remediations.c.began, remediations.c.plan_id)
)


def lately(connection: Connection, charter: str, now: float) -> tuple[PastRemediation, ...]:
    """Return the remediations of a Charter that began within the last day before `now`, the oldest first."""
    bodies = connection.scalars(_LATELY, {"charter": charter, "since": now - LOOK_BACK})
    return tuple(PastRemediation.model_validate_json(body) for body in bodies)


def begin(connection: Connection, charter: str, past: PastRemediation) -> None:
    """Note that a remediation is about to change Charter. One that runs keeps its beginning."""
    known = _find(connection, past.plan_id)
    if known is None or known.ended is not None:
        _write(connection, charter, past)


def end(connection: Connection, outcome: Outcome) -> None:
    """Note how the remediation of a plan ended; one that never began stays unmentioned."""
    known = _find(connection, outcome.plan_id)
    if known is None:
        return
    bodies = connection.scalars(select(effects.c.body).where(effects.c.plan_id == outcome.plan_id))
    left = [e for e in map(Effect.model_validate_json, bodies) if e.direction is not Direction.BEFORE]
    ended = {
        "ended": outcome.at,
        "ending": outcome.ending,
        "applied": bool(left),
        "undone": any(effect.direction is Direction.UNDO for effect in left),
        "generation": max((effect.generation for effect in left), default=None),
    }
    _write(connection, outcome.charter, known.model_copy(update=ended))


def _find(connection: Connection, plan_id: str) -> PastRemediation | None:
    body = connection.scalar(select(remediations.c.body).where(remediations.c.plan_id == plan_id))
    return None if body is None else PastRemediation.model_validate_json(body)


def _write(connection: Connection, charter: str, past: PastRemediation) -> None:
    values = {"charter": charter, "began": past.began, "body": past.model_dump_json()}
    upsert(connection, remediations, {"plan_id": past.plan_id}, values)

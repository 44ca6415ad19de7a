"""The remediations that began, as statements inside a transaction of the guards."""

from sqlalchemy import Connection, bindparam, select

from activities.clients.store.engine import upsert
from activities.clients.store.schema import effects, remediations
from activities.model.effect import Direction, Effect
from activities.model.history import HISTORY_WINDOW_SECONDS, RemediationRecord
from activities.model.outcome import Outcome

_SELECT_RECENT = (
    select(remediations.c.body)
    .where(remediations.c.charter == bindparam("charter"), remediations.c.started_at > bindparam("since"))
    .order_by(remediations.c.started_at, remediations.c.plan_id)
)


def load_recent(connection: Connection, charter: str, now: float) -> tuple[RemediationRecord, ...]:
    """Return the remediations of a Charter that began within the last day before `now`, the oldest first."""
    bodies = connection.scalars(_SELECT_RECENT, {"charter": charter, "since": now - HISTORY_WINDOW_SECONDS})
    return tuple(RemediationRecord.model_validate_json(body) for body in bodies)


def begin(connection: Connection, charter: str, remediation: RemediationRecord) -> None:
    """Note that a remediation is about to change Charter. One that runs keeps its beginning."""
    known = _find(connection, remediation.plan_id)
    if known is None or known.ended_at is not None:
        _write(connection, charter, remediation)


def end(connection: Connection, outcome: Outcome) -> None:
    """Note how the remediation of a plan ended; one that never began stays unmentioned."""
    known = _find(connection, outcome.plan_id)
    if known is None:
        return
    bodies = connection.scalars(select(effects.c.body).where(effects.c.plan_id == outcome.plan_id))
    left = [e for e in map(Effect.model_validate_json, bodies) if e.direction is not Direction.BEFORE]
    ended = {
        "ended_at": outcome.at,
        "outcome": outcome.outcome,
        "applied": bool(left),
        "rolled_back": any(effect.direction is Direction.UNDO for effect in left),
        "generation": max((effect.generation for effect in left), default=None),
    }
    _write(connection, outcome.charter, known.model_copy(update=ended))


def _find(connection: Connection, plan_id: str) -> RemediationRecord | None:
    body = connection.scalar(select(remediations.c.body).where(remediations.c.plan_id == plan_id))
    return None if body is None else RemediationRecord.model_validate_json(body)


def _write(connection: Connection, charter: str, remediation: RemediationRecord) -> None:
    values = {"charter": charter, "started_at": remediation.started_at, "body": remediation.model_dump_json()}
    upsert(connection, remediations, {"plan_id": remediation.plan_id}, values)

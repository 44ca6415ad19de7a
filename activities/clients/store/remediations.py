"""The remediations that started: statements inside a transaction of the guard store."""

from sqlalchemy import Connection, bindparam, select

from activities.clients.store.engine import upsert
from activities.clients.store.plans import load_effects
from activities.clients.store.schema import remediations
from activities.model.effect import Direction
from activities.model.history import HISTORY_WINDOW_SECONDS, RemediationRecord
from activities.model.outcome import Outcome

_SELECT_RECENT = (
    select(remediations.c.body)
    .where(remediations.c.charter == bindparam("charter"), remediations.c.started_at > bindparam("since"))
    .order_by(remediations.c.started_at, remediations.c.plan_id)
)


def load_recent(connection: Connection, charter: str, now: float) -> tuple[RemediationRecord, ...]:
    """Return the remediations of a Charter that started within the last day before `now`, the oldest first."""
    bodies = connection.scalars(_SELECT_RECENT, {"charter": charter, "since": now - HISTORY_WINDOW_SECONDS})
    return tuple(RemediationRecord.model_validate_json(body) for body in bodies)


def begin(connection: Connection, charter: str, remediation: RemediationRecord) -> None:
    """Record that a remediation is about to change Charter. A running one keeps its start."""
    record = _find(connection, remediation.plan_id)
    if record is None or record.ended_at is not None:
        _write(connection, charter, remediation)


def end(connection: Connection, outcome: Outcome) -> None:
    """Record the end of a plan's remediation, if it started."""
    record = _find(connection, outcome.plan_id)
    if record is None:
        return
    changes = [e for e in load_effects(connection, outcome.plan_id) if e.direction is not Direction.BEFORE]
    end_fields = {
        "ended_at": outcome.at,
        "outcome": outcome.outcome,
        "applied": bool(changes),
        "rolled_back": any(effect.direction is Direction.UNDO for effect in changes),
        "generation": max((effect.generation for effect in changes), default=None),
    }
    _write(connection, outcome.charter, record.model_copy(update=end_fields))


def _find(connection: Connection, plan_id: str) -> RemediationRecord | None:
    body = connection.scalar(select(remediations.c.body).where(remediations.c.plan_id == plan_id))
    return None if body is None else RemediationRecord.model_validate_json(body)


def _write(connection: Connection, charter: str, remediation: RemediationRecord) -> None:
    values = {"charter": charter, "started_at": remediation.started_at, "body": remediation.model_dump_json()}
    upsert(connection, remediations, {"plan_id": remediation.plan_id}, values)

"""Outcomes: one for each remediation, kept exactly once."""

from sqlalchemy import Connection, delete, insert, select, update

from activities.clients.store import audit as audit_rows
from activities.clients.store.engine import Database
from activities.clients.store.schema import outcome_actions, outcomes
from activities.model.action import ActionType
from activities.model.audit import AuditEntry
from activities.model.diagnosis import Cause
from activities.model.errors import Superseded
from activities.model.experience import Experience, ScoredOutcome, aggregate
from activities.model.outcome import Outcome


class OutcomeStore:
    """The outcomes of all loops. Every call raises StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_experience(self, loop: str) -> Experience:
        """Return the sums of the remembered outcomes with a value, by action and cause.

        The outcome of a plan counts once for each type among its actions.
        """
        return await self._database.read(lambda connection: _load_experience(connection, loop))

    async def load_recent(self, loop: str, limit: int = 20) -> tuple[Outcome, ...]:
        """Return at most `limit` remembered outcomes, the newest first."""
        query = (
            select(outcomes.c.body)
            .where(outcomes.c.loop == loop, outcomes.c.remembered.is_(True))
            .order_by(outcomes.c.at.desc(), outcomes.c.plan_id.desc())
            .limit(limit)
        )
        bodies = await self._database.read(lambda connection: connection.scalars(query).all())
        return tuple(Outcome.model_validate_json(body) for body in bodies)

    async def load_for_plan(self, plan_id: str) -> Outcome | None:
        """Return the outcome of the plan, also a forgotten one; None before the end."""
        return await self._database.read(lambda connection: find(connection, plan_id))

    async def load_due_rechecks(self, loop: str, now: float, limit: int = 20) -> tuple[Outcome, ...]:
        """Return at most `limit` outcomes with a recheck due at `now` (unix seconds), the most overdue first."""
        query = (
            select(outcomes.c.body)
            .where(outcomes.c.loop == loop, outcomes.c.recheck_at <= now)
            .order_by(outcomes.c.recheck_at)
            .limit(limit)
        )
        bodies = await self._database.read(lambda connection: connection.scalars(query).all())
        return tuple(Outcome.model_validate_json(body) for body in bodies)

    async def relabel(self, outcome: Outcome, recheck_at: float | None, entry: AuditEntry) -> None:
        """Replace an outcome after a recheck, with the time of the next one (None: no more) and an audit row."""
        await self._database.write(lambda connection: _relabel(connection, outcome, recheck_at, entry))


def find(connection: Connection, plan_id: str) -> Outcome | None:
    """Return the plan's outcome, None if there is none."""
    body = connection.scalar(select(outcomes.c.body).where(outcomes.c.plan_id == plan_id))
    return None if body is None else Outcome.model_validate_json(body)


def _relabel(connection: Connection, outcome: Outcome, recheck_at: float | None, entry: AuditEntry) -> None:
    values = {"value": outcome.value, "recheck_at": recheck_at, "body": outcome.model_dump_json()}
    connection.execute(update(outcomes).where(outcomes.c.plan_id == outcome.plan_id).values(values))
    audit_rows.append(connection, entry)


def add(connection: Connection, outcome: Outcome, history_limit: int, recheck_at: float | None = None) -> None:
    """Insert the first outcome of a plan; the loop then remembers its newest `history_limit`."""
    connection.execute(
        insert(outcomes).values(
            plan_id=outcome.plan_id,
            loop=outcome.loop,
            cause=outcome.cause,
            component=outcome.component,
            value=outcome.value,
            at=outcome.at,
            remembered=True,
            recheck_at=recheck_at,
            body=outcome.model_dump_json(),
        )
    )
    rows = [{"plan_id": outcome.plan_id, "action": action} for action in sorted(set(outcome.actions))]
    if rows:
        connection.execute(insert(outcome_actions), rows)
    _forget(connection, outcome.loop, history_limit)


def withdraw(connection: Connection, plan_id: str, requested_at: float) -> None:
    """Delete the outcome of a plan that applied nothing: the plan starts again.

    Raises:
        Superseded: the plan ended after `requested_at`; the request was delayed.
    """
    outcome = find(connection, plan_id)
    if outcome is not None and 0.0 < requested_at <= outcome.ended_at:
        raise Superseded(f"plan {plan_id} ended {outcome.ended_at - requested_at:.1f} s after this start was requested")
    if outcome is not None and outcome.seconds is None:
        connection.execute(delete(outcome_actions).where(outcome_actions.c.plan_id == plan_id))
        connection.execute(delete(outcomes).where(outcomes.c.plan_id == plan_id))


def _forget(connection: Connection, loop: str, history_limit: int) -> None:
    is_remembered = (outcomes.c.loop == loop, outcomes.c.remembered.is_(True))
    newest = (
        select(outcomes.c.plan_id)
        .where(*is_remembered)
        .order_by(outcomes.c.at.desc(), outcomes.c.plan_id.desc())
        .limit(history_limit)
    )
    connection.execute(
        update(outcomes).where(*is_remembered, outcomes.c.plan_id.not_in(newest)).values(remembered=False)
    )


def _load_experience(connection: Connection, loop: str) -> Experience:
    query = (
        select(outcome_actions.c.action, outcomes.c.cause, outcomes.c.component, outcomes.c.value)
        .join(outcomes, outcomes.c.plan_id == outcome_actions.c.plan_id)
        .where(outcomes.c.loop == loop, outcomes.c.remembered.is_(True), outcomes.c.value.is_not(None))
        .order_by(outcomes.c.at, outcomes.c.plan_id)
    )
    rows = connection.execute(query)
    return aggregate(
        ScoredOutcome(ActionType(action), Cause(cause), component, value) for action, cause, component, value in rows
    )

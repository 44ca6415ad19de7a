"""Outcomes: what Knowledge keeps of every remediation, exactly once."""

from sqlalchemy import Connection, delete, func, insert, select, update

from activities.clients.store.engine import Database
from activities.clients.store.schema import outcome_actions, outcomes
from activities.model.action import ActionType
from activities.model.diagnosis import Cause
from activities.model.experience import Experience, Record
from activities.model.outcome import Outcome


class Outcomes:
    """The outcomes of all loops. Every call raises StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def experience(self, loop: str) -> Experience:
        """Return the remembered outcomes that count, summed by action and cause.

        The outcome of a plan with several actions counts once for each type among them.
        """
        return await self._database.read(lambda connection: _experience(connection, loop))

    async def recent(self, loop: str, limit: int = 20) -> tuple[Outcome, ...]:
        """Return at most `limit` remembered outcomes, the newest first."""
        query = (
            select(outcomes.c.body)
            .where(outcomes.c.loop == loop, outcomes.c.remembered.is_(True))
            .order_by(outcomes.c.at.desc(), outcomes.c.plan_id.desc())
            .limit(limit)
        )
        bodies = await self._database.read(lambda connection: connection.scalars(query).all())
        return tuple(Outcome.model_validate_json(body) for body in bodies)

    async def of_plan(self, plan_id: str) -> Outcome | None:
        """Return how the plan ended, None while it has not; a forgotten outcome is found too."""
        return await self._database.read(lambda connection: find(connection, plan_id))


def find(connection: Connection, plan_id: str) -> Outcome | None:
    """Return the plan's outcome, None if there is none."""
    body = connection.scalar(select(outcomes.c.body).where(outcomes.c.plan_id == plan_id))
    return None if body is None else Outcome.model_validate_json(body)


def add(connection: Connection, outcome: Outcome, keep: int) -> None:
    """Insert an outcome whose plan has none yet; the loop then remembers its newest `keep`."""
    connection.execute(
        insert(outcomes).values(
            plan_id=outcome.plan_id,
            loop=outcome.loop,
            cause=outcome.cause,
            value=outcome.value,
            at=outcome.at,
            remembered=True,
            body=outcome.model_dump_json(),
        )
    )
    rows = [{"plan_id": outcome.plan_id, "action": action} for action in sorted(set(outcome.actions))]
    if rows:
        connection.execute(insert(outcome_actions), rows)
    _forget(connection, outcome.loop, keep)


def withdraw(connection: Connection, plan_id: str) -> None:
    """Take back the outcome of a plan that applied nothing: it is tried again, and only then there is an outcome."""
    standing = find(connection, plan_id)
    if standing is not None and standing.seconds is None:
        connection.execute(delete(outcome_actions).where(outcome_actions.c.plan_id == plan_id))
        connection.execute(delete(outcomes).where(outcomes.c.plan_id == plan_id))


def _forget(connection: Connection, loop: str, keep: int) -> None:
    remembered = (outcomes.c.loop == loop, outcomes.c.remembered.is_(True))
    newest = (
        select(outcomes.c.plan_id)
        .where(*remembered)
        .order_by(outcomes.c.at.desc(), outcomes.c.plan_id.desc())
        .limit(keep)
    )
    connection.execute(update(outcomes).where(*remembered, outcomes.c.plan_id.not_in(newest)).values(remembered=False))


def _experience(connection: Connection, loop: str) -> Experience:
    query = (
        select(outcome_actions.c.action, outcomes.c.cause, func.count(), func.sum(outcomes.c.value))
        .join(outcomes, outcomes.c.plan_id == outcome_actions.c.plan_id)
        .where(outcomes.c.loop == loop, outcomes.c.remembered.is_(True), outcomes.c.value.is_not(None))
        .group_by(outcome_actions.c.action, outcomes.c.cause)
        .order_by(outcome_actions.c.action, outcomes.c.cause)
    )
    return Experience(
        records=tuple(
            Record(action=ActionType(action), cause=Cause(cause), n=n, total=total)
            for action, cause, n, total in connection.execute(query)
        )
    )

"""Outcomes: what Knowledge keeps of every remediation, exactly once."""

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
        """Return the remembered outcomes that count, summed by action and cause.

        The outcome of a plan with several actions counts once for each type among them.
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
        """Return how the plan ended, None while it has not; a forgotten outcome is found too."""
        return await self._database.read(lambda connection: find(connection, plan_id))

    async def load_due_rechecks(self, loop: str, now: float, limit: int = 20) -> tuple[Outcome, ...]:
        """Return at most `limit` outcomes whose next look is due at `now` (unix seconds), the most overdue first."""
        query = (
            select(outcomes.c.body)
            .where(outcomes.c.loop == loop, outcomes.c.recheck_at <= now)
            .order_by(outcomes.c.recheck_at)
            .limit(limit)
        )
        bodies = await self._database.read(lambda connection: connection.scalars(query).all())
        return tuple(Outcome.model_validate_json(body) for body in bodies)

    async def relabel(self, outcome: Outcome, recheck_at: float | None, entry: AuditEntry) -> None:
        """Replace an outcome by what a later look made of it, its next look (None: no more) and the audit's row."""
        await self._database.write(lambda connection: _relabel(connection, outcome, recheck_at, entry))


def find(connection: Connection, plan_id: str) -> Outcome | None:
    """Return the plan's outcome, None if there is none."""
    body = connection.scalar(select(outcomes.c.body).where(outcomes.c.plan_id == plan_id))
    return None if body is None else Outcome.model_validate_json(body)


def _relabel(connection: Connection, outcome: Outcome, recheck_at: float | None, entry: AuditEntry) -> None:
    changed = {"value": outcome.value, "recheck_at": recheck_at, "body": outcome.model_dump_json()}
    connection.execute(update(outcomes).where(outcomes.c.plan_id == outcome.plan_id).values(changed))
    audit_rows.append(connection, entry)


def add(connection: Connection, outcome: Outcome, history_limit: int, recheck_at: float | None = None) -> None:
    """Insert an outcome whose plan has none yet; the loop then remembers its newest `keep`."""
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
    """Take back the outcome of a plan that applied nothing: it is tried again, and only then there is an outcome.

    Raises: Superseded (it ended after `asked`, when that was asked for: whoever does was held up and comes too late).
    """
    standing = find(connection, plan_id)
    if standing is not None and 0.0 < requested_at <= standing.ended_at:
        raise Superseded(f"plan {plan_id} has ended meanwhile")
    if standing is not None and standing.seconds is None:
        connection.execute(delete(outcome_actions).where(outcome_actions.c.plan_id == plan_id))
        connection.execute(delete(outcomes).where(outcomes.c.plan_id == plan_id))


def _forget(connection: Connection, loop: str, history_limit: int) -> None:
    remembered = (outcomes.c.loop == loop, outcomes.c.remembered.is_(True))
    newest = (
        select(outcomes.c.plan_id)
        .where(*remembered)
        .order_by(outcomes.c.at.desc(), outcomes.c.plan_id.desc())
        .limit(history_limit)
    )
    connection.execute(update(outcomes).where(*remembered, outcomes.c.plan_id.not_in(newest)).values(remembered=False))


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

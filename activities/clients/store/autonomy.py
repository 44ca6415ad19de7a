"""Autonomy: the marks trust is earned by, and the shadow decisions that wait to be scored."""

from collections.abc import Iterable

from sqlalchemy import Connection, func, insert, select, update

from activities.clients.store.engine import Database
from activities.clients.store.schema import evidence, shadows
from activities.model.action import ActionType
from activities.model.autonomy import Evidence, Mark, Shadow
from activities.model.diagnosis import Cause

NEWEST = 2000
"""Marks of a loop that count, the newest ones."""
QUIET = 600.0
"""Seconds after which the same trouble is another one."""


class Trust:
    """Evidence and shadows of all loops. Times are unix seconds. Every call raises StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def evidence(self, loop: str) -> tuple[Evidence, ...]:
        """Return the loop's newest marks, the oldest first."""
        columns = (evidence.c.plan_id, evidence.c.cause, evidence.c.action, evidence.c.mark, evidence.c.at)
        query = select(*columns).where(evidence.c.loop == loop).order_by(evidence.c.id.desc()).limit(NEWEST)
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return tuple(Evidence(**row) for row in reversed(rows))

    async def untold(self, loop: str) -> int:
        """Return how many of the newest marks nobody has looked at for a change of level."""
        query = select(func.count()).where(evidence.c.loop == loop, evidence.c.told.is_(False))
        return min(await self._database.read(lambda connection: connection.scalar(query) or 0), NEWEST)

    async def told(self, loop: str, number: int) -> None:
        """Note that the oldest `number` of those were looked at."""
        mine = (evidence.c.loop == loop, evidence.c.told.is_(False))
        oldest = select(evidence.c.id).where(*mine).order_by(evidence.c.id).limit(number)
        change = update(evidence).where(evidence.c.id.in_(oldest)).values(told=True)
        await self._database.write(lambda connection: connection.execute(change))

    async def keep(self, shadow: Shadow) -> None:
        """Keep a shadow decision. While the same trouble lasts there is one, the first."""
        await self._database.write(lambda connection: _keep(connection, shadow))

    async def due(self, loop: str, now: float) -> tuple[Shadow, ...]:
        """Return the shadows that can be scored now."""
        query = (
            select(shadows.c.body)
            .where(shadows.c.loop == loop, shadows.c.scored.is_(False), shadows.c.due_at <= now)
            .order_by(shadows.c.due_at)
        )
        bodies = await self._database.read(lambda connection: connection.scalars(query).all())
        return tuple(Shadow.model_validate_json(body) for body in bodies)

    async def score(self, shadow: Shadow, mark: Mark | None, now: float) -> None:
        """Note how a shadow was scored, None for one that cannot be; a repeat changes nothing."""

        def work(connection: Connection) -> None:
            mine = (shadows.c.plan_id == shadow.plan_id, shadows.c.scored.is_(False))
            if connection.execute(update(shadows).where(*mine).values(scored=True)).rowcount and mark:
                add(connection, shadow.loop, marks(shadow.plan_id, shadow.cause, shadow.actions, mark, now))

        await self._database.write(work)


def add(connection: Connection, loop: str, marks: Iterable[Evidence]) -> None:
    """Write marks down."""
    rows = [{"loop": loop, "told": False, **one.model_dump(mode="json")} for one in marks]
    if rows:
        connection.execute(insert(evidence), rows)


def marks(plan_id: str, cause: Cause, actions: Iterable[ActionType], mark: Mark, now: float) -> tuple[Evidence, ...]:
    """Return the mark of a plan for each type among its actions."""
    return tuple(Evidence(plan_id=plan_id, cause=cause, action=a, mark=mark, at=now) for a in sorted(set(actions)))


def _keep(connection: Connection, shadow: Shadow) -> None:
    same = (
        shadows.c.loop == shadow.loop,
        shadows.c.knob == shadow.knob,
        shadows.c.cause == shadow.cause,
        shadows.c.component == shadow.component,
    )
    going_on = update(shadows).where(*same, shadows.c.seen_at >= shadow.at - QUIET).values(seen_at=shadow.at)
    if connection.execute(going_on).rowcount:
        return
    again = update(shadows).where(shadows.c.plan_id == shadow.plan_id).values(seen_at=shadow.at)
    if connection.execute(again).rowcount:
        return
    row = shadow.model_dump(mode="json", include={"plan_id", "loop", "knob", "cause", "component", "seen_at", "due_at"})
    connection.execute(insert(shadows).values(**row, scored=False, body=shadow.model_dump_json()))

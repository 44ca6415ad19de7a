"""Notices: what people are to be told, each once, and which target has got what."""

from sqlalchemy import ColumnElement, Connection, FromClause, and_, delete, insert, or_, select, update

from activities.clients.store.engine import Database, upsert
from activities.clients.store.schema import deliveries, notices
from activities.model.notice import Due, Notice, NoticeKind

LEASE = 90.0
"""Seconds a worker has to send before another one may: longer than any target's time-outs together."""
SLOWEST = 300.0
"""Seconds between two attempts at most; the first two are 5 s apart."""
KEPT = 30 * 86400.0
"""Seconds a closed notice is kept."""


class Notices:
    """The outbox of all loops. Times are unix seconds. Every call raises StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, notice: Notice) -> None:
        """Tell people, unless the same trouble was told and is not over: then only that it still goes on is noted."""

        def work(connection: Connection) -> None:
            same = (*_same(notice.loop, (notice.kind,)), notices.c.key == notice.key)
            going_on = update(notices).where(*same, notices.c.plan_id == notice.plan).values(seen_at=notice.at)
            if connection.execute(going_on).rowcount == 0:
                # Another plan of the same trouble takes the place of the one before.
                _close(connection, same, "superseded by another plan", notice.at)
                row = {"key": notice.key, "kind": notice.kind, "loop": notice.loop, "plan_id": notice.plan}
                times = {"opened_at": notice.at, "seen_at": notice.at, "version": 1}
                connection.execute(insert(notices).values(**row, **times, body=notice.model_dump_json()))

        await self._database.write(work)

    async def close(self, plan_id: str, kinds: tuple[NoticeKind, ...], how: str, now: float) -> None:
        """Note how what a plan's notices of these kinds were about ended."""
        mine = (notices.c.plan_id == plan_id, notices.c.kind.in_(kinds), notices.c.closed_at.is_(None))
        await self._database.write(lambda connection: _close(connection, mine, how, now))

    async def close_quiet(self, loop: str, before: float, now: float) -> None:
        """Close what was last seen earlier: escalations, storms and freezes end by not being seen any more."""
        fading = (NoticeKind.ESCALATION, NoticeKind.STORM, NoticeKind.FREEZE)
        quiet = (*_same(loop, fading), notices.c.seen_at < before)
        old = delete(notices).where(notices.c.loop == loop, notices.c.closed_at < now - KEPT)

        def work(connection: Connection) -> None:
            _close(connection, quiet, "not seen any more", now)
            connection.execute(old)

        await self._database.write(work)

    async def open_now(self, loop: str) -> tuple[Notice, ...]:
        """Return the loop's open notices, the oldest first."""
        query = (
            select(notices.c.body).where(notices.c.loop == loop, notices.c.closed_at.is_(None)).order_by(notices.c.id)
        )
        bodies = await self._database.read(lambda connection: connection.scalars(query).all())
        return tuple(Notice.model_validate_json(body) for body in bodies)

    async def waiting(self, target: str, kinds: tuple[NoticeKind, ...], updates: bool, now: float) -> bool:
        """Tell whether `claim` would give something."""
        query = select(notices.c.id).select_from(_joined(target)).where(_wanted(kinds, updates, now)).limit(1)
        return await self._database.read(lambda connection: connection.scalar(query)) is not None

    async def claim(self, target: str, kinds: tuple[NoticeKind, ...], updates: bool, now: float) -> Due | None:
        """Return the oldest notice the target has not got, for this worker alone to send; None if there is none.

        `updates`: it also gets how a trouble ended of which it was told. Others get only what is still open.
        """

        def work(connection: Connection) -> Due | None:
            columns = (notices.c.id, notices.c.version, notices.c.body, deliveries.c.attempts)
            query = select(*columns).select_from(_joined(target)).where(_wanted(kinds, updates, now))
            row = connection.execute(query.order_by(notices.c.id).limit(1)).first()
            if row is None:
                return None
            attempts = (row.attempts or 0) + 1
            values = {"attempts": attempts, "next_at": now + LEASE}
            if row.attempts is None:
                values["version"] = 0
            upsert(connection, deliveries, {"notice_id": row.id, "target": target}, values)
            found = Notice.model_validate_json(row.body)
            return Due(number=row.id, version=row.version, attempts=attempts, notice=found)

        return await self._database.write(work)

    async def settle(self, due: Due, target: str, sent: bool, now: float) -> None:
        """Note that the target got it, or when it is tried again."""
        pause = min(SLOWEST, 5.0 * 2 ** min(due.attempts - 1, 10))
        values = {"version": due.version, "attempts": 0, "next_at": now} if sent else {"next_at": now + pause}
        key = {"notice_id": due.number, "target": target}
        await self._database.write(lambda connection: upsert(connection, deliveries, key, values))


def _same(loop: str, kinds: tuple[NoticeKind, ...]) -> tuple[ColumnElement[bool], ...]:
    return (notices.c.loop == loop, notices.c.kind.in_(kinds), notices.c.closed_at.is_(None))


def _close(connection: Connection, which: tuple[ColumnElement[bool], ...], how: str, now: float) -> None:
    for row in connection.execute(select(notices.c.id, notices.c.version, notices.c.body).where(*which)).all():
        body = Notice.model_validate_json(row.body).model_copy(update={"closed": how}).model_dump_json()
        values = {"closed_at": now, "version": row.version + 1, "body": body}
        connection.execute(update(notices).where(notices.c.id == row.id).values(**values))


def _joined(target: str) -> FromClause:
    return notices.outerjoin(deliveries, and_(deliveries.c.notice_id == notices.c.id, deliveries.c.target == target))


def _wanted(kinds: tuple[NoticeKind, ...], updates: bool, now: float) -> ColumnElement[bool]:
    still_open = notices.c.closed_at.is_(None)
    fresh = and_(or_(deliveries.c.version.is_(None), deliveries.c.version == 0), still_open)
    changed = and_(deliveries.c.version > 0, deliveries.c.version < notices.c.version)
    free = or_(deliveries.c.next_at.is_(None), deliveries.c.next_at <= now)
    return and_(notices.c.kind.in_(kinds), free, or_(fresh, changed) if updates else fresh)

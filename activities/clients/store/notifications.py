"""Notifications: one for each problem, and the version that each target has received."""

from sqlalchemy import ColumnElement, Connection, FromClause, and_, delete, exists, insert, not_, or_, select, update

from activities.clients.store.engine import Database, upsert
from activities.clients.store.schema import deliveries, notifications
from activities.model.notification import Notification, NotificationKind, PendingDelivery, Updates

LEASE_SECONDS = 90.0
"""Seconds a worker may send before another worker takes over: longer than all time-outs of a target."""
MAX_BACKOFF_SECONDS = 300.0
"""Maximum seconds between two attempts; the first two are 5 s apart."""
RETENTION_SECONDS = 30 * 86400.0
"""Seconds a closed notification is kept."""


class NotificationStore:
    """The outbox of all loops. Times are unix seconds. Every call raises StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open_or_touch(self, notification: Notification) -> None:
        """Open a notification, or record that the open one of the same problem still holds."""

        def work(connection: Connection) -> None:
            is_same_problem = (
                *_build_open_conditions(notification.loop, (notification.kind,)),
                notifications.c.key == notification.key,
            )
            touch = (
                update(notifications)
                .where(*is_same_problem, notifications.c.plan_id == notification.plan)
                .values(last_seen_at=notification.at)
            )
            if connection.execute(touch).rowcount == 0:
                # Another plan for the same problem supersedes the plan of the open notification.
                _close(connection, is_same_problem, "superseded by another plan", notification.at)
                row = {
                    "key": notification.key,
                    "kind": notification.kind,
                    "loop": notification.loop,
                    "plan_id": notification.plan,
                }
                times = {"opened_at": notification.at, "last_seen_at": notification.at, "version": 1}
                opened = notification.model_copy(update={"occurrence": str(round(notification.at * 1000))})
                connection.execute(insert(notifications).values(**row, **times, body=opened.model_dump_json()))

        await self._database.write(work)

    async def close(self, plan_id: str, kinds: tuple[NotificationKind, ...], resolution: str, now: float) -> None:
        """Close a plan's notifications of these kinds with a resolution."""
        is_open = (
            notifications.c.plan_id == plan_id,
            notifications.c.kind.in_(kinds),
            notifications.c.closed_at.is_(None),
        )
        await self._database.write(lambda connection: _close(connection, is_open, resolution, now))

    async def close_quiet(self, loop: str, before: float, now: float) -> None:
        """Close escalations, storms and freezes that were last seen before `before`; delete old notifications."""
        transient = (NotificationKind.ESCALATION, NotificationKind.STORM, NotificationKind.FREEZE)
        is_quiet = (*_build_open_conditions(loop, transient), notifications.c.last_seen_at < before)
        delete_old = delete(notifications).where(
            notifications.c.loop == loop, notifications.c.closed_at < now - RETENTION_SECONDS
        )

        def work(connection: Connection) -> None:
            _close(connection, is_quiet, "not seen any more", now)
            connection.execute(delete_old)

        await self._database.write(work)

    async def load_open(self, loop: str) -> tuple[Notification, ...]:
        """Return the open notifications of the loop, the oldest first."""
        query = (
            select(notifications.c.body)
            .where(notifications.c.loop == loop, notifications.c.closed_at.is_(None))
            .order_by(notifications.c.id)
        )
        bodies = await self._database.read(lambda connection: connection.scalars(query).all())
        return tuple(Notification.model_validate_json(body) for body in bodies)

    async def has_pending(self, target: str, kinds: tuple[NotificationKind, ...], updates: Updates, now: float) -> bool:
        """Return whether `claim` would return a notification."""
        query = (
            select(notifications.c.id)
            .select_from(_join_deliveries(target))
            .where(notifications.c.kind.in_(kinds), _build_due_condition(target, updates, now))
            .limit(1)
        )
        return await self._database.read(lambda connection: connection.scalar(query)) is not None

    async def claim(
        self, target: str, kinds: tuple[NotificationKind, ...], updates: Updates, now: float
    ) -> PendingDelivery | None:
        """Return the oldest notification the target has not received, for this worker to send; None if there is none.

        A target with updates also receives the resolution of each notification that was sent to it, or may have been.
        With updates by key it is dropped once the next notification of the problem was sent. Other targets receive only
        open ones.
        """

        def work(connection: Connection) -> PendingDelivery | None:
            columns = (notifications.c.id, notifications.c.version, notifications.c.body, deliveries.c.attempts)
            query = (
                select(*columns)
                .select_from(_join_deliveries(target))
                .where(notifications.c.kind.in_(kinds), _build_due_condition(target, updates, now))
            )
            row = connection.execute(query.order_by(notifications.c.id).limit(1)).first()
            if row is None:
                return None
            attempts = (row.attempts or 0) + 1
            values = {"attempts": attempts, "next_at": now + LEASE_SECONDS}
            if row.attempts is None:
                values["version"] = 0
            upsert(connection, deliveries, {"notification_id": row.id, "target": target}, values)
            notification = Notification.model_validate_json(row.body)
            return PendingDelivery(number=row.id, version=row.version, attempts=attempts, notification=notification)

        return await self._database.write(work)

    async def record_delivery(self, delivery: PendingDelivery, target: str, delivered: bool, now: float) -> None:
        """Record the delivery, or the time of the next attempt."""
        pause = min(MAX_BACKOFF_SECONDS, 5.0 * 2 ** min(delivery.attempts - 1, 10))
        values = {"version": delivery.version, "attempts": 0, "next_at": now} if delivered else {"next_at": now + pause}
        key = {"notification_id": delivery.number, "target": target}
        await self._database.write(lambda connection: upsert(connection, deliveries, key, values))


def _build_open_conditions(loop: str, kinds: tuple[NotificationKind, ...]) -> tuple[ColumnElement[bool], ...]:
    return (notifications.c.loop == loop, notifications.c.kind.in_(kinds), notifications.c.closed_at.is_(None))


def _close(connection: Connection, conditions: tuple[ColumnElement[bool], ...], resolution: str, now: float) -> None:
    for row in connection.execute(
        select(notifications.c.id, notifications.c.version, notifications.c.body).where(*conditions)
    ).all():
        body = (
            Notification.model_validate_json(row.body).model_copy(update={"resolution": resolution}).model_dump_json()
        )
        values = {"closed_at": now, "version": row.version + 1, "body": body}
        connection.execute(update(notifications).where(notifications.c.id == row.id).values(**values))


def _join_deliveries(target: str) -> FromClause:
    return notifications.outerjoin(
        deliveries, and_(deliveries.c.notification_id == notifications.c.id, deliveries.c.target == target)
    )


def _build_due_condition(target: str, updates: Updates, now: float) -> ColumnElement[bool]:
    is_open = notifications.c.closed_at.is_(None)
    is_new = and_(or_(deliveries.c.version.is_(None), deliveries.c.version == 0), is_open)
    is_free = or_(deliveries.c.next_at.is_(None), deliveries.c.next_at <= now)
    if updates is Updates.NONE:
        return and_(is_free, is_new)
    # A version 0 was attempted, and its answer may be lost: the target may show it as open.
    is_changed = and_(deliveries.c.version < notifications.c.version, or_(deliveries.c.version > 0, not_(is_open)))
    if updates is Updates.BY_KEY:
        is_changed = and_(is_changed, not_(_was_succeeded(target)))
    return and_(is_free, or_(is_new, is_changed))


def _was_succeeded(target: str) -> ColumnElement[bool]:
    """Return the condition that the target has received a later notification of the same problem."""
    later, sent = notifications.alias(), deliveries.alias()
    is_same_problem = (later.c[name] == notifications.c[name] for name in ("loop", "kind", "key"))
    return exists().where(
        *is_same_problem,
        later.c.id > notifications.c.id,
        sent.c.notification_id == later.c.id,
        sent.c.target == target,
        sent.c.version > 0,
    )

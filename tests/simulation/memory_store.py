"""The product's store on a database in memory, without threads and with faults."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL

from activities.clients.store import schema
from activities.clients.store.audit import AuditLog
from activities.clients.store.autonomy import AutonomyStore
from activities.clients.store.engine import WRITE_OPTION, Database, build_engine, map_errors
from activities.clients.store.guards import GuardStore
from activities.clients.store.notifications import NotificationStore
from activities.clients.store.outcomes import OutcomeStore
from activities.clients.store.plans import PlanStore
from activities.clients.store.snapshots import SnapshotStore
from activities.clients.store.store import Store

T = TypeVar("T")

PassPoint = Callable[[str, str], Awaitable[None]]
"""Called with an edge and a point of it; may raise, kill the worker or freeze."""


class InlineDatabase(Database):
    """A database used in the caller's thread. `pass_point` is called `before` and, after a commit, `after`."""

    def __init__(self, engine: Engine, pass_point: PassPoint) -> None:
        self.engine = engine
        self.reader = engine.connect()
        self.writer = engine.execution_options(**{WRITE_OPTION: True}).connect()
        self.pass_point = pass_point

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns."""
        await self.pass_point("store.read", "before")
        with map_errors(), self.reader.begin():
            return work(self.reader)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns. A fault at `after` does not undo the commit."""
        await self.pass_point("store.write", "before")
        with map_errors(), self.writer.begin():
            result = work(self.writer)
        await self.pass_point("store.write", "after")
        return result

    async def close(self) -> None:
        """Close the database."""
        self.engine.dispose()


def open_memory_store(pass_point: PassPoint) -> Store:
    """Return an empty store in memory."""
    engine = build_engine(URL.create("sqlite"), 1.0)
    with engine.begin() as connection:
        schema.metadata.create_all(connection)
    database = InlineDatabase(engine, pass_point)
    return Store(
        database=database,
        outcomes=OutcomeStore(database),
        snapshots=SnapshotStore(database),
        plans=PlanStore(database),
        audit=AuditLog(database),
        guards=GuardStore(database),
        autonomy=AutonomyStore(database),
        notifications=NotificationStore(database),
    )

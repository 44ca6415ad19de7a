"""The real store on a database in memory, without threads, and with the ways it can fail."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL

from activities.clients.store import schema
from activities.clients.store.audit import Audit
from activities.clients.store.autonomy import Trust
from activities.clients.store.engine import WRITES, Database, mapped, new_engine
from activities.clients.store.guards import Guards
from activities.clients.store.notices import Notices
from activities.clients.store.outcomes import Outcomes
from activities.clients.store.plans import Plans
from activities.clients.store.snapshots import Snapshots
from activities.clients.store.store import Store

T = TypeVar("T")

Pass = Callable[[str, str], Awaitable[None]]
"""Called at each point of an edge; it may raise, kill or freeze whoever passes."""


class InlineDatabase(Database):
    """Works on the caller's thread. `pass_point` is told `before` and, after a commit, `after`."""

    def __init__(self, engine: Engine, pass_point: Pass) -> None:
        self.engine = engine
        self.reader = engine.connect()
        self.writer = engine.execution_options(**{WRITES: True}).connect()
        self.pass_point = pass_point

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns."""
        await self.pass_point("store.read", "before")
        with mapped(), self.reader.begin():
            return work(self.reader)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns; what happens at `after` happens to a commit that stands."""
        await self.pass_point("store.write", "before")
        with mapped(), self.writer.begin():
            result = work(self.writer)
        await self.pass_point("store.write", "after")
        return result

    async def close(self) -> None:
        """Close it."""
        self.engine.dispose()


def store_of(pass_point: Pass) -> Store:
    """Return an empty store in memory."""
    engine = new_engine(URL.create("sqlite"), 1.0)
    with engine.begin() as connection:
        schema.metadata.create_all(connection)
    database = InlineDatabase(engine, pass_point)
    return Store(
        database=database,
        outcomes=Outcomes(database),
        snapshots=Snapshots(database),
        plans=Plans(database),
        audit=Audit(database),
        guards=Guards(database),
        trust=Trust(database),
        notices=Notices(database),
    )

"""A PostgreSQL server that changes under an open store: a switch-over, and a pooler between store and server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from activities.clients.store.engine import STALE_CONNECTION_ERRORS
from activities.clients.store.store import Store, open_store
from activities.model.errors import StoreUnavailable
from deploy.devstack.postgres import POSTGRES_USER, Postgres, running_postgres
from tests.soak.faults.proxy import TcpProxy
from tests.support.model_builders import make_attempt_row
from tests.support.pgbouncer import running_pgbouncer

ROUNDS = 20
"""Concurrent writes, each with a read: more than the server connections of the pooler."""


@pytest_asyncio.fixture
async def second_server(postgres: Postgres, server_binaries: dict[str, Path]) -> AsyncIterator[Postgres]:
    """Another server with the same user and password, and an empty store in it."""
    async with running_postgres(server_binaries["postgres"]) as running:
        await running.execute(f"ALTER USER {POSTGRES_USER} PASSWORD '{postgres.password}'")
        running.password = postgres.password
        await (await open_store(running.build_url())).close()
        yield running


async def set_read_only(server: Postgres, value: str) -> None:
    """Make a server refuse writes on all its connections, as a standby does, or accept them again."""
    await server.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
    await server.execute("SELECT pg_reload_conf()")


async def test_after_a_switch_over_the_second_write_reaches_the_new_primary(
    postgres: Postgres, second_server: Postgres, empty_database: str
) -> None:
    """The address leads to a new primary; the open connections still lead to the former one."""
    proxy = TcpProxy(f"127.0.0.1:{postgres.port}")
    async with proxy.listen() as address:
        store = await open_store(empty_database.replace(f"127.0.0.1:{postgres.port}", address))
        await store.audit.append(make_attempt_row())
        try:
            await set_read_only(postgres, "on")
            proxy.target = ("127.0.0.1", second_server.port)
            with pytest.raises(StoreUnavailable, match="the server is now a standby, the next call connects again"):
                await store.audit.append(make_attempt_row())
            await store.audit.append(make_attempt_row())
            assert await store.audit.verify_chain() is None
        finally:
            await store.close()
            await set_read_only(postgres, "off")
    async with await psycopg.AsyncConnection.connect(second_server.build_url()) as connection:
        rows = await (await connection.execute("SELECT count(*) FROM audit")).fetchone()
    assert rows == (1,)


async def test_a_standby_is_refused_when_the_store_opens(postgres: Postgres, empty_database: str) -> None:
    """Rows of a standby may be old: a worker that has only a standby does not decide."""
    await set_read_only(postgres, "on")
    try:
        with pytest.raises(StoreUnavailable, match="read-only"):
            await open_store(empty_database)
    finally:
        await set_read_only(postgres, "off")


@pytest.mark.parametrize("pool_mode", ["session", "transaction"])
async def test_a_store_behind_pgbouncer_reads_and_writes(
    postgres: Postgres, empty_database: str, pool_mode: str
) -> None:
    """Two server connections serve all calls: start-up options and prepared statements would be refused."""
    async with running_pgbouncer(postgres, pool_mode, pool_size=8 if pool_mode == "session" else 2) as address:
        store = await open_store(address)
        try:
            await asyncio.gather(*(write_and_read(store) for _ in range(ROUNDS)))
            assert await store.audit.verify_chain() is None
        finally:
            await store.close()


async def test_pgbouncer_in_statement_mode_is_refused_with_its_reason(postgres: Postgres, empty_database: str) -> None:
    """Transactions are what the store needs."""
    async with running_pgbouncer(postgres, "statement") as address:
        with pytest.raises(StoreUnavailable, match="statement pooling"):
            await open_store(address)


async def write_and_read(store: Store) -> None:
    """Write one row and read the chain."""
    await store.audit.append(make_attempt_row())
    await store.check_ready()


@pytest.mark.parametrize("state", sorted(STALE_CONNECTION_ERRORS))
def test_every_stale_connection_error_is_an_error_of_postgresql(state: str) -> None:
    """The driver knows each code."""
    assert psycopg.errors.lookup(state)

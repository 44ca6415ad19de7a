"""The store in a file, in memory and on PostgreSQL: the same claims hold for all."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.clients.store.store import Store, open_store
from deploy.devstack.postgres import Postgres


@pytest.fixture
def database_path(tmp_path: Path) -> Path:
    return tmp_path / "knowledge.db"


@pytest_asyncio.fixture
async def empty_database(postgres: Postgres) -> str:
    """The address of a database on PostgreSQL with nothing in it."""
    await postgres.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return postgres.build_url()


@pytest.fixture(params=["file", "postgres"])
def store_address(request: pytest.FixtureRequest) -> str:
    """Where a store outlives its process: nothing is there yet."""
    return str(request.getfixturevalue("database_path" if request.param == "file" else "empty_database"))


@pytest.fixture(params=["file", "memory", "postgres"])
def any_address(request: pytest.FixtureRequest) -> str:
    """Where a store can be: nothing is there yet."""
    places = {"file": "database_path", "postgres": "empty_database"}
    return str(request.getfixturevalue(places[request.param])) if request.param in places else "memory"


@pytest_asyncio.fixture
async def store(any_address: str) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    opened = await open_store(any_address)
    yield opened
    await opened.close()

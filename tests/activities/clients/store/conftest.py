"""The store in a file and in memory: the same claims hold for both."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from activities.clients.store.store import Store, open_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "knowledge.db"


@pytest.fixture(params=["file", "memory"])
async def store(request: pytest.FixtureRequest, path: Path) -> AsyncIterator[Store]:
    opened = await open_store("memory" if request.param == "memory" else path)
    yield opened
    await opened.close()

"""`mapek backup` and `mapek restore`: their results and refusals."""

import asyncio
import sqlite3
import stat
from pathlib import Path

import pytest

from activities.clients.store.store import open_store
from tests.support.model_builders import make_attempt_row
from worker.cli.main import run


async def fill_store(path: Path) -> None:
    store = await open_store(path)
    for number in range(3):
        await store.audit.append(make_attempt_row(attempt=number))
    await store.close()


@pytest.fixture
def state_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A state folder for a store, and an empty one."""
    monkeypatch.delenv("MAPEK_CONFIG", raising=False)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    return tmp_path / "one", tmp_path / "two"


def list_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def run_mapek(state: Path, *args: str) -> int:
    return await asyncio.to_thread(run, ["--state", str(state), *args])


async def test_a_back_up_restores_into_an_empty_store(
    state_folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A back-up is one private file, replaced as a whole; restore creates the store."""
    one, two = state_folders
    await fill_store(one / "knowledge.db")
    backup = tmp_path / "backup.db"
    for _ in range(2):
        assert await run_mapek(one, "backup", str(backup)) == 0
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert list_files(tmp_path) == ["backup.db", "one", "two"]
    assert await run_mapek(two, "restore", str(backup)) == 0
    assert "3 rows restored" in capsys.readouterr().out
    store = await open_store(two / "knowledge.db")
    assert len(await store.audit.load_for_loop("charter")) == 3
    await store.close()


async def test_an_empty_store_replaces_no_back_up(
    state_folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty store must not replace a back-up that is about to be restored."""
    one, two = state_folders
    await fill_store(one / "knowledge.db")
    backup = tmp_path / "backup.db"
    assert await run_mapek(one, "backup", str(backup)) == 0
    before = backup.read_bytes()
    await (await open_store(two / "knowledge.db")).close()
    assert await run_mapek(two, "backup", str(backup)) == 1
    assert "the store is empty" in capsys.readouterr().err
    assert backup.read_bytes() == before


async def test_refusals_of_restore(
    state_folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing back-up, a store with rows and a changed back-up are refused with one line; nothing is written."""
    one, two = state_folders
    await fill_store(one / "knowledge.db")
    backup = tmp_path / "backup.db"
    assert await run_mapek(one, "restore", str(backup)) == 1
    assert await run_mapek(one, "backup", str(backup)) == 0
    assert await run_mapek(one, "restore", str(backup)) == 1
    assert "not empty" in capsys.readouterr().err
    with sqlite3.connect(backup) as connection:
        connection.execute("DROP TRIGGER audit_no_update")
        connection.execute("UPDATE audit SET kind = 'x' WHERE id = 2")
    connection.close()
    assert await run_mapek(two, "restore", str(backup)) == 3
    assert "audit row 2" in capsys.readouterr().err

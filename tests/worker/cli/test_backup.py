"""Back-up and restore as commands: what they leave, and what they refuse."""

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
    """The state folder of the store, and one that has none."""
    monkeypatch.delenv("MAPEK_CONFIG", raising=False)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    return tmp_path / "one", tmp_path / "two"


def list_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def run_mapek(state: Path, *args: str) -> int:
    return await asyncio.to_thread(run, ["--state", str(state), *args])


async def test_there_and_back(state_folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A back-up is one file for this user only, replaced as a whole, and makes the store anew where there is none."""
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


async def test_what_is_left_of_a_killed_one_goes_and_an_empty_store_replaces_nothing(
    state_folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """A back-up every five minutes must not fill its disk, nor overwrite what is about to be restored."""
    one, two = state_folders
    await fill_store(one / "knowledge.db")
    backup, unfinished = tmp_path / "backup.db", tmp_path / ".backup-killed"
    unfinished.mkdir()
    assert await run_mapek(one, "backup", str(backup)) == 0
    assert not unfinished.exists()
    whole = backup.read_bytes()
    await (await open_store(two / "knowledge.db")).close()
    assert await run_mapek(two, "backup", str(backup)) == 1
    assert "the store is empty" in capsys.readouterr().err
    assert backup.read_bytes() == whole


async def test_what_is_refused(state_folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """No back-up, a store in use, and a back-up somebody changed are each told in one line; nothing is written."""
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

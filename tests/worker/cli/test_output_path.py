"""Paths that a verb writes: what is refused keeps its content, and only provably stale folders are removed."""

import asyncio
import fcntl
import gzip
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from activities.clients.store.store import open_store
from activities.model.errors import ConfigurationError
from tests.support.model_builders import make_attempt_row
from tests.worker.backtest.recordings import make_steady_values, write_recording
from worker.cli.main import run
from worker.cli.output_path import BACKUP, private_folder, remove_stale_folders, replaced_output

Prepare = Callable[[Path], Path]
"""Prepare a folder and return the path to write. The store is `state/knowledge.db`."""
STORE = Path("state", "knowledge.db")


async def fill_store(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    store = await open_store(path)
    await store.audit.append(make_attempt_row())
    await store.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a filled store and a recording."""
    monkeypatch.delenv("MAPEK_CONFIG", raising=False)
    asyncio.run(fill_store(tmp_path / STORE))
    write_recording(tmp_path / "recording", {("shop", "p99"): make_steady_values(5)})
    return tmp_path


def read_tree(folder: Path) -> dict[str, bytes | str]:
    """Return every file with its content, and every other path with its type or target."""
    return {
        str(path.relative_to(folder)): (
            f"link {path.readlink()}"
            if path.is_symlink()
            else path.read_bytes()
            if path.is_file()
            else f"mode {path.stat().st_mode}"
        )
        for path in sorted(folder.rglob("*"))
    }


def at(*parts: str) -> Prepare:
    """Return the path without a preparation."""
    return lambda folder: folder.joinpath(*parts)


def link(target: str, name: str = "link") -> Prepare:
    """Return a symbolic link to a path in the folder."""

    def prepare(folder: Path) -> Path:
        (folder / name).symlink_to(folder / target)
        return folder / name

    return prepare


def through_linked_folder(folder: Path) -> Path:
    """Return the store, through a link to its folder."""
    (folder / "linked").symlink_to(folder / "state", target_is_directory=True)
    return folder / "linked" / "knowledge.db"


def hard_link(folder: Path) -> Path:
    """Return a second name of the store."""
    (folder / "second.db").hardlink_to(folder / STORE)
    return folder / "second.db"


def text_file(content: str = "notes\n", name: str = "notes.txt") -> Prepare:
    """Return a file of another program."""

    def prepare(folder: Path) -> Path:
        (folder / name).write_text(content)
        return folder / name

    return prepare


def linked_text_file(folder: Path) -> Path:
    """Return a link to a file of another program."""
    text_file()(folder)
    return link("notes.txt")(folder)


def foreign_database(folder: Path) -> Path:
    """Return the SQLite database of another program."""
    with closing(sqlite3.connect(folder / "foreign.db")) as connection:
        connection.execute("CREATE TABLE accounts (name TEXT)")
    return folder / "foreign.db"


def other_store(*suffixes: str) -> Prepare:
    """Return the store of another loop, with files that show its use."""

    def prepare(folder: Path) -> Path:
        path = folder / "other" / "knowledge.db"
        asyncio.run(fill_store(path))
        for suffix in suffixes:
            path.with_name(path.name + suffix).touch()
        return path

    return prepare


def log_without_database(folder: Path) -> Path:
    """Return a path beside the write-ahead log of a database that was removed."""
    (folder / "gone.db-wal").write_bytes(b"log")
    return folder / "gone.db"


def pipe(folder: Path) -> Path:
    """Return a named pipe."""
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def unix_socket(folder: Path) -> Path:
    """Return a socket."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket"))
    return folder / "socket"


ANY_OUTPUT: dict[str, tuple[Prepare, str]] = {
    "the store": (at(*STORE.parts), "a file of the store"),
    "a link to the store": (link(str(STORE)), "a file of the store"),
    "the store in a linked folder": (through_linked_folder, "a file of the store"),
    "a hard link to the store": (hard_link, "a file of the store"),
    "the store's log": (at("state", "knowledge.db-wal"), "it is knowledge.db-wal"),
    "the store's shared memory": (at("state", "knowledge.db-shm"), "it is knowledge.db-shm"),
    "the store's journal": (at("state", "knowledge.db-journal"), "it is knowledge.db-journal"),
    "the store's lock": (at("state", "knowledge.db.lock"), "it is knowledge.db.lock"),
    "the worker's lock": (at("state", "knowledge.db.worker"), "it is knowledge.db.worker"),
    "a link to a file": (linked_text_file, "it is a link to"),
    "a link to nothing": (link("nothing"), "it is a link to"),
    "a directory": (at("state"), "it is a directory"),
    "a pipe": (pipe, "it is a pipe"),
    "a socket": (unix_socket, "it is a socket"),
    "notes": (text_file(), "other content (6 bytes)"),
    "a foreign database": (foreign_database, "other content"),
    "a missing folder": (at("missing", "file"), "is not a folder; create it"),
    "a file as folder": (at("recording", "recording.json", "file"), "is not a folder"),
    "a name that is too long": (at("x" * 300), "cannot be checked"),
}
"""Paths that every verb refuses, with a part of the message."""

BACKUP_ONLY: dict[str, tuple[Prepare, str]] = {
    "another loop's store": (other_store(), "other content"),
    "another loop's store with its worker": (other_store(".worker"), "knowledge.db.worker beside it"),
    "another loop's open store": (other_store("-wal", "-shm"), "knowledge.db-wal beside it"),
    "the log of a removed database": (log_without_database, "gone.db-wal beside it"),
}

BACKTEST_ONLY: dict[str, tuple[Prepare, str]] = {
    "the recording itself": (at("recording", "recording.json"), "other content"),
    "its samples": (at("recording", "samples.csv.gz"), "other content"),
    "other JSON lines": (text_file('{"name": 1}\n', "other.jsonl"), "other content"),
    "another page": (text_file("<!doctype html><title>Mine</title>", "page.html"), "other content"),
}


def require_refusal(folder: Path, args: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Run `mapek` and check that it exits with 2, one line and an unchanged folder."""
    before = read_tree(folder)
    assert run(["--state", str(folder / "state"), *args]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert read_tree(folder) == before


@pytest.mark.parametrize(
    ("prepare", "message"), [pytest.param(*c, id=i) for i, c in (ANY_OUTPUT | BACKUP_ONLY).items()]
)
def test_a_backup_to_another_file_is_refused(
    folder: Path, prepare: Prepare, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A back-up replaces nothing but a back-up: exit 2, one line with the path and the fix."""
    path = prepare(folder)
    require_refusal(folder, ["backup", str(path)], message, capsys)


@pytest.mark.parametrize("option", ["--output", "--report"])
@pytest.mark.parametrize(
    ("prepare", "message"), [pytest.param(*c, id=i) for i, c in (ANY_OUTPUT | BACKTEST_ONLY).items()]
)
def test_a_backtest_to_another_file_is_refused(
    folder: Path, option: str, prepare: Prepare, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Decisions replace decisions, and a report replaces a report, before the replay starts."""
    path = prepare(folder)
    require_refusal(folder, ["backtest", str(folder / "recording"), option, str(path)], message, capsys)


def foreign_samples(folder: Path) -> Path:
    """Return a folder with a file that has the name of a recording's samples."""
    (folder / "mine").mkdir()
    (folder / "mine" / "samples.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    return folder / "mine"


def linked_header(folder: Path) -> Path:
    """Return a folder whose header of a recording is a link."""
    (folder / "mine").mkdir()
    (folder / "mine" / "recording.json").symlink_to(folder / "recording" / "recording.json")
    return folder / "mine"


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        pytest.param(text_file(), "it is not a folder", id="a file"),
        pytest.param(link("nothing"), "it is not a folder", id="a link to nothing"),
        pytest.param(foreign_samples, "other content", id="foreign samples"),
        pytest.param(linked_header, "it is a link to", id="a linked header"),
    ],
)
def test_a_recording_over_another_file_is_refused(
    folder: Path, prepare: Prepare, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The files of a new recording are checked before Prometheus is queried."""
    path = prepare(folder)
    args = ["backtest", str(path), "--from", "1h", "--prometheus", "http://127.0.0.1:9"]
    require_refusal(folder, args, message, capsys)


def test_two_outputs_at_one_path_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second one would replace the first."""
    path = str(folder / "out")
    args = ["backtest", str(folder / "recording"), "--output", path, "--report", path]
    require_refusal(folder, args, "another output has this path", capsys)


def test_decisions_of_several_recordings_need_a_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file is not a folder, and one foreign file in the folder stops all of them."""
    write_recording(folder / "all" / "a", {("shop", "p99"): make_steady_values(5)}, name="a")
    write_recording(folder / "all" / "b", {("shop", "p99"): make_steady_values(5)}, name="b")
    args = ["backtest", str(folder / "all"), "--output"]
    require_refusal(folder, [*args, str(text_file()(folder))], "it is not a folder", capsys)
    (folder / "out").mkdir()
    (folder / "out" / "b.jsonl").write_text("mine\n")
    require_refusal(folder, [*args, str(folder / "out")], "other content", capsys)


def test_own_files_and_empty_files_are_replaced(folder: Path) -> None:
    """A repeat of each verb succeeds, and so does a file that another command has just created empty."""
    for name in ("backup.db", "decisions.jsonl", "report.html"):
        (folder / name).touch()
    outputs = ["--output", str(folder / "decisions.jsonl"), "--report", str(folder / "report.html")]
    for _ in range(2):
        assert run(["--state", str(folder / "state"), "backup", str(folder / "backup.db")]) == 0
        assert run(["--state", str(folder / "state"), "backtest", str(folder / "recording"), *outputs]) == 0
    assert [path for path in folder.iterdir() if path.name.startswith(".")] == []


def test_a_backup_of_a_former_version_is_replaced(folder: Path) -> None:
    """It has the store's tables, no mark, and no lock beside it."""
    former = folder / "former.db"
    asyncio.run(fill_store(former))
    (folder / "former.db.lock").unlink()
    assert run(["--state", str(folder / "state"), "backup", str(former)]) == 0


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        pytest.param(text_file(), "is not a back-up", id="notes"),
        pytest.param(foreign_database, "is not a back-up", id="a foreign database"),
        pytest.param(at(*STORE.parts), "is the configured store itself", id="the store"),
        pytest.param(link(str(STORE)), "is the configured store itself", id="a link to the store"),
        pytest.param(hard_link, "is the configured store itself", id="a hard link to the store"),
    ],
)
def test_a_restore_from_another_file_is_refused(
    folder: Path, prepare: Prepare, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of another program gets no tables of ours."""
    path = prepare(folder)
    require_refusal(folder, ["restore", str(path)], message, capsys)


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        pytest.param(text_file(), "other content", id="notes"),
        pytest.param(foreign_database, "other content", id="a foreign database"),
        pytest.param(pipe, "it is a pipe", id="a pipe"),
        pytest.param(at("recording"), "it is a directory", id="a directory"),
    ],
)
def test_a_restore_into_another_file_is_refused(
    folder: Path, prepare: Prepare, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The configured path of the store may be that of another program's database by mistake."""
    assert run(["--state", str(folder / "state"), "backup", str(folder / "backup.db")]) == 0
    path = prepare(folder)
    (folder / "new").mkdir()
    path.rename(folder / "new" / "knowledge.db")
    capsys.readouterr()
    require_refusal(folder, ["--state", str(folder / "new"), "restore", str(folder / "backup.db")], message, capsys)


def test_a_restore_leaves_the_backup_as_it_was(folder: Path) -> None:
    """The schema of a copy is migrated: the former version may need the back-up. No lock is left beside it."""
    backup = folder / "backup.db"
    assert run(["--state", str(folder / "state"), "backup", str(backup)]) == 0
    before = read_tree(folder)
    assert run(["--state", str(folder / "new"), "restore", str(backup)]) == 0
    assert {name: content for name, content in read_tree(folder).items() if not name.startswith("new")} == before


def test_a_file_that_appears_during_the_work_is_kept(tmp_path: Path) -> None:
    """The path is checked again before it is replaced."""
    path = tmp_path / "backup.db"
    with ExitStack() as stack:
        stack.enter_context(replaced_output(path, BACKUP, None)).write_bytes(b"copy")
        path.write_bytes(b"of another program")
        with pytest.raises(ConfigurationError, match="other content"):
            stack.close()
    assert read_tree(tmp_path) == {"backup.db": b"of another program"}


@pytest.fixture
def dead_process() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("name", "is_removed"),
    [
        (".mapek-pid-{dead}-abcd_123", True),
        (".mapek-pid-{own}-abcd_123", True),
        (".mapek-pid-{live}-abcd_123", False),
        (".mapek-pid-1{dead}0000000-abcd_123", False),
        (".mapek-pid-{dead}-notes", False),
        (".mapek-pid-{dead}-abcd_123.old", False),
        (".mapek-pid-0-abcd_123", False),
        (".mapek-{dead}", False),
        (".backup-2025", False),
        (".backup-abcd_123", False),
    ],
)
def test_only_folders_of_dead_processes_are_removed(
    tmp_path: Path, dead_process: int, name: str, is_removed: bool
) -> None:
    """The name must have exactly our form, with the number of a dead process."""
    folder = tmp_path / name.format(dead=dead_process, own=os.getpid(), live=os.getppid())
    folder.mkdir()
    (folder / "unfinished").write_bytes(b"half")
    (folder / "unfinished-wal").write_bytes(b"half")
    remove_stale_folders(tmp_path)
    assert folder.exists() is not is_removed


@pytest.mark.parametrize("name", [".backup-2025", ".backup-killed", ".mapek-pid-1-notes"])
def test_a_backup_keeps_foreign_folders_beside_it(folder: Path, name: str) -> None:
    """A folder with a similar name is not a leftover of ours."""
    (folder / name).mkdir()
    (folder / name / "thesis.txt").write_text("mine")
    assert run(["--state", str(folder / "state"), "backup", str(folder / "backup.db")]) == 0
    assert (folder / name / "thesis.txt").read_text() == "mine"


def test_a_backup_removes_the_folder_of_a_killed_one(folder: Path, dead_process: int) -> None:
    """Frequent back-ups must not fill the disk."""
    leftover = folder / f".mapek-pid-{dead_process}-abcd_123"
    leftover.mkdir()
    (leftover / "unfinished").write_bytes(b"half")
    assert run(["--state", str(folder / "state"), "backup", str(folder / "backup.db")]) == 0
    assert not leftover.exists()


def test_a_folder_that_may_be_in_use_or_foreign_stays(tmp_path: Path, dead_process: int) -> None:
    """A lock, a file of another name, a link and a plain file each keep a path with our name."""
    names = [f".mapek-pid-{dead_process}-abcd_12{number}" for number in range(4)]
    locked, mixed, linked, plain = (tmp_path / name for name in names)
    locked.mkdir()
    mixed.mkdir()
    (mixed / "thesis.txt").write_text("mine")
    (tmp_path / "target").mkdir()
    linked.symlink_to(tmp_path / "target", target_is_directory=True)
    plain.write_text("mine")
    before = read_tree(tmp_path)
    descriptor = os.open(locked, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    remove_stale_folders(tmp_path)
    assert read_tree(tmp_path) == before
    os.close(descriptor)
    remove_stale_folders(tmp_path)
    assert not locked.exists()


def test_simultaneous_backups_keep_each_others_folder(tmp_path: Path) -> None:
    """Two calls into one folder do not disturb each other."""
    with private_folder(tmp_path) as first, private_folder(tmp_path) as second:
        assert first.is_dir()
        assert second.is_dir()
    assert list(tmp_path.iterdir()) == []

"""The one check of every path that a verb writes, and the private folder in which its file is made.

A verb replaces a file only if mapek wrote it: the store, a link, a directory, a device or a file of another program is
refused with exit code 2. Files of an unknown kind are opened for reading only.
"""

import fcntl
import gzip
import json
import os
import re
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from activities.model.errors import ConfigurationError
from worker.backtest.recording import COLUMNS

STORE_SUFFIXES = ("", "-wal", "-shm", "-journal", ".lock", ".worker")
"""Files of an SQLite store: the database, SQLite's own files, the lock of the migration and that of the worker."""
IN_USE_SUFFIXES = ("-wal", "-shm", "-journal", ".worker")
"""Beside a database, each of these shows that it is a store or has unwritten changes. A back-up has none of them."""
BACKUP_APPLICATION_ID = 0x4D41504B
"""SQLite's application id of a back-up: "MAPK". A store has none."""
STORE_TABLES = frozenset({"alembic_version", "audit", "plans", "outcomes"})
"""Tables that every schema of the store has."""
TEMPORARY_NAME = re.compile(r"\.mapek-pid-([1-9][0-9]{0,9})-[a-z0-9_]{8}")
"""Name of a private folder: the process that made it, and a random part."""
UNFINISHED_NAME = "unfinished"
"""Name of the file in a private folder; SQLite and the store's lock add suffixes."""
_SQLITE_MAGIC = b"SQLite format 3\0"
_MAX_LINE_BYTES = 1 << 20
_FILE_TYPES = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)


@dataclass(frozen=True)
class OutputKind:
    """What a verb writes. `is_own` reads an existing file that is not empty, and returns whether mapek wrote it.

    A database is opened and filled in place, so its path may be a link; every other file is replaced.
    """

    name: str
    is_own: Callable[[Path], bool]
    is_replaced: bool = True
    is_database: bool = False


def require_output_path(path: Path, kind: OutputKind, store: Path | None) -> None:
    """Return if `path` may be written as this kind. `store` is the path of the SQLite store, None without one.

    Raises:
        ConfigurationError: the message has the path, the reason and the fix.
    """
    try:
        reason = _find_reason(path, kind, store)
    except (OSError, ValueError) as error:
        reason = f"it cannot be checked ({error}); choose another path"
    if reason:
        raise ConfigurationError(f"cannot write {kind.name} to {path}: {reason}")


def _find_reason(path: Path, kind: OutputKind, store: Path | None) -> str:
    """Return why the path is refused and the fix, or "" if it is allowed."""
    if kind.is_replaced and (reason := _find_place_reason(path, kind, store)):
        return reason
    if not path.exists():
        return ""
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        file_type = next((name for is_type, name in _FILE_TYPES if is_type(state.st_mode)), "not a regular file")
        return f"it is {file_type}; choose the path of a regular file"
    if state.st_size and not kind.is_own(path):
        return f"it has other content ({state.st_size} bytes); choose another path, or move the file away"
    return ""


def _find_place_reason(path: Path, kind: OutputKind, store: Path | None) -> str:
    """Return why no file can be replaced at this path, with any content."""
    if store is not None and (used_name := _find_store_file(path, store)):
        return f"it is {used_name}, a file of the store (knowledge.sqlite_path {store}); choose another path"
    if path.is_symlink():
        return f"it is a link to {path.readlink()}; name the file itself, or remove the link"
    if not path.parent.is_dir():
        return f"{path.parent} is not a folder; create it, or choose another path"
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return f"{path.parent} is not writable for this user; choose another folder"
    if kind.is_database and (neighbour := _find_neighbour(path, IN_USE_SUFFIXES)):
        return f"{neighbour} beside it belongs to a database in use; choose another path"
    return ""


def _find_store_file(path: Path, store: Path) -> str:
    """Return the name of the store's file that `path` is, through any link, or "". Names count before files exist."""
    output = path.parent.resolve() / path.name
    for base in (store.absolute(), store.parent.resolve() / store.name, store.resolve()):
        for suffix in STORE_SUFFIXES:
            name = base.with_name(base.name + suffix)
            if output == name or path.resolve() == name or (path.exists() and name.exists() and path.samefile(name)):
                return name.name
    return ""


def _find_neighbour(path: Path, suffixes: tuple[str, ...]) -> str:
    names = (path.with_name(path.name + suffix) for suffix in suffixes)
    return next((name.name for name in names if os.path.lexists(name)), "")


def is_store(path: Path) -> bool:
    """Return whether the file is an SQLite database with the store's tables. Nothing is written beside it."""
    with path.open("rb") as file:
        if file.read(len(_SQLITE_MAGIC)) != _SQLITE_MAGIC:
            return False
    try:
        with closing(connect_unchanged(path)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error:
        return False
    return tables >= STORE_TABLES


def is_backup(path: Path) -> bool:
    """Return whether the file is a back-up. Those of former versions are stores that no process opened in place."""
    if not is_store(path):
        return False
    with closing(connect_unchanged(path)) as connection:
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    return application_id == BACKUP_APPLICATION_ID or not _find_neighbour(path, (".lock",))


def connect_unchanged(path: Path) -> sqlite3.Connection:
    """Return a connection that only reads the database and its write-ahead log. Raises sqlite3.Error."""
    has_log = path.with_name(path.name + "-wal").exists()
    # Without a log nothing is written beside the file: neither locks nor shared memory.
    address = f"{path.absolute().as_uri()}?mode=ro{'' if has_log else '&immutable=1'}"
    return sqlite3.connect(address, uri=True)


def _is_decisions(path: Path) -> bool:
    with path.open("rb") as file:
        line = file.readline(_MAX_LINE_BYTES)
    try:
        cycle = json.loads(line)
    except ValueError:
        return False
    return isinstance(cycle, dict) and {"at", "violations", "acts", "executed"} <= cycle.keys()


def _is_report(path: Path) -> bool:
    with path.open("rb") as file:
        return b"<title>What the loop would have done</title>" in file.read(4096)


def _is_recording_header(path: Path) -> bool:
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(header, dict) and {"name", "step_seconds", "start", "end"} <= header.keys()


def _is_recording_samples(path: Path) -> bool:
    try:
        with gzip.open(path, "rb") as file:
            return file.readline(_MAX_LINE_BYTES) == (",".join(COLUMNS) + "\n").encode()
    except (OSError, EOFError):
        return False


BACKUP = OutputKind("a back-up", is_backup, is_database=True)
STORE = OutputKind("a store", is_store, is_replaced=False, is_database=True)
DECISIONS = OutputKind("decisions of a backtest", _is_decisions)
REPORT = OutputKind("a report of a backtest", _is_report)
RECORDING_HEADER = OutputKind("the header of a recording", _is_recording_header)
RECORDING_SAMPLES = OutputKind("the samples of a recording", _is_recording_samples)


@contextmanager
def replaced_output(path: Path, kind: OutputKind, store: Path | None) -> Iterator[Path]:
    """Yield the path of a new file, which replaces `path` after the block. If the block raises, `path` is unchanged.

    Raises:
        ConfigurationError: the path is refused, before the block or after it.
    """
    require_output_path(path, kind, store)
    with private_folder(path.absolute().parent) as folder:
        unfinished = folder / UNFINISHED_NAME
        yield unfinished
        require_output_path(path, kind, store)
        unfinished.replace(path)


@contextmanager
def private_folder(parent: Path) -> Iterator[Path]:
    """Yield a new folder for this process only, locked until it is removed. Stale ones beside it are removed."""
    remove_stale_folders(parent)
    with tempfile.TemporaryDirectory(prefix=f".mapek-pid-{os.getpid()}-", dir=parent) as name:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # A file system without locks only loses the removal of stale folders.
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield Path(name)
        finally:
            os.close(descriptor)


def remove_stale_folders(parent: Path) -> None:
    """Remove the private folders of dead processes. A folder that is not provably stale stays.

    Stale is a folder of this user with our name, without a lock, with files of ours only, whose process is dead. In a
    container each process has the same number, so the number of this process counts as dead too: the lock decides.
    """
    try:
        folders = list(parent.iterdir())
    except OSError:
        return
    for folder in folders:
        match = TEMPORARY_NAME.fullmatch(folder.name)
        if match and not _is_other_process(int(match[1])):
            # A folder that cannot be opened or removed is not ours, or another process removes it now.
            with suppress(OSError):
                _remove_unlocked(folder)


def _is_other_process(number: int) -> bool:
    """Return whether another process with this number is alive."""
    if number == os.getpid():
        return False
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _remove_unlocked(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_own = os.fstat(descriptor).st_uid == os.geteuid()
        if is_own and all(_is_own_file(entry) for entry in folder.iterdir()):
            shutil.rmtree(folder)
    finally:
        os.close(descriptor)


def _is_own_file(entry: Path) -> bool:
    return entry.name in {UNFINISHED_NAME + suffix for suffix in STORE_SUFFIXES} and stat.S_ISREG(entry.lstat().st_mode)

"""The stack's folder: lock, tokens, logs and data, readable by its owner only."""

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.devstack.errors import UsageError

_LOCK_NAME = "stack.lock"
# Only what the stack makes itself: cleaning must never touch anything else that lies in the folder.
_DATA_FILES = (
    "temporal.db",
    "temporal.db-wal",
    "temporal.db-shm",
    "knowledge.db",
    "knowledge.db-wal",
    "knowledge.db-shm",
)
_OWNED_ENTRIES = (
    *_DATA_FILES,
    "run.json",
    "mapek.yaml",
    "charter.token",
    "webhook.token",
    "logs",
    "prometheus",
    "alertmanager",
)


class StateDirectory:
    """The locked state folder of one running stack; `close` lets the next stack in."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self._lock = self._acquire_lock()

    @property
    def run_file(self) -> Path:
        """Addresses and process ids of the running stack, as JSON; there only while it runs."""
        return self.path / "run.json"

    @property
    def config_file(self) -> Path:
        """The config that MAPE-K is started with."""
        return self.path / "mapek.yaml"

    @property
    def logs(self) -> Path:
        """The folder of all logs, `<part>.log` each."""
        return self.path / "logs"

    def prepare(self, keep_data: bool) -> None:
        """Remove what the previous stack left, its data only if not `keep`, and make tokens and folders anew."""
        for name in ("run.json",) if keep_data else _OWNED_ENTRIES:
            _remove(self.path / name)
        for name in ("logs", "prometheus", "alertmanager"):
            (self.path / name).mkdir(mode=0o700, exist_ok=True)
        for name in ("charter.token", "webhook.token"):
            write_private(self.path / name, secrets.token_urlsafe(32) + "\n")

    def write_run_file(self, content: Mapping[str, Any]) -> None:
        """Write run.json at one stroke: who reads it sees all or nothing."""
        write_private(self.run_file, json.dumps(content, indent=2) + "\n")

    def remove_run_file(self) -> None:
        """Take run.json away."""
        self.run_file.unlink(missing_ok=True)

    def close(self) -> None:
        """Release the lock. The lock file stays: removing it would let two stacks lock two files of one name."""
        os.close(self._lock)

    def _acquire_lock(self) -> int:
        lock = self.path / _LOCK_NAME
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{self.path} is not a folder")
        if (
            self.path.is_dir()
            and not lock.exists()
            and {entry.name for entry in self.path.iterdir()} - {*_OWNED_ENTRIES}
        ):
            raise UsageError(f"{self.path} holds something else: give --state an empty or a new folder")
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise UsageError(
                f"{self.path} is in use by another stack (process {holder}): stop that one, or give --state DIR"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
        return descriptor


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, atomically."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

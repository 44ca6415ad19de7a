"""The stack's state folder: lock, tokens, logs and data, readable only by its owner."""

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
# Only files that the stack creates: cleaning must never remove any other file in the folder.
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
    """The locked state folder of one running stack; `close` releases it."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self._lock = self._acquire_lock()

    @property
    def run_file(self) -> Path:
        """Addresses and process ids as JSON; the file exists only while the stack runs."""
        return self.path / "run.json"

    @property
    def config_file(self) -> Path:
        """MAPE-K's configuration file."""
        return self.path / "mapek.yaml"

    @property
    def logs(self) -> Path:
        """The folder of all logs, `<service>.log` each."""
        return self.path / "logs"

    def prepare(self, keep_data: bool) -> None:
        """Remove the previous stack's files (not its data if `keep_data`) and create tokens and folders."""
        for name in ("run.json",) if keep_data else _OWNED_ENTRIES:
            _remove(self.path / name)
        for name in ("logs", "prometheus", "alertmanager"):
            (self.path / name).mkdir(mode=0o700, exist_ok=True)
        for name in ("charter.token", "webhook.token"):
            write_private(self.path / name, secrets.token_urlsafe(32) + "\n")

    def write_run_file(self, content: Mapping[str, Any]) -> None:
        """Write run.json atomically."""
        write_private(self.run_file, json.dumps(content, indent=2) + "\n")

    def remove_run_file(self) -> None:
        """Remove run.json."""
        self.run_file.unlink(missing_ok=True)

    def close(self) -> None:
        """Release the lock. The lock file stays: without it two stacks could lock two files of one name."""
        os.close(self._lock)

    def _acquire_lock(self) -> int:
        lock = self.path / _LOCK_NAME
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{self.path} is not a folder; give --state a folder")
        if (
            self.path.is_dir()
            and not lock.exists()
            and {entry.name for entry in self.path.iterdir()} - {*_OWNED_ENTRIES}
        ):
            raise UsageError(f"{self.path} contains files of another program; give --state an empty or a new folder")
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise UsageError(
                f"{self.path} is in use by another stack (process {holder}); stop it or give --state another folder"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
        return descriptor


def write_private(path: Path, text: str) -> None:
    """Write a file atomically; only its owner can read it."""
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

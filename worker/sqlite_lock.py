"""More than one worker: only on a store that is a server."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from activities.model.errors import ConfigurationError
from worker.config.load import Config


@contextmanager
def exclusive_sqlite_worker(config: Config) -> Iterator[None]:
    """Hold the store's file as its only worker inside the block; nothing to hold for a server, or with the simulator.

    Two workers on two hosts would each keep guards and undo of their own in such a file, and neither knew of the
    other's. The embedded stack may have two on one file, which SQLite itself keeps whole.

    Raises:
        ConfigurationError: another worker holds it.
    """
    path = config.knowledge.sqlite_path
    if config.knowledge.database != "sqlite" or path is None or all(loop.simulator for loop in config.loops):
        yield
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(path.with_name(path.name + ".worker"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _try_lock(lock):
            raise ConfigurationError(
                f"another worker uses the store {path}, and SQLite serves one: for more replicas set "
                "knowledge.database to postgres, with its address in MAPEK_POSTGRES_URL"
            )
        yield
    finally:
        os.close(lock)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

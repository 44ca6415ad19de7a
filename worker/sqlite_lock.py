"""A lock that allows one worker on an SQLite store."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from activities.model.errors import ConfigurationError
from worker.config.load import Config


@contextmanager
def exclusive_sqlite_worker(config: Config) -> Iterator[None]:
    """Hold the lock of an SQLite store inside the block; do nothing for PostgreSQL or with the simulator.

    Two workers on two hosts would each have guard state and undo data of their own. The embedded stack may run two
    workers on one file, since both run on one host.

    Raises:
        ConfigurationError: another worker holds the lock.
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
                f"another worker uses the SQLite store {path}, which allows one worker; for more replicas set "
                "knowledge.database to postgres, and its address in MAPEK_POSTGRES_URL"
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

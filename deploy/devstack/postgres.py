"""A PostgreSQL of our own on loopback, for tests and rehearsals: made, killed, started again, removed without a trace.

PostgreSQL refuses to run as root. For root it runs as `nobody`, who reaches neither the cache of binaries nor a
private folder: so everything it needs lies in a temporary folder that belongs to that user.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import psycopg

from deploy.devstack import process
from deploy.devstack.errors import PartFailed
from deploy.devstack.fetch import TREE, libraries
from deploy.devstack.ports import LOOPBACK, Ports
from deploy.devstack.process import Child, as_user, ending
from deploy.devstack.state import write_private

USER = "mapek"
_NOBODY = 65534
_MADE = 60.0  # seconds for a new data folder
_READY = 30.0  # seconds until it answers; after a crash it reads its log first
_POLL = 0.1
_GRACE = 10.0
_OPTIONS = ("listen_addresses=" + LOOPBACK, "unix_socket_directories=", "jit=off", "max_connections=200")


class Postgres:
    """One database server with its data; `password` is that of its only user, who may do everything."""

    def __init__(self, binary: Path, folder: Path, port: int) -> None:
        self.port = port
        self.password = secrets.token_urlsafe(24)
        self.log = folder / "postgres.log"
        self._binary = binary.resolve()
        self._environment = {**os.environ, **libraries(binary)}
        self._data = folder / "data"
        self._user = _NOBODY if os.geteuid() == 0 else None
        self._child: Child | None = None

    def url(self, database: str = "postgres") -> str:
        """The address of a database in it, with user and password."""
        return f"postgresql://{USER}:{quote(self.password)}@{LOOPBACK}:{self.port}/{database}"

    async def make(self) -> None:
        """Make the data folder. Raises PartFailed, TimeoutError."""
        secret = self._data.with_name("password")
        write_private(secret, self.password)
        if self._user is not None:
            os.chown(secret, self._user, self._user)
        where = (f"--pgdata={self._data}", f"--username={USER}", f"--pwfile={secret}")
        how = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")
        argv = self._as_its_user(str(self._binary.with_name("initdb")), *where, *how)
        code = await process.run(argv, self.log, _MADE, self._environment)
        secret.unlink()
        if code != 0:
            raise PartFailed(f"initdb failed ({ending(code)}): {' '.join(process.tail(self.log, 1))}")

    async def start(self) -> None:
        """Start it, anew if it ends, and wait until it answers.

        Raises:
            TimeoutError: it did not answer within 30 seconds; its log says why.
        """
        options = (part for option in (*_OPTIONS, f"port={self.port}") for part in ("-c", option))
        argv = self._as_its_user(str(self._binary), "-D", str(self._data), *options)
        async with asyncio.timeout(_READY):
            while not await self._answers():
                if self._child is None or not self._child.running:
                    # Once more: what a killed one left of itself goes within moments, and until then none may start.
                    self._child = await process.start("postgres", argv, self.log, self._environment)
                await asyncio.sleep(_POLL)

    async def kill(self) -> None:
        """SIGKILL: its sessions end with it, and what was not committed is gone."""
        if self._child:
            await self._child.kill()

    async def stop(self) -> None:
        """End it and all its sessions at once; whoever starts it again finds everything that was committed."""
        if self._child and self._child.running:
            os.kill(self._child.pid, signal.SIGQUIT)  # SIGTERM would wait until everybody has left
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._child.wait(), _GRACE)
        await self.kill()

    async def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement outside a transaction, as making a database needs. Raises psycopg.Error."""
        async with await psycopg.AsyncConnection.connect(self.url(database), autocommit=True) as connection:
            await connection.execute(statement.encode())

    async def _answers(self) -> bool:
        if self._child is None or not self._child.running:
            return False
        try:
            await self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _as_its_user(self, *argv: str) -> list[str]:
        return list(argv) if self._user is None else as_user(argv, self._user)


@contextlib.asynccontextmanager
async def running_postgres(binary: Path) -> AsyncIterator[Postgres]:
    """A fresh PostgreSQL for the length of a block; its data go with it.

    Raises:
        PartFailed: it could not be made or started.
    """
    with contextlib.ExitStack() as cleanup:
        ports = Ports()
        cleanup.callback(ports.close)
        folder = Path(tempfile.mkdtemp(prefix="mapek-postgres-"))
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        if os.geteuid() == 0:
            binary = await asyncio.to_thread(_given_away, binary, folder)
        server = Postgres(binary, folder, ports.take(5432))
        try:
            await server.make()
            await server.start()
            yield server
        except TimeoutError:
            raise PartFailed(f"PostgreSQL gave no answer in time: {' '.join(process.tail(server.log, 1))}") from None
        finally:
            await server.stop()


def _given_away(binary: Path, folder: Path) -> Path:
    """Let the folder belong to the user it runs as, with a copy of what came from Debian's packages."""
    tree = binary.parent / TREE
    if tree.is_dir():
        shutil.copytree(tree, folder / TREE, symlinks=True)
        (folder / binary.name).symlink_to(binary.resolve().relative_to(tree.resolve().parent))
        binary = folder / binary.name
    os.chown(folder, _NOBODY, _NOBODY)
    return binary

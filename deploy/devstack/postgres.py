"""A temporary PostgreSQL on loopback, for tests: created, killed, restarted and removed.

PostgreSQL refuses to run as root. For root it runs as an unprivileged user, who cannot read the cache of binaries or a
private folder. So all its files are in a temporary folder of that user.
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
from deploy.devstack.errors import ServiceFailed
from deploy.devstack.ports import LOOPBACK, PortAllocator
from deploy.devstack.process import ChildProcess, describe_exit, wrap_as_user
from deploy.devstack.state import write_private
from deploy.devstack.versions import DEBIAN_TREE_DIR, library_environment

POSTGRES_USER = "mapek"
_UNPRIVILEGED_UID = 65534
_INIT_TIMEOUT_SECONDS = 60.0  # for a new data folder
_READY_TIMEOUT_SECONDS = 30.0  # includes replaying the log after a crash
_POLL_INTERVAL_SECONDS = 0.1
_STOP_TIMEOUT_SECONDS = 10.0
_SERVER_OPTIONS = ("listen_addresses=" + LOOPBACK, "unix_socket_directories=", "jit=off", "max_connections=200")


class Postgres:
    """One database server with its data; `password` is the password of its only user, a superuser."""

    def __init__(self, binary: Path, folder: Path, port: int) -> None:
        self.port = port
        self.password = secrets.token_urlsafe(24)
        self.log_path = folder / "postgres.log"
        self._binary = binary.resolve()
        self._environment = {**os.environ, **library_environment(binary)}
        self._data = folder / "data"
        self._user = _UNPRIVILEGED_UID if os.geteuid() == 0 else None
        self._child: ChildProcess | None = None

    def build_url(self, database: str = "postgres") -> str:
        """Return the URL of a database, with user and password."""
        return f"postgresql://{POSTGRES_USER}:{quote(self.password)}@{LOOPBACK}:{self.port}/{database}"

    async def initialize(self) -> None:
        """Create the data folder. Raises ServiceFailed, TimeoutError."""
        password_file = self._data.with_name("password")
        write_private(password_file, self.password)
        if self._user is not None:
            os.chown(password_file, self._user, self._user)
        location = (f"--pgdata={self._data}", f"--username={POSTGRES_USER}", f"--pwfile={password_file}")
        options = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")
        argv = self._wrap_command(str(self._binary.with_name("initdb")), *location, *options)
        code = await process.run(argv, self.log_path, _INIT_TIMEOUT_SECONDS, self._environment)
        password_file.unlink()
        if code != 0:
            raise ServiceFailed(
                f"initdb failed ({describe_exit(code)}): {' '.join(process.last_lines(self.log_path, 1))}"
            )

    async def start(self) -> None:
        """Start the server, again if it ends, and wait until it answers.

        Raises:
            TimeoutError: no answer within 30 seconds; the log has the reason.
        """
        options = (part for option in (*_SERVER_OPTIONS, f"port={self.port}") for part in ("-c", option))
        argv = self._wrap_command(str(self._binary), "-D", str(self._data), *options)
        async with asyncio.timeout(_READY_TIMEOUT_SECONDS):
            while not await self._is_answering():
                if self._child is None or not self._child.is_running:
                    # Retry: until the children of a killed server have ended, no new server can start.
                    self._child = await process.start("postgres", argv, self.log_path, self._environment)
                await asyncio.sleep(_POLL_INTERVAL_SECONDS)

    async def kill(self) -> None:
        """Kill the server with SIGKILL: its sessions end and uncommitted work is lost."""
        if self._child:
            await self._child.kill()

    async def stop(self) -> None:
        """Stop the server and its sessions immediately; committed data stay."""
        if self._child and self._child.is_running:
            os.kill(self._child.pid, signal.SIGQUIT)  # SIGTERM would wait for all sessions
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._child.wait(), _STOP_TIMEOUT_SECONDS)
        await self.kill()

    async def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement outside a transaction, as CREATE DATABASE requires. Raises psycopg.Error."""
        async with await psycopg.AsyncConnection.connect(self.build_url(database), autocommit=True) as connection:
            await connection.execute(statement.encode())

    async def _is_answering(self) -> bool:
        if self._child is None or not self._child.is_running:
            return False
        try:
            await self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _wrap_command(self, *argv: str) -> list[str]:
        return list(argv) if self._user is None else wrap_as_user(argv, self._user)


@contextlib.asynccontextmanager
async def running_postgres(binary: Path) -> AsyncIterator[Postgres]:
    """Run a new PostgreSQL for the duration of a block, then remove its data.

    Raises:
        ServiceFailed: it could not be created or started.
    """
    with contextlib.ExitStack() as cleanup:
        ports = PortAllocator()
        cleanup.callback(ports.close)
        folder = Path(tempfile.mkdtemp(prefix="mapek-postgres-"))
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        if os.geteuid() == 0:
            binary = await asyncio.to_thread(_prepare_for_unprivileged_user, binary, folder)
        server = Postgres(binary, folder, ports.allocate(5432))
        try:
            await server.initialize()
            await server.start()
            yield server
        except TimeoutError:
            last_line = " ".join(process.last_lines(server.log_path, 1))
            raise ServiceFailed(
                f"PostgreSQL did not answer within {_READY_TIMEOUT_SECONDS:.0f} s; its log ends with: {last_line}"
            ) from None
        finally:
            await server.stop()


def _prepare_for_unprivileged_user(binary: Path, folder: Path) -> Path:
    """Give the folder to the unprivileged user, with a copy of the Debian packages; return the binary's new path."""
    tree = binary.parent / DEBIAN_TREE_DIR
    if tree.is_dir():
        shutil.copytree(tree, folder / DEBIAN_TREE_DIR, symlinks=True)
        (folder / binary.name).symlink_to(binary.resolve().relative_to(tree.resolve().parent))
        binary = folder / binary.name
    os.chown(folder, _UNPRIVILEGED_UID, _UNPRIVILEGED_UID)
    return binary

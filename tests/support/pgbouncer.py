"""A real pgbouncer on loopback before a PostgreSQL server."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from deploy.devstack import binaries, process
from deploy.devstack.ports import LOOPBACK, PortAllocator
from deploy.devstack.postgres import POSTGRES_USER, Postgres
from deploy.devstack.process import wrap_as_user
from deploy.devstack.versions import DEBIAN_TREE_DIR, library_environment
from tests.support.waiting import wait_until

UNPRIVILEGED_UID = 65534
"""pgbouncer refuses to run as root."""
READY_TIMEOUT_SECONDS = 10.0
CONFIGURATION = """\
[databases]
* = host={host} port={server_port} user={user} password={password}
[pgbouncer]
listen_addr = {host}
listen_port = {port}
auth_type = any
pool_mode = {pool_mode}
default_pool_size = {pool_size}
unix_socket_dir =
"""


@asynccontextmanager
async def running_pgbouncer(postgres: Postgres, pool_mode: str, pool_size: int = 2) -> AsyncIterator[str]:
    """Run a pgbouncer before a server for the duration of a block, and yield the address of the database `postgres`."""
    found = (await binaries.ensure_binaries(["pgbouncer"], report=lambda _: None))["pgbouncer"].path
    folder = Path(tempfile.mkdtemp(prefix="mapek-pgbouncer-"))
    ports = PortAllocator()
    try:
        port = ports.allocate(6432)
        settings = folder / "pgbouncer.ini"
        settings.write_text(
            CONFIGURATION.format(
                host=LOOPBACK,
                server_port=postgres.port,
                user=POSTGRES_USER,
                password=postgres.password,
                port=port,
                pool_mode=pool_mode,
                pool_size=pool_size,
            )
        )
        argv = [str(copy_for_user(found, folder)), str(settings)]
        environment = library_environment(folder / "pgbouncer")
        if os.geteuid() == 0:
            argv = wrap_as_user(argv, UNPRIVILEGED_UID)
        child = await process.start("pgbouncer", argv, folder / "pgbouncer.log", environment)
        try:
            await wait_until("pgbouncer answers", partial(is_listening, port), READY_TIMEOUT_SECONDS)
            yield f"postgresql://{POSTGRES_USER}@{LOOPBACK}:{port}/postgres"
        finally:
            await child.kill()
    finally:
        ports.close()
        shutil.rmtree(folder)


async def is_listening(port: int) -> bool:
    """Return whether a server accepts connections on a port."""
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True


def copy_for_user(binary: Path, folder: Path) -> Path:
    """Copy a Debian tree to a folder that the unprivileged user can read; return the binary there."""
    tree = binary.parent / DEBIAN_TREE_DIR
    if not tree.is_dir():
        return binary
    shutil.copytree(tree, folder / DEBIAN_TREE_DIR, symlinks=True)
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755)
    return folder / binary.resolve().relative_to(tree.resolve().parent)

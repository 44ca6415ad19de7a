"""A Temporal server on PostgreSQL on loopback, with several shards: the files of production, their ports ours.

It speaks TLS and wants an API key. For rehearsals: the server and the database can be killed and started again one by
one.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client
from temporalio.service import RPCError, TLSConfig

from deploy.devstack import process
from deploy.devstack.errors import PartFailed
from deploy.devstack.ports import LOOPBACK, Ports
from deploy.devstack.postgres import USER, Postgres, running_postgres
from deploy.devstack.process import Child, ending, report

_ROOT = Path(__file__).resolve().parents[2]
_SHARDS = 4
_SERVICES = ("internal-frontend", "frontend", "history", "matching", "worker")
_DATABASES = ("temporal", "temporal_visibility", "mapek")
_SCHEMA = 60.0  # seconds for both schemas
_READY = 60.0  # seconds until it serves
_POLL = 0.1


@dataclass(frozen=True)
class Guard:
    """What keeps strangers out: the frontend's certificate, and where the keys are published that sign API keys."""

    certificate: Path
    key: Path
    jwks_url: str


@dataclass
class Cluster:
    """The two servers. `address` is Temporal's host:port, `store_url` that of an empty database for the store."""

    postgres: Postgres
    binaries: Mapping[str, Path]
    logs: Path
    port: int
    guard: Guard
    child: Child | None = None

    @property
    def address(self) -> str:
        """Where Temporal answers."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def store_url(self) -> str:
        """The store's database."""
        return self.postgres.url("mapek")

    async def make(self) -> None:
        """Make the databases and Temporal's schemas, those twice as every start of a deployment does.

        Raises:
            PartFailed: a schema could not be made.
        """
        for database in _DATABASES:
            await self.postgres.execute(f"CREATE DATABASE {database}")
        log = self.logs / "schema.log"
        for _ in range(2):
            script = str(_ROOT / "deploy/temporal/schema.sh")
            code = await process.run(["/bin/sh", script], log, _SCHEMA, self._environment())
            if code != 0:
                raise PartFailed(f"the schema failed ({ending(code)}): {' '.join(process.tail(log, 3))}")

    async def start(self) -> None:
        """Start Temporal and wait until it serves.

        Raises:
            PartFailed: it ended, or did not serve within a minute.
        """
        where = ("--root", str(_ROOT / "deploy"), "--config", "temporal", "--env", "production")
        services = (word for service in _SERVICES for word in ("--service", service))
        argv = [str(self.binaries["temporal-server"]), *where, "start", *services]
        log = self.logs / "temporal-server.log"
        self.child = await process.start("temporal-server", argv, log, self._environment(), _ROOT)
        try:
            async with asyncio.timeout(_READY):
                while not await self._serves():
                    if not self.child.running:
                        raise PartFailed(report("the Temporal server ended", self.child))
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            raise PartFailed(report("the Temporal server did not serve in time", self.child)) from None

    async def kill(self) -> None:
        """SIGKILL to Temporal."""
        if self.child:
            await self.child.kill()

    async def _serves(self) -> bool:
        try:
            client = await Client.connect(self.address, tls=TLSConfig(self.guard.certificate.read_bytes()))
            return await client.service_client.check_health()
        except (RPCError, RuntimeError):
            return False

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "SQL_HOST": LOOPBACK,
            "SQL_PORT": str(self.postgres.port),
            "SQL_USER": USER,
            "SQL_PASSWORD": self.postgres.password,
            "TEMPORAL_SQL_TOOL": str(self.binaries["temporal-sql-tool"]),
            "TEMPORAL_SQL_ADDRESS": f"{LOOPBACK}:{self.postgres.port}",
            "TEMPORAL_SQL_USER": USER,
            "TEMPORAL_PORT": str(self.port),
            "TEMPORAL_SHARDS": str(_SHARDS),
            "TEMPORAL_JWKS_URL": self.guard.jwks_url,
            "TEMPORAL_TLS_CERT": str(self.guard.certificate),
            "TEMPORAL_TLS_KEY": str(self.guard.key),
        }


@contextlib.asynccontextmanager
async def running_cluster(binaries: Mapping[str, Path], logs: Path, guard: Guard) -> AsyncIterator[Cluster]:
    """Both servers for the length of a block; their data go with it.

    Raises:
        PartFailed: one of them could not be made or started.
    """
    async with running_postgres(binaries["postgres"]) as postgres:
        ports = Ports()
        cluster = Cluster(postgres, binaries, logs, ports.take(17233), guard)
        try:
            await cluster.make()
            await cluster.start()
            yield cluster
        finally:
            await cluster.kill()
            ports.close()

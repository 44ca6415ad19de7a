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
from deploy.devstack.errors import ServiceFailed
from deploy.devstack.ports import LOOPBACK, PortAllocator
from deploy.devstack.postgres import POSTGRES_USER, Postgres, running_postgres
from deploy.devstack.process import ChildProcess, append_log_tail, describe_exit
from deploy.devstack.render import REPOSITORY_ROOT

_HISTORY_SHARDS = 4
_TEMPORAL_SERVICES = ("internal-frontend", "frontend", "history", "matching", "worker")
_DATABASES = ("temporal", "temporal_visibility", "mapek")
_SCHEMA_TIMEOUT_SECONDS = 60.0  # seconds for both schemas
_READY_TIMEOUT_SECONDS = 60.0  # seconds until it serves
_POLL_INTERVAL_SECONDS = 0.1


@dataclass(frozen=True)
class FrontendSecurity:
    """What keeps strangers out: the frontend's certificate, and where the keys are published that sign API keys."""

    certificate: Path
    key: Path
    jwks_url: str


@dataclass
class TemporalCluster:
    """The two servers. `address` is Temporal's host:port, `store_url` that of an empty database for the store."""

    postgres: Postgres
    binaries: Mapping[str, Path]
    logs: Path
    port: int
    security: FrontendSecurity
    child: ChildProcess | None = None

    @property
    def address(self) -> str:
        """Where Temporal answers."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def store_url(self) -> str:
        """The store's database."""
        return self.postgres.build_url("mapek")

    async def initialize(self) -> None:
        """Make the databases and Temporal's schemas, those twice as every start of a deployment does.

        Raises:
            PartFailed: a schema could not be made.
        """
        for database in _DATABASES:
            await self.postgres.execute(f"CREATE DATABASE {database}")
        log = self.logs / "schema.log"
        for _ in range(2):
            script = str(REPOSITORY_ROOT / "deploy/temporal/schema.sh")
            code = await process.run(["/bin/sh", script], log, _SCHEMA_TIMEOUT_SECONDS, self._build_environment())
            if code != 0:
                raise ServiceFailed(
                    f"the schema failed ({describe_exit(code)}): {' '.join(process.last_lines(log, 3))}"
                )

    async def start(self) -> None:
        """Start Temporal and wait until it serves.

        Raises:
            PartFailed: it ended, or did not serve within a minute.
        """
        where = ("--root", str(REPOSITORY_ROOT / "deploy"), "--config", "temporal", "--env", "production")
        services = (word for service in _TEMPORAL_SERVICES for word in ("--service", service))
        argv = [str(self.binaries["temporal-server"]), *where, "start", *services]
        log = self.logs / "temporal-server.log"
        self.child = await process.start("temporal-server", argv, log, self._build_environment(), REPOSITORY_ROOT)
        try:
            async with asyncio.timeout(_READY_TIMEOUT_SECONDS):
                while not await self._is_serving():
                    if not self.child.is_running:
                        raise ServiceFailed(append_log_tail("the Temporal server ended", self.child))
                    await asyncio.sleep(_POLL_INTERVAL_SECONDS)
        except TimeoutError:
            raise ServiceFailed(append_log_tail("the Temporal server did not serve in time", self.child)) from None

    async def kill(self) -> None:
        """SIGKILL to Temporal."""
        if self.child:
            await self.child.kill()

    async def _is_serving(self) -> bool:
        try:
            client = await Client.connect(self.address, tls=TLSConfig(self.security.certificate.read_bytes()))
            return await client.service_client.check_health()
        except (RPCError, RuntimeError):
            return False

    def _build_environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "SQL_HOST": LOOPBACK,
            "SQL_PORT": str(self.postgres.port),
            "SQL_USER": POSTGRES_USER,
            "SQL_PASSWORD": self.postgres.password,
            "TEMPORAL_SQL_TOOL": str(self.binaries["temporal-sql-tool"]),
            "TEMPORAL_SQL_ADDRESS": f"{LOOPBACK}:{self.postgres.port}",
            "TEMPORAL_SQL_USER": POSTGRES_USER,
            "TEMPORAL_PORT": str(self.port),
            "TEMPORAL_SHARDS": str(_HISTORY_SHARDS),
            "TEMPORAL_JWKS_URL": self.security.jwks_url,
            "TEMPORAL_TLS_CERT": str(self.security.certificate),
            "TEMPORAL_TLS_KEY": str(self.security.key),
        }


@contextlib.asynccontextmanager
async def running_cluster(
    binaries: Mapping[str, Path], logs: Path, security: FrontendSecurity
) -> AsyncIterator[TemporalCluster]:
    """Both servers for the length of a block; their data go with it.

    Raises:
        PartFailed: one of them could not be made or started.
    """
    async with running_postgres(binaries["postgres"]) as postgres:
        ports = PortAllocator()
        cluster = TemporalCluster(postgres, binaries, logs, ports.allocate(17233), security)
        try:
            await cluster.initialize()
            await cluster.start()
            yield cluster
        finally:
            await cluster.kill()
            ports.close()

"""A Temporal server on PostgreSQL on loopback, with several shards: production's files with ports of this stack.

The server uses TLS and requires an API key. Tests kill and restart the server and the database one by one.
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
_SCHEMA_TIMEOUT_SECONDS = 60.0  # for both schemas
_READY_TIMEOUT_SECONDS = 60.0
_POLL_INTERVAL_SECONDS = 0.1


@dataclass(frozen=True)
class FrontendSecurity:
    """The frontend's certificate with its key, and the URL of the public keys that verify API keys."""

    certificate: Path
    key: Path
    jwks_url: str


@dataclass
class TemporalCluster:
    """Temporal and its PostgreSQL; `store_url` leads to an empty database for the store."""

    postgres: Postgres
    binaries: Mapping[str, Path]
    logs: Path
    port: int
    security: FrontendSecurity
    child: ChildProcess | None = None

    @property
    def address(self) -> str:
        """Temporal's host:port."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def store_url(self) -> str:
        """The URL of the store's database."""
        return self.postgres.build_url("mapek")

    async def initialize(self) -> None:
        """Create the databases and Temporal's schemas; run the schema script twice, as repeated deployments do.

        Raises:
            ServiceFailed: a schema could not be created.
        """
        for database in _DATABASES:
            await self.postgres.execute(f"CREATE DATABASE {database}")
        log = self.logs / "schema.log"
        for _ in range(2):
            script = str(REPOSITORY_ROOT / "deploy/temporal/schema.sh")
            code = await process.run(["/bin/sh", script], log, _SCHEMA_TIMEOUT_SECONDS, self._build_environment())
            if code != 0:
                raise ServiceFailed(
                    f"Temporal's schema script failed ({describe_exit(code)}): {' '.join(process.last_lines(log, 3))}"
                )

    async def start(self) -> None:
        """Start Temporal and wait until it serves.

        Raises:
            ServiceFailed: it ended, or did not serve within a minute.
        """
        location = ("--root", str(REPOSITORY_ROOT / "deploy"), "--config", "temporal", "--env", "production")
        services = (word for service in _TEMPORAL_SERVICES for word in ("--service", service))
        argv = [str(self.binaries["temporal-server"]), *location, "start", *services]
        log = self.logs / "temporal-server.log"
        self.child = await process.start("temporal-server", argv, log, self._build_environment(), REPOSITORY_ROOT)
        try:
            async with asyncio.timeout(_READY_TIMEOUT_SECONDS):
                while not await self._is_serving():
                    if not self.child.is_running:
                        raise ServiceFailed(append_log_tail("the Temporal server ended", self.child))
                    await asyncio.sleep(_POLL_INTERVAL_SECONDS)
        except TimeoutError:
            late = f"the Temporal server did not serve within {_READY_TIMEOUT_SECONDS:.0f} s"
            raise ServiceFailed(append_log_tail(late, self.child)) from None

    async def kill(self) -> None:
        """Kill Temporal with SIGKILL."""
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
    """Run both servers for the duration of a block, then remove their data.

    Raises:
        ServiceFailed: a server could not be created or started.
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

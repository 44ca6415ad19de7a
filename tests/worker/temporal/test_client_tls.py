"""Temporal behind TLS: a client needs the CA certificate and a trusted client certificate."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities.model.errors import Unreachable
from tests.worker.conftest import RunMapek
from tests.worker.http.test_tls import make_certificate
from worker.config.schema import TemporalSettings
from worker.temporal.client import connect

BLOCK_BYTES = 1 << 16


@pytest.fixture
def client(temporal: WorkflowEnvironment) -> Client:
    """A client without TLS, for the command's fixture."""
    return temporal.client


@asynccontextmanager
async def tls_proxy(target: str, context: ssl.SSLContext) -> AsyncIterator[int]:
    """Yield a loopback port that speaks TLS and forwards to the server in clear."""
    host, port = target.split(":")

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(BLOCK_BYTES):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside, outside = await asyncio.open_connection(host, int(port))
        await asyncio.gather(forward(reader, outside), forward(inside, writer), return_exceptions=True)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_connection_needs_certificates(
    client: Client, run_mapek: RunMapek, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the `TEMPORAL_TLS_*` variables the command connects; without, or with an unknown certificate, it exits 3."""
    (server, server_key), trusted, unknown = (
        make_certificate(tmp_path, name) for name in ("server", "trusted", "unknown")
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(trusted[0]))
    context.load_cert_chain(server, server_key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])
    async with tls_proxy(client.service_client.config.target_host, context) as port:
        monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{port}")
        assert (await run_mapek("cycles"))[0] == 3
        monkeypatch.setenv("TEMPORAL_TLS_SERVER_CA_CERT_PATH", str(unknown[0]))
        with pytest.raises(Unreachable, match="check TEMPORAL_TLS_"):
            await connect(TemporalSettings(address=f"127.0.0.1:{port}"))
        monkeypatch.setenv("TEMPORAL_TLS_SERVER_CA_CERT_PATH", str(server))
        for (certificate, key), code in ((trusted, 0), (unknown, 3)):
            monkeypatch.setenv("TEMPORAL_TLS_CLIENT_CERT_PATH", str(certificate))
            monkeypatch.setenv("TEMPORAL_TLS_CLIENT_KEY_PATH", str(key))
            assert (await run_mapek("cycles"))[0] == code, certificate

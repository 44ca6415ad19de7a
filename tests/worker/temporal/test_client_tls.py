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
        with pytest.raises(Unreachable, match="unknown CA: set TEMPORAL_TLS_SERVER_CA_CERT_PATH"):
            await connect(TemporalSettings(address=f"127.0.0.1:{port}"))
        monkeypatch.setenv("TEMPORAL_TLS_SERVER_CA_CERT_PATH", str(server))
        for (certificate, key), code in ((trusted, 0), (unknown, 3)):
            monkeypatch.setenv("TEMPORAL_TLS_CLIENT_CERT_PATH", str(certificate))
            monkeypatch.setenv("TEMPORAL_TLS_CLIENT_KEY_PATH", str(key))
            assert (await run_mapek("cycles"))[0] == code, certificate


TLS_FAULTS = [
    # label, what listens, environment of the client, message
    ("TLS to a plaintext port", "temporal", {"TEMPORAL_TLS": "true"}, "answers without TLS: unset TEMPORAL_TLS"),
    ("a key where none is taken", "temporal", {"TEMPORAL_API_KEY": "k"}, "an API key turns TLS on: unset TEMPORAL_API"),
    ("plaintext to a TLS port", "tls", {}, "may require TLS .set TEMPORAL_TLS=true"),
    ("unknown CA", "tls", {"TEMPORAL_TLS": "true"}, "a certificate of an unknown CA"),
    ("another name", "tls", {"CA": "", "TEMPORAL_TLS_SERVER_NAME": "other.example"}, "a certificate for other names"),
    ("no client certificate", "mutual", {"CA": ""}, "may require TEMPORAL_TLS_CLIENT_CERT_PATH"),
    ("the port of a web page", "http", {}, "answers, but not with gRPC"),
    ("TLS to the port of a web page", "http", {"TEMPORAL_TLS": "true"}, "answers without TLS"),
    ("TLS without HTTP/2", "http1-tls", {"CA": ""}, "answers, but not with gRPC"),
    ("nothing listens", "nothing", {}, "cannot reach Temporal at .*make run"),
    ("an unknown host", "unknown", {}, "a name that does not resolve"),
]


@pytest.mark.parametrize(("label", "server", "environment", "message"), TLS_FAULTS, ids=[row[0] for row in TLS_FAULTS])
async def test_a_failed_connection_names_its_fault(
    client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    label: str,
    server: str,
    environment: dict[str, str],
    message: str,
) -> None:
    """Each fault of the transport has its own message and fix, on a real socket."""
    certificate, key = make_certificate(tmp_path, "server")
    for name, value in environment.items():
        is_ca = name == "CA"
        monkeypatch.setenv("TEMPORAL_TLS_SERVER_CA_CERT_PATH" if is_ca else name, str(certificate) if is_ca else value)
    async with listen_as(server, client.service_client.config.target_host, certificate, key) as address:
        with pytest.raises(Unreachable, match=message):
            await connect(TemporalSettings(address=address))


@asynccontextmanager
async def listen_as(kind: str, temporal: str, certificate: Path, key: Path) -> AsyncIterator[str]:
    """Yield the address of a server of this kind."""
    fixed = {"temporal": temporal, "nothing": "127.0.0.1:1", "unknown": "no-such-host.invalid:7233"}
    if kind in fixed:
        yield fixed[kind]
        return
    context: ssl.SSLContext | None = None
    if kind != "http":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.set_alpn_protocols([] if kind == "http1-tls" else ["h2"])
    if context and kind == "mutual":
        context.load_verify_locations(certificate)
        context.verify_mode = ssl.CERT_REQUIRED

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(BLOCK_BYTES)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        while await reader.read(BLOCK_BYTES):
            pass
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with listener:
        yield f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"

"""Payload encryption: ciphertext at Temporal, key rotation, and the codec endpoint of the UI."""

import asyncio
import base64
import json
import uuid
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.model.errors import ConfigurationError, FinalError
from worker.http.auth import TokenAuth
from worker.http.codec import codec_routes
from worker.temporal.payload_codec import EncryptionCodec, build_data_converter, read_keys

CANARY_TEXT = "canary-7f3a"
UI_ORIGIN = "http://127.0.0.1:8233"


def make_key(byte: int) -> str:
    return base64.b64encode(bytes([byte]) * 32).decode()


def write_keys(folder: Path, *lines: str) -> Path:
    path = folder / "keys"
    path.write_text("# keys of a test\n" + "\n".join(lines) + "\n")
    return path


def round_trip(codec: EncryptionCodec, *payloads: Payload) -> Sequence[Payload]:
    return asyncio.run(codec.decode(payloads))


@given(st.binary(max_size=2000), st.dictionaries(st.text(max_size=10), st.binary(max_size=20), max_size=3))
def test_an_encrypted_payload_is_decrypted(data: bytes, metadata: dict[str, bytes]) -> None:
    """Decryption returns the payload, and two encryptions of one payload differ."""
    codec = EncryptionCodec(read_keys(KEYS_FOLDER))
    payload = Payload(data=data, metadata=metadata)
    first, second = (asyncio.run(codec.encode([payload]))[0] for _ in range(2))
    assert first.data != second.data
    assert round_trip(codec, first) == [payload]


@pytest.fixture(scope="module", autouse=True)
def keys_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    global KEYS_FOLDER
    KEYS_FOLDER = write_keys(tmp_path_factory.mktemp("keys"), f"2026-01 {make_key(1)}")


KEYS_FOLDER = Path()


def test_keys_are_rotated(tmp_path: Path) -> None:
    """A new first key encrypts; payloads of the old key are readable while the old key is in the file."""
    clear = Payload(data=b"x")
    old = EncryptionCodec(read_keys(write_keys(tmp_path, f"a {make_key(1)}")))
    encrypted = asyncio.run(old.encode([clear]))[0]
    rotated = EncryptionCodec(read_keys(write_keys(tmp_path, f"b {make_key(2)}", f"a {make_key(1)}")))
    renewed = asyncio.run(rotated.encode([clear]))[0]
    assert (encrypted.metadata["encryption-key-id"], renewed.metadata["encryption-key-id"]) == (b"a", b"b")
    assert round_trip(rotated, encrypted, renewed) == [clear, clear]
    without_old = EncryptionCodec(read_keys(write_keys(tmp_path, f"b {make_key(2)}")))
    with pytest.raises(FinalError, match="key b'a'"):
        round_trip(without_old, encrypted)


@pytest.mark.parametrize("length", [0, 5, 12, 20])
def test_a_modified_payload_is_refused(length: int) -> None:
    """A truncated or modified payload is refused."""
    codec = EncryptionCodec(read_keys(KEYS_FOLDER))
    encrypted = asyncio.run(codec.encode([Payload(data=b"x")]))[0]
    with pytest.raises(FinalError, match="was modified or is incomplete"):
        round_trip(codec, Payload(metadata=encrypted.metadata, data=encrypted.data[:length]))
    modified = encrypted.data[:-1] + bytes([encrypted.data[-1] ^ 1])
    with pytest.raises(FinalError, match="was modified or is incomplete"):
        round_trip(codec, Payload(metadata=encrypted.metadata, data=modified))


def test_payloads_in_clear_are_read_too() -> None:
    """Payloads in clear stay readable, so that encryption can be enabled with old histories."""
    clear = Payload(data=b"{}", metadata={"encoding": b"json/plain"})
    assert round_trip(EncryptionCodec(read_keys(KEYS_FOLDER)), clear) == [clear]


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [make_key(1)],
        ["a short"],
        [f"a {make_key(1)}", f"a {make_key(2)}"],
        [f"a {make_key(1)}x"],
        [f"a/b {make_key(1)}"],
        ["a \u00e9"],
    ],
)
def test_an_invalid_key_file_is_refused(tmp_path: Path, lines: list[str]) -> None:
    """An invalid line is a configuration error without a key in its message."""
    with pytest.raises(ConfigurationError) as caught:
        read_keys(write_keys(tmp_path, *lines))
    assert make_key(1)[:10] not in str(caught.value)


@workflow.defn(name="Fails")
class FailingWorkflow:
    @workflow.run
    async def run(self, text: str) -> str:
        if text.startswith("fail"):
            raise ApplicationError(f"failed: {text}", non_retryable=True)
        await workflow.sleep(0.01, summary=f"a summary of {text}")
        return f"got {text}"


async def test_histories_contain_ciphertext_only(temporal: WorkflowEnvironment) -> None:
    """Arguments, results, summaries, and messages and stack traces of failures are encrypted in the history."""
    address = temporal.client.service_client.config.target_host
    client = await Client.connect(address, data_converter=build_data_converter(KEYS_FOLDER))
    queue = str(uuid.uuid4())
    async with Worker(
        client, task_queue=queue, workflows=[FailingWorkflow], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        for text in (CANARY_TEXT, f"fail {CANARY_TEXT}"):
            handle = await client.start_workflow(
                "Fails", text, id=str(uuid.uuid4()), task_queue=queue, execution_timeout=timedelta(seconds=20)
            )
            if text == CANARY_TEXT:
                assert await handle.result() == f"got {CANARY_TEXT}"
            else:
                with pytest.raises(WorkflowFailureError) as caught:
                    await handle.result()
                assert CANARY_TEXT in str(caught.value.cause)
            raw = (await handle.fetch_history()).to_json()
            assert CANARY_TEXT not in raw
            assert base64.b64encode(CANARY_TEXT.encode()).decode()[:8] not in raw
            assert "test_payload_codec.py" not in raw


def make_codec_client(auth: TokenAuth | None = None) -> httpx.AsyncClient:
    routes = codec_routes(EncryptionCodec(read_keys(KEYS_FOLDER)), auth or TokenAuth(()), UI_ORIGIN + "/")
    return httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=routes)), base_url="http://mapek")


async def test_the_codec_endpoint_encodes_and_decodes() -> None:
    """/decode reverses /encode, in the format of the Temporal UI."""
    clear = {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "ImhpIg=="}]}
    client = make_codec_client()
    encrypted = (await client.post("/codec/encode", content=json.dumps(clear))).json()
    assert "ImhpIg==" not in json.dumps(encrypted)
    assert (await client.post("/codec/decode", content=json.dumps(encrypted))).json() == clear


async def test_only_the_origin_of_the_ui_is_allowed() -> None:
    """The browser allows pages of the UI's origin to read answers, and no other page."""
    client = make_codec_client()
    headers = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-namespace"}
    same = await client.options("/codec/decode", headers={"Origin": UI_ORIGIN, **headers})
    assert (same.status_code, same.headers["access-control-allow-origin"]) == (200, UI_ORIGIN)
    other = await client.options("/codec/decode", headers={"Origin": "http://evil.example", **headers})
    assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize(
    ("ui_url", "origin", "is_admitted"),
    [
        ("http://127.0.0.1:8233", "http://127.0.0.1:8233", True),
        ("http://127.0.0.1:8233", "http://localhost:8233", True),
        ("http://localhost:8233/", "http://[::1]:8233", True),
        ("http://[::1]:8233", "http://127.0.0.1:8233", True),
        ("https://Temporal.Example:443/ui", "https://temporal.example", True),
        ("http://temporal.example:80", "http://temporal.example", True),
        ("http://[fd00::1]:8080", "http://[fd00::1]:8080", True),
        ("https://temporal.example", "http://temporal.example", False),
        ("https://temporal.example", "https://temporal.example.evil.example", False),
        ("http://127.0.0.1:8233", "http://127.0.0.1:8234", False),
        ("http://127.0.0.1:8233", "http://evil.example", False),
        ("http://127.0.0.1:8233", "null", False),
    ],
)
async def test_a_private_network_preflight_admits_only_the_ui(ui_url: str, origin: str, is_admitted: bool) -> None:
    """The preflight of Private Network Access is granted to the UI's own origins, and other origins get no grant."""
    routes = codec_routes(EncryptionCodec(read_keys(KEYS_FOLDER)), TokenAuth(()), ui_url)
    transport = httpx.ASGITransport(Starlette(routes=routes))
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-namespace",
        "Access-Control-Request-Private-Network": "true",
    }
    async with httpx.AsyncClient(transport=transport, base_url="http://mapek") as client:
        reply = await client.options("/codec/decode", headers=headers)
    granted = (
        reply.headers.get("access-control-allow-private-network"),
        reply.headers.get("access-control-allow-origin"),
    )
    assert (reply.status_code, granted) == ((200, ("true", origin)) if is_admitted else (400, (None, None)))


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{", 400), (b"[1]", 400), (b'{"x": 1}', 400), (b"\xff", 400), (b"x" * (9 << 20), 413)],
)
async def test_invalid_bodies_are_refused(body: bytes, status: int) -> None:
    """An invalid body is answered 400, an oversize one 413."""
    assert (await make_codec_client().post("/codec/decode", content=body)).status_code == status


async def test_the_codec_endpoint_needs_a_token_of_role_view() -> None:
    """With tokens configured, a request without one is answered 401."""
    client = make_codec_client(TokenAuth([lambda: "secret"]))
    assert (await client.post("/codec/decode", content=b"{}")).status_code == 401
    headers = {"Authorization": "Bearer secret"}
    assert (await client.post("/codec/decode", content=b"{}", headers=headers)).status_code == 200


def test_without_keys_there_is_no_codec_endpoint() -> None:
    """Without encryption there are no routes."""
    assert codec_routes(None, TokenAuth(()), UI_ORIGIN) == []

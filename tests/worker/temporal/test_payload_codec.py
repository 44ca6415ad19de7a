"""Encryption: nothing readable at Temporal, keys that change over, and the door of the UI."""

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
    path.write_text("# ours\n" + "\n".join(lines) + "\n")
    return path


def round_trip(codec: EncryptionCodec, *payloads: Payload) -> Sequence[Payload]:
    return asyncio.run(codec.decode(payloads))


@given(st.binary(max_size=2000), st.dictionaries(st.text(max_size=10), st.binary(max_size=20), max_size=3))
def test_what_is_encrypted_is_read_again(data: bytes, metadata: dict[str, bytes]):
    """Any payload comes back as it was, and two encryptions of one payload differ."""
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


def test_rotation(tmp_path: Path):
    """A new first key encrypts; what the old one encrypted is read for as long as it stands in the file."""
    clear = Payload(data=b"x")
    old = EncryptionCodec(read_keys(write_keys(tmp_path, f"a {make_key(1)}")))
    sealed = asyncio.run(old.encode([clear]))[0]
    both = EncryptionCodec(read_keys(write_keys(tmp_path, f"b {make_key(2)}", f"a {make_key(1)}")))
    renewed = asyncio.run(both.encode([clear]))[0]
    assert (sealed.metadata["encryption-key-id"], renewed.metadata["encryption-key-id"]) == (b"a", b"b")
    assert round_trip(both, sealed, renewed) == [clear, clear]
    only = EncryptionCodec(read_keys(write_keys(tmp_path, f"b {make_key(2)}")))
    with pytest.raises(FinalError, match="key b'a'"):
        round_trip(only, sealed)


@pytest.mark.parametrize("kept", [0, 5, 12, 20])
def test_a_changed_payload_is_not_believed(kept: int):
    """What was cut or tampered with is refused, not read wrongly."""
    codec = EncryptionCodec(read_keys(KEYS_FOLDER))
    sealed = asyncio.run(codec.encode([Payload(data=b"x")]))[0]
    with pytest.raises(FinalError, match="not what was encrypted"):
        round_trip(codec, Payload(metadata=sealed.metadata, data=sealed.data[:kept]))
    turned = sealed.data[:-1] + bytes([sealed.data[-1] ^ 1])
    with pytest.raises(FinalError, match="not what was encrypted"):
        round_trip(codec, Payload(metadata=sealed.metadata, data=turned))


def test_what_was_written_before_is_read_too():
    """Payloads in clear pass, so that encryption can be switched on over old histories."""
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
def test_a_file_that_holds_no_keys_is_refused(tmp_path: Path, lines: list[str]):
    """A wrong line is a configuration error that shows no key."""
    with pytest.raises(ConfigurationError) as caught:
        read_keys(write_keys(tmp_path, *lines))
    assert make_key(1)[:10] not in str(caught.value)


@workflow.defn(name="Fails")
class FailingWorkflow:
    @workflow.run
    async def run(self, text: str) -> str:
        if text.startswith("fail"):
            raise ApplicationError(f"it went wrong: {text}", non_retryable=True)
        await workflow.sleep(0.01, summary=f"a summary of {text}")
        return f"got {text}"


async def test_nothing_readable_at_temporal(temporal: WorkflowEnvironment):
    """Arguments, results, summaries, and messages and traces of failures are ciphertext in the history."""
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


async def test_the_ui_reads_through_the_door():
    """What /encode gives /decode takes back, in the form the UI sends."""
    clear = {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "ImhpIg=="}]}
    client = make_codec_client()
    sealed = (await client.post("/codec/encode", content=json.dumps(clear))).json()
    assert "ImhpIg==" not in json.dumps(sealed)
    assert (await client.post("/codec/decode", content=json.dumps(sealed))).json() == clear


async def test_only_the_uis_pages_read_the_answer():
    """A page of another origin is not let in by the browser; the UI's own is."""
    client = make_codec_client()
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-namespace"}
    own = await client.options("/codec/decode", headers={"Origin": UI_ORIGIN, **asked})
    assert (own.status_code, own.headers["access-control-allow-origin"]) == (200, UI_ORIGIN)
    other = await client.options("/codec/decode", headers={"Origin": "http://evil.example", **asked})
    assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{", 400), (b"[1]", 400), (b'{"x": 1}', 400), (b"\xff", 400), (b"x" * (9 << 20), 413)],
)
async def test_whatever_is_posted_gets_an_answer(body: bytes, status: int):
    """A body that is none is refused without being taken apart further."""
    assert (await make_codec_client().post("/codec/decode", content=body)).status_code == status


async def test_the_door_wants_a_token_of_role_view():
    """With tokens, whoever shows none reads nothing."""
    client = make_codec_client(TokenAuth([lambda: "secret"]))
    assert (await client.post("/codec/decode", content=b"{}")).status_code == 401
    given = {"Authorization": "Bearer secret"}
    assert (await client.post("/codec/decode", content=b"{}", headers=given)).status_code == 200


def test_without_keys_there_is_no_door():
    """Nothing is encrypted, nothing is offered."""
    assert codec_routes(None, TokenAuth(()), UI_ORIGIN) == []

"""The command, run in this process beside the Temporal server of the tests."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from temporalio.client import Client

from worker.cli import session
from worker.cli.main import run

RunMapek = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def run_mapek(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> RunMapek:
    """`mapek ARGS` against the namespace of the module's `client`, with a state folder of its own.

    Returns exit code and standard output. A server on a machine at work takes seconds to be connected to: how long a
    person waits is what other tests are about.
    """
    monkeypatch.setattr(session, "CONNECT_TIMEOUT_SECONDS", 20.0)
    monkeypatch.setenv("TEMPORAL_ADDRESS", client.service_client.config.target_host)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", client.namespace)
    monkeypatch.setenv("MAPEK_STATE", str(tmp_path))
    monkeypatch.delenv("MAPEK_CONFIG", raising=False)

    async def said(*args: str) -> tuple[int, str]:
        capsys.readouterr()
        code = await asyncio.to_thread(run, list(args))
        return code, capsys.readouterr().out

    return said

"""The `mapek` command, run in this process with the Temporal server of the tests."""

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
    """Return a function that runs `mapek ARGS` in the namespace of the module's `client`, with its own state folder.

    The function returns exit code and standard output. The connection timeout is long, since a busy machine may need
    seconds to connect; other tests cover the timeout.
    """
    monkeypatch.setattr(session, "CONNECT_TIMEOUT_SECONDS", 20.0)
    monkeypatch.setenv("TEMPORAL_ADDRESS", client.service_client.config.target_host)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", client.namespace)
    monkeypatch.setenv("MAPEK_STATE", str(tmp_path))
    monkeypatch.delenv("MAPEK_CONFIG", raising=False)

    async def run_command(*args: str) -> tuple[int, str]:
        capsys.readouterr()
        code = await asyncio.to_thread(run, list(args))
        return code, capsys.readouterr().out

    return run_command

"""The stack with real servers, without Charter and MAPE-K."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from deploy.devstack import services
from deploy.devstack.errors import ServiceFailed, UsageError
from deploy.devstack.render import REPOSITORY_ROOT
from deploy.devstack.stack import RunningStack, StackOptions, running_stack

WaitUntilGone = Callable[..., Awaitable[set[int]]]
WaitUntil = Callable[[Callable[[], object]], Awaitable[None]]

pytestmark = pytest.mark.stack
STACK_SERVICES = frozenset({"temporal", "prometheus", "alertmanager"})
LIGHT_SERVICES = frozenset({"alertmanager"})
RUN_COMMAND = (sys.executable, "-m", "deploy.devstack", "run", "--services", ",".join(STACK_SERVICES), "--state")


def make_stack_options(
    state: Path, services: frozenset[str] = LIGHT_SERVICES, reports: list[str] | None = None
) -> StackOptions:
    """Return options for a stack in a folder; `reports` collects its lines."""
    return StackOptions(
        state_dir=state, services=services, profile="demo", report=(reports if reports is not None else []).append
    )


@pytest_asyncio.fixture
async def run_process(tmp_path: Path, server_binaries: dict[str, Path]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Yield `python -m deploy.devstack run` with all three servers ready."""
    del server_binaries
    process = await asyncio.create_subprocess_exec(
        *RUN_COMMAND,
        str(tmp_path / "state"),
        cwd=REPOSITORY_ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            while b"running until" not in (line := await process.stdout.readline()):
                assert line, "the process ended before the stack was ready"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def list_pids(state: Path) -> list[int]:
    """Return the process ids in run.json."""
    return list(json.loads((state / "run.json").read_text())["pids"].values())


async def test_block_starts_and_stops_all_servers(
    tmp_path: Path, server_binaries: dict[str, Path], wait_until_gone: WaitUntilGone
) -> None:
    """In the block every server answers at its address in run.json; after it no process and no run.json remain."""
    del server_binaries
    async with (
        running_stack(make_stack_options(tmp_path / "state", STACK_SERVICES)) as stack,
        httpx.AsyncClient() as http,
    ):
        run = json.loads(stack.state.run_file.read_text())
        assert (await http.get(run["prometheus"] + "/-/ready")).is_success
        assert (await http.get(run["alertmanager"] + "/-/ready")).is_success
        assert (await http.get(run["temporal"]["ui"])).is_success
        assert run["pids"] == stack.pids
        assert set(run) == {
            *("temporal", "prometheus", "alertmanager", "charter", "mapek"),
            *("charter_token_file", "webhook_token_file", "versions", "pids", "logs"),
        }
        # The binary and the server that runs it name the same version.
        build_info = (await http.get(run["prometheus"] + "/api/v1/status/buildinfo")).json()["data"]
        status = (await http.get(run["alertmanager"] + "/api/v2/status")).json()
        assert run["versions"]["prometheus"].split()[0] == build_info["version"]
        assert run["versions"]["alertmanager"].split()[0] == status["versionInfo"]["version"]
    assert await wait_until_gone(*run["pids"].values()) == set()
    assert not stack.state.run_file.exists()


async def test_killed_service_can_be_restarted(tmp_path: Path, server_binaries: dict[str, Path]) -> None:
    """`kill` does not stop the stack; the restarted service answers at the same address."""
    del server_binaries
    lines: list[str] = []
    async with running_stack(make_stack_options(tmp_path / "state", STACK_SERVICES, lines)) as stack:
        before = stack.pids
        await stack.kill("temporal")
        assert "temporal" not in stack.pids
        with pytest.raises(UsageError, match="prometheus is already running"):
            await stack.start_service("prometheus")
        await stack.start_service("temporal")
        assert stack.pids["temporal"] != before["temporal"]
        assert json.loads(stack.state.run_file.read_text())["pids"] == stack.pids
    assert lines == []


async def test_dead_service_stops_the_stack(
    tmp_path: Path, server_binaries: dict[str, Path], wait_until_gone: WaitUntilGone
) -> None:
    """A dead service is reported once with the end of its log; the other services and the work stop."""
    del server_binaries
    lines: list[str] = []
    pids: list[int] = []

    async def kill_prometheus(stack: RunningStack) -> None:
        pids.extend(stack.pids.values())
        os.kill(stack.pids["prometheus"], signal.SIGKILL)
        await asyncio.sleep(60)

    async def work() -> None:
        async with running_stack(make_stack_options(tmp_path / "state", STACK_SERVICES, lines)) as stack:
            await stack.run_while_up(kill_prometheus(stack))

    with pytest.raises(ServiceFailed, match="prometheus ended unexpectedly"):
        await asyncio.wait_for(work(), 30)
    assert len(lines) == 1
    assert lines[0].startswith("prometheus ended unexpectedly (killed by SIGKILL); the stack stops\nlast lines of")
    assert "Server is ready" in lines[0]
    assert len(pids) == 3
    assert await wait_until_gone(*pids) == set()


async def test_dead_service_fails_the_block(
    tmp_path: Path, server_binaries: dict[str, Path], wait_until: WaitUntil
) -> None:
    """A block that does not wait for failures fails too."""
    del server_binaries

    async def run_block() -> None:
        async with running_stack(make_stack_options(tmp_path / "state")) as stack:
            os.kill(stack.pids["alertmanager"], signal.SIGKILL)
            await wait_until(lambda: not stack.state.run_file.exists())

    with pytest.raises(ServiceFailed, match="alertmanager"):
        await run_block()


async def test_failed_start_reports_the_log(tmp_path: Path, server_binaries: dict[str, Path]) -> None:
    """If a service cannot start, the error has its last lines, and the started services stop."""
    del server_binaries
    # A webhook address that Alertmanager cannot parse.
    settings = {"alertmanager": {"webhook_path": "\n"}}
    reason = r"(?s)alertmanager ended unexpectedly \(exit code 1\).*invalid control character"
    options = StackOptions(
        state_dir=tmp_path / "state", services=STACK_SERVICES, settings=settings, report=lambda _: None
    )
    with pytest.raises(ServiceFailed, match=reason):
        async with running_stack(options):
            pytest.fail("the stack is ready")
    assert not (tmp_path / "state/run.json").exists()
    assert [line for line in list_command_lines() if str(tmp_path) in line] == []


def replace_with_stub(monkeypatch: pytest.MonkeyPatch, service: services.Service) -> None:
    """Replace a service of the stack by another one."""
    monkeypatch.setitem(services._SERVICE_BUILDERS, service.name, lambda _plan: service)


async def is_never_ready() -> bool:
    """Return False."""
    return False


async def test_bootstrap_ends_before_the_stack_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack waits for the end of bootstrap, whose environment has MAPE-K's configuration and state folder."""
    replace_with_stub(
        monkeypatch, services.Service("bootstrap", ("/bin/sh", "-c", "echo $MAPEK_CONFIG $MAPEK_STATE"), "exit code 0")
    )
    async with running_stack(make_stack_options(tmp_path / "state", frozenset({"bootstrap"}))) as stack:
        assert stack.pids == {}
        assert stack.log_path("bootstrap").read_text().split() == [str(stack.state.config_file), str(stack.state.path)]


async def test_failed_bootstrap_fails_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the output of the failed bootstrap."""
    replace_with_stub(
        monkeypatch, services.Service("bootstrap", ("/bin/sh", "-c", "echo no such loop; exit 2"), "exit code 0")
    )
    with pytest.raises(ServiceFailed, match=r"(?s)bootstrap failed: exit code 2.*no such loop"):
        async with running_stack(make_stack_options(tmp_path / "state", frozenset({"bootstrap"}))):
            pytest.fail("the stack is ready")


async def test_service_that_is_never_ready_fails_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the service and the expected condition; its process is stopped."""
    argv = ("/bin/sleep", "987654")
    replace_with_stub(
        monkeypatch,
        services.Service("worker", argv, "200 from nowhere", is_never_ready, ready_timeout_seconds=0.3),
    )
    with pytest.raises(ServiceFailed, match=r"worker is not ready after 0.3 s; expected 200 from nowhere"):
        async with running_stack(make_stack_options(tmp_path / "state", frozenset({"worker"}))):
            pytest.fail("the stack is ready")
    assert [line for line in list_command_lines() if "987654" in line] == []


@pytest.mark.parametrize(("user", "is_kept"), [({}, False), ({"temporal": {"address": "10.0.0.1:7233"}}, True)])
async def test_environment_cannot_bypass_embedded_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: dict[str, dict[str, str]], is_kept: bool
) -> None:
    """Services do not inherit TEMPORAL_*, except for a user's own Temporal server."""
    monkeypatch.setenv("TEMPORAL_API_KEY", "mine")
    replace_with_stub(monkeypatch, services.Service("bootstrap", ("/usr/bin/env",), "exit code 0"))
    options = StackOptions(state_dir=tmp_path / "state", services=frozenset({"bootstrap"}), settings=user)
    async with running_stack(options) as stack:
        assert ("TEMPORAL_API_KEY=mine" in stack.log_path("bootstrap").read_text()) is is_kept


async def test_two_stacks_run_side_by_side(tmp_path: Path, server_binaries: dict[str, Path]) -> None:
    """Two stacks in two folders use different ports; a second stack in one folder is refused."""
    del server_binaries
    async with (
        running_stack(make_stack_options(tmp_path / "one")) as first,
        running_stack(make_stack_options(tmp_path / "two")) as second,
    ):
        assert first.addresses.alertmanager != second.addresses.alertmanager
        async with httpx.AsyncClient() as http:
            for stack in (first, second):
                assert (await http.get(stack.addresses.alertmanager + "/-/ready")).is_success
        with pytest.raises(UsageError, match="in use by another stack"):
            async with running_stack(make_stack_options(tmp_path / "one")):
                pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signal_ends_run(
    tmp_path: Path, run_process: asyncio.subprocess.Process, wait_until_gone: WaitUntilGone, number: signal.Signals
) -> None:
    """Ctrl-C or SIGTERM ends `run` with code 0, and no process survives."""
    pids = list_pids(tmp_path / "state")
    assert len(pids) == 3
    run_process.send_signal(number)
    assert await asyncio.wait_for(run_process.wait(), 30) == 0
    assert await wait_until_gone(*pids) == set()


async def test_killed_run_leaves_no_server(
    tmp_path: Path, run_process: asyncio.subprocess.Process, wait_until_gone: WaitUntilGone
) -> None:
    """After SIGKILL to `run` no server remains, and the next stack can use the folder."""
    pids = list_pids(tmp_path / "state")
    run_process.kill()
    await run_process.wait()
    assert await wait_until_gone(*pids) == set()
    async with running_stack(make_stack_options(tmp_path / "state")):
        pass


async def test_dead_server_ends_run(tmp_path: Path, run_process: asyncio.subprocess.Process) -> None:
    """`run` ends with code 1 and the log's last lines when a server dies."""
    os.kill(json.loads((tmp_path / "state/run.json").read_text())["pids"]["temporal"], signal.SIGKILL)
    output, _ = await asyncio.wait_for(run_process.communicate(), 30)
    assert run_process.returncode == 1
    assert output.count(b"temporal ended unexpectedly (killed by SIGKILL)") == 1


def list_command_lines() -> list[str]:
    """Return the command lines of all processes on this machine."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return lines

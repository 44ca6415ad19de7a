"""Real servers, without Charter and MAPE-K: those are not the stack's business."""

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
    return StackOptions(
        state_dir=state, services=services, profile="demo", report=(reports if reports is not None else []).append
    )


@pytest_asyncio.fixture
async def run_process(tmp_path: Path, server_binaries: dict[str, Path]) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m deploy.devstack run` with all three servers, up."""
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
                assert line, "it ended too early"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def list_pids(state: Path) -> list[int]:
    return list(json.loads((state / "run.json").read_text())["pids"].values())


async def test_up_and_down(tmp_path: Path, server_binaries: dict[str, Path], wait_until_gone: WaitUntilGone) -> None:
    """Inside the block every server answers and run.json says where; after it no process and no run.json is left."""
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
            *("charter_token_file", "webhook_token_file", "pids", "logs"),
        }
    assert await wait_until_gone(*run["pids"].values()) == set()
    assert not stack.state.run_file.exists()


async def test_kill_and_start_again(tmp_path: Path, server_binaries: dict[str, Path]) -> None:
    """A part killed on purpose does not take the stack down; started again it answers at the same address."""
    del server_binaries
    said: list[str] = []
    async with running_stack(make_stack_options(tmp_path / "state", STACK_SERVICES, said)) as stack:
        before = stack.pids
        await stack.kill("temporal")
        assert "temporal" not in stack.pids
        with pytest.raises(UsageError, match="prometheus is running"):
            await stack.start_service("prometheus")
        await stack.start_service("temporal")
        assert stack.pids["temporal"] != before["temporal"]
        assert json.loads(stack.state.run_file.read_text())["pids"] == stack.pids
    assert said == []


async def test_death_of_a_part(
    tmp_path: Path, server_binaries: dict[str, Path], wait_until_gone: WaitUntilGone
) -> None:
    """A part that dies is said at once with the end of its log; the others go down, and the work ends with it."""
    del server_binaries
    said: list[str] = []
    left: list[int] = []

    async def killed(stack: RunningStack) -> None:
        left.extend(stack.pids.values())
        os.kill(stack.pids["prometheus"], signal.SIGKILL)
        await asyncio.sleep(60)

    async def work() -> None:
        async with running_stack(make_stack_options(tmp_path / "state", STACK_SERVICES, said)) as stack:
            await stack.run_while_up(killed(stack))

    with pytest.raises(ServiceFailed, match="prometheus ended by itself"):
        await asyncio.wait_for(work(), 30)
    assert len(said) == 1
    assert said[0].startswith("prometheus ended by itself (killed by SIGKILL), the stack goes down\nlast lines of")
    assert "Server is ready" in said[0]
    assert len(left) == 3
    assert await wait_until_gone(*left) == set()


async def test_death_is_never_overlooked(
    tmp_path: Path, server_binaries: dict[str, Path], wait_until: WaitUntil
) -> None:
    """Also a block that did not watch fails if a part died in it."""
    del server_binaries

    async def unaware() -> None:
        async with running_stack(make_stack_options(tmp_path / "state")) as stack:
            os.kill(stack.pids["alertmanager"], signal.SIGKILL)
            await wait_until(lambda: not stack.state.run_file.exists())

    with pytest.raises(ServiceFailed, match="alertmanager"):
        await unaware()


async def test_failed_start(tmp_path: Path, server_binaries: dict[str, Path]) -> None:
    """If a part cannot start, its own last lines are the reason, and what was up already goes down again."""
    del server_binaries
    # A webhook address that Alertmanager cannot parse.
    wrong = {"alertmanager": {"webhook_path": "\n"}}
    reason = r"(?s)alertmanager ended by itself \(exit code 1\).*invalid control character"
    asked = StackOptions(state_dir=tmp_path / "state", services=STACK_SERVICES, settings=wrong, report=lambda _: None)
    with pytest.raises(ServiceFailed, match=reason):
        async with running_stack(asked):
            pytest.fail("it is up")
    assert not (tmp_path / "state/run.json").exists()
    assert [line for line in list_command_lines() if str(tmp_path) in line] == []


def replace_with_stub(monkeypatch: pytest.MonkeyPatch, service: services.Service) -> None:
    monkeypatch.setitem(services._SERVICE_BUILDERS, service.name, lambda _plan: service)


async def is_connection_refused() -> bool:
    return False


async def test_bootstrap_runs_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bootstrap is awaited to its end, with MAPE-K's config and state in its environment, before the worker starts."""
    replace_with_stub(
        monkeypatch, services.Service("bootstrap", ("/bin/sh", "-c", "echo $MAPEK_CONFIG $MAPEK_STATE"), "its end")
    )
    async with running_stack(make_stack_options(tmp_path / "state", frozenset({"bootstrap"}))) as stack:
        assert stack.pids == {}
        assert stack.log_path("bootstrap").read_text().split() == [str(stack.state.config_file), str(stack.state.path)]


async def test_bootstrap_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bootstrap that fails is a failed start, with what it said."""
    replace_with_stub(
        monkeypatch, services.Service("bootstrap", ("/bin/sh", "-c", "echo no such loop; exit 2"), "its end")
    )
    with pytest.raises(ServiceFailed, match=r"(?s)bootstrap failed: exit code 2.*no such loop"):
        async with running_stack(make_stack_options(tmp_path / "state", frozenset({"bootstrap"}))):
            pytest.fail("it is up")


async def test_part_that_never_gets_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that does not get ready in time is named with what was waited for, and is gone afterwards."""
    argv = ("/bin/sleep", "987654")
    replace_with_stub(
        monkeypatch,
        services.Service("worker", argv, "200 from nowhere", is_connection_refused, ready_timeout_seconds=0.3),
    )
    with pytest.raises(ServiceFailed, match=r"worker did not get there within 0.3 s: waited for 200 from nowhere"):
        async with running_stack(make_stack_options(tmp_path / "state", frozenset({"worker"}))):
            pytest.fail("it is up")
    assert [line for line in list_command_lines() if "987654" in line] == []


@pytest.mark.parametrize(("user", "seen"), [({}, False), ({"temporal": {"address": "10.0.0.1:7233"}}, True)])
async def test_environment_of_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: dict[str, dict[str, str]], seen: bool
) -> None:
    """TEMPORAL_* would lead past the embedded server and is taken away; for the user's own server it stays."""
    monkeypatch.setenv("TEMPORAL_API_KEY", "mine")
    replace_with_stub(monkeypatch, services.Service("bootstrap", ("/usr/bin/env",), "its end"))
    asked = StackOptions(state_dir=tmp_path / "state", services=frozenset({"bootstrap"}), settings=user)
    async with running_stack(asked) as stack:
        assert ("TEMPORAL_API_KEY=mine" in stack.log_path("bootstrap").read_text()) is seen


async def test_two_side_by_side(tmp_path: Path, server_binaries: dict[str, Path]) -> None:
    """Two stacks in two folders run at once on different ports; the same folder twice is refused."""
    del server_binaries
    async with (
        running_stack(make_stack_options(tmp_path / "one")) as one,
        running_stack(make_stack_options(tmp_path / "two")) as two,
    ):
        assert one.addresses.alertmanager != two.addresses.alertmanager
        async with httpx.AsyncClient() as http:
            for stack in (one, two):
                assert (await http.get(stack.addresses.alertmanager + "/-/ready")).is_success
        with pytest.raises(UsageError, match="in use by another stack"):
            async with running_stack(make_stack_options(tmp_path / "one")):
                pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signal_ends_run(
    tmp_path: Path, run_process: asyncio.subprocess.Process, wait_until_gone: WaitUntilGone, number: signal.Signals
) -> None:
    """Ctrl-C or SIGTERM ends `run` with code 0, and nothing of it survives."""
    left = list_pids(tmp_path / "state")
    assert len(left) == 3
    run_process.send_signal(number)
    assert await asyncio.wait_for(run_process.wait(), 30) == 0
    assert await wait_until_gone(*left) == set()


async def test_kill_of_run_leaves_nothing(
    tmp_path: Path, run_process: asyncio.subprocess.Process, wait_until_gone: WaitUntilGone
) -> None:
    """Even kill -9 of `run` leaves no server behind, and the next stack can have the folder."""
    left = list_pids(tmp_path / "state")
    run_process.kill()
    await run_process.wait()
    assert await wait_until_gone(*left) == set()
    async with running_stack(make_stack_options(tmp_path / "state")):
        pass


async def test_death_ends_run(tmp_path: Path, run_process: asyncio.subprocess.Process) -> None:
    """`run` ends with code 1 and the log's last lines when a server dies."""
    os.kill(json.loads((tmp_path / "state/run.json").read_text())["pids"]["temporal"], signal.SIGKILL)
    output, _ = await asyncio.wait_for(run_process.communicate(), 30)
    assert run_process.returncode == 1
    assert output.count(b"temporal ended by itself (killed by SIGKILL)") == 1


def list_command_lines() -> list[str]:
    """The command lines of all processes of this machine."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return lines

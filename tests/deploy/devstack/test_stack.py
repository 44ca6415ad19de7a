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
from deploy.devstack.errors import PartFailed, UsageError
from deploy.devstack.render import ROOT
from deploy.devstack.stack import RunningStack, StackOptions, running_stack

Gone = Callable[..., Awaitable[set[int]]]
Eventually = Callable[[Callable[[], object]], Awaitable[None]]

pytestmark = pytest.mark.stack
SERVERS = frozenset({"temporal", "prometheus", "alertmanager"})
LIGHT = frozenset({"alertmanager"})
RUN = (sys.executable, "-m", "deploy.devstack", "run", "--parts", ",".join(SERVERS), "--state")


def options(state: Path, parts: frozenset[str] = LIGHT, said: list[str] | None = None) -> StackOptions:
    return StackOptions(state=state, parts=parts, profile="demo", say=(said if said is not None else []).append)


@pytest_asyncio.fixture
async def command(tmp_path: Path, servers: dict[str, Path]) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m deploy.devstack run` with all three servers, up."""
    del servers
    process = await asyncio.create_subprocess_exec(
        *RUN, str(tmp_path / "state"), cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
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


def pids(state: Path) -> list[int]:
    return list(json.loads((state / "run.json").read_text())["pids"].values())


async def test_up_and_down(tmp_path: Path, servers: dict[str, Path], gone: Gone) -> None:
    """Inside the block every server answers and run.json says where; after it no process and no run.json is left."""
    del servers
    async with running_stack(options(tmp_path / "state", SERVERS)) as stack, httpx.AsyncClient() as http:
        run = json.loads(stack.state.run_file.read_text())
        assert (await http.get(run["prometheus"] + "/-/ready")).is_success
        assert (await http.get(run["alertmanager"] + "/-/ready")).is_success
        assert (await http.get(run["temporal"]["ui"])).is_success
        assert run["pids"] == stack.pids
        assert set(run) == {
            *("temporal", "prometheus", "alertmanager", "charter", "mapek"),
            *("charter_token_file", "webhook_token_file", "pids", "logs"),
        }
    assert await gone(*run["pids"].values()) == set()
    assert not stack.state.run_file.exists()


async def test_kill_and_start_again(tmp_path: Path, servers: dict[str, Path]) -> None:
    """A part killed on purpose does not take the stack down; started again it answers at the same address."""
    del servers
    said: list[str] = []
    async with running_stack(options(tmp_path / "state", SERVERS, said)) as stack:
        before = stack.pids
        await stack.kill("temporal")
        assert "temporal" not in stack.pids
        with pytest.raises(UsageError, match="prometheus is running"):
            await stack.start_part("prometheus")
        await stack.start_part("temporal")
        assert stack.pids["temporal"] != before["temporal"]
        assert json.loads(stack.state.run_file.read_text())["pids"] == stack.pids
    assert said == []


async def test_death_of_a_part(tmp_path: Path, servers: dict[str, Path], gone: Gone) -> None:
    """A part that dies is said at once with the end of its log; the others go down, and the work ends with it."""
    del servers
    said: list[str] = []
    left: list[int] = []

    async def killed(stack: RunningStack) -> None:
        left.extend(stack.pids.values())
        os.kill(stack.pids["prometheus"], signal.SIGKILL)
        await asyncio.sleep(60)

    async def work() -> None:
        async with running_stack(options(tmp_path / "state", SERVERS, said)) as stack:
            await stack.during(killed(stack))

    with pytest.raises(PartFailed, match="prometheus ended by itself"):
        await asyncio.wait_for(work(), 30)
    assert len(said) == 1
    assert said[0].startswith("prometheus ended by itself (killed by SIGKILL), the stack goes down\nlast lines of")
    assert "Server is ready" in said[0]
    assert len(left) == 3
    assert await gone(*left) == set()


async def test_death_is_never_overlooked(tmp_path: Path, servers: dict[str, Path], eventually: Eventually) -> None:
    """Also a block that did not watch fails if a part died in it."""
    del servers

    async def unaware() -> None:
        async with running_stack(options(tmp_path / "state")) as stack:
            os.kill(stack.pids["alertmanager"], signal.SIGKILL)
            await eventually(lambda: not stack.state.run_file.exists())

    with pytest.raises(PartFailed, match="alertmanager"):
        await unaware()


async def test_failed_start(tmp_path: Path, servers: dict[str, Path]) -> None:
    """If a part cannot start, its own last lines are the reason, and what was up already goes down again."""
    del servers
    # A webhook address that Alertmanager cannot parse.
    wrong = {"alertmanager": {"webhook_path": "\n"}}
    reason = r"(?s)alertmanager ended by itself \(exit code 1\).*invalid control character"
    asked = StackOptions(state=tmp_path / "state", parts=SERVERS, settings=wrong, say=lambda _: None)
    with pytest.raises(PartFailed, match=reason):
        async with running_stack(asked):
            pytest.fail("it is up")
    assert not (tmp_path / "state/run.json").exists()
    assert [line for line in command_lines() if str(tmp_path) in line] == []


def stand_in(monkeypatch: pytest.MonkeyPatch, part: services.Part) -> None:
    monkeypatch.setitem(services._MAKERS, part.name, lambda _plan: part)


async def refused() -> bool:
    return False


async def test_bootstrap_runs_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bootstrap is awaited to its end, with MAPE-K's config and state in its environment, before the worker starts."""
    stand_in(monkeypatch, services.Part("bootstrap", ("/bin/sh", "-c", "echo $MAPEK_CONFIG $MAPEK_STATE"), "its end"))
    async with running_stack(options(tmp_path / "state", frozenset({"bootstrap"}))) as stack:
        assert stack.pids == {}
        assert stack.log("bootstrap").read_text().split() == [str(stack.state.config_file), str(stack.state.path)]


async def test_bootstrap_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bootstrap that fails is a failed start, with what it said."""
    stand_in(monkeypatch, services.Part("bootstrap", ("/bin/sh", "-c", "echo no such loop; exit 2"), "its end"))
    with pytest.raises(PartFailed, match=r"(?s)bootstrap failed: exit code 2.*no such loop"):
        async with running_stack(options(tmp_path / "state", frozenset({"bootstrap"}))):
            pytest.fail("it is up")


async def test_part_that_never_gets_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that does not get ready in time is named with what was waited for, and is gone afterwards."""
    argv = ("/bin/sleep", "987654")
    stand_in(monkeypatch, services.Part("worker", argv, "200 from nowhere", refused, bound=0.3))
    with pytest.raises(PartFailed, match=r"worker did not get there within 0.3 s: waited for 200 from nowhere"):
        async with running_stack(options(tmp_path / "state", frozenset({"worker"}))):
            pytest.fail("it is up")
    assert [line for line in command_lines() if "987654" in line] == []


@pytest.mark.parametrize(("user", "seen"), [({}, False), ({"temporal": {"address": "10.0.0.1:7233"}}, True)])
async def test_environment_of_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: dict[str, dict[str, str]], seen: bool
) -> None:
    """TEMPORAL_* would lead past the embedded server and is taken away; for the user's own server it stays."""
    monkeypatch.setenv("TEMPORAL_API_KEY", "mine")
    stand_in(monkeypatch, services.Part("bootstrap", ("/usr/bin/env",), "its end"))
    asked = StackOptions(state=tmp_path / "state", parts=frozenset({"bootstrap"}), settings=user)
    async with running_stack(asked) as stack:
        assert ("TEMPORAL_API_KEY=mine" in stack.log("bootstrap").read_text()) is seen


async def test_two_side_by_side(tmp_path: Path, servers: dict[str, Path]) -> None:
    """Two stacks in two folders run at once on different ports; the same folder twice is refused."""
    del servers
    async with running_stack(options(tmp_path / "one")) as one, running_stack(options(tmp_path / "two")) as two:
        assert one.addresses.alertmanager != two.addresses.alertmanager
        async with httpx.AsyncClient() as http:
            for stack in (one, two):
                assert (await http.get(stack.addresses.alertmanager + "/-/ready")).is_success
        with pytest.raises(UsageError, match="in use by another stack"):
            async with running_stack(options(tmp_path / "one")):
                pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signal_ends_run(
    tmp_path: Path, command: asyncio.subprocess.Process, gone: Gone, number: signal.Signals
) -> None:
    """Ctrl-C or SIGTERM ends `run` with code 0, and nothing of it survives."""
    left = pids(tmp_path / "state")
    assert len(left) == 3
    command.send_signal(number)
    assert await asyncio.wait_for(command.wait(), 30) == 0
    assert await gone(*left) == set()


async def test_kill_of_run_leaves_nothing(tmp_path: Path, command: asyncio.subprocess.Process, gone: Gone) -> None:
    """Even kill -9 of `run` leaves no server behind, and the next stack can have the folder."""
    left = pids(tmp_path / "state")
    command.kill()
    await command.wait()
    assert await gone(*left) == set()
    async with running_stack(options(tmp_path / "state")):
        pass


async def test_death_ends_run(tmp_path: Path, command: asyncio.subprocess.Process) -> None:
    """`run` ends with code 1 and the log's last lines when a server dies."""
    os.kill(json.loads((tmp_path / "state/run.json").read_text())["pids"]["temporal"], signal.SIGKILL)
    output, _ = await asyncio.wait_for(command.communicate(), 30)
    assert command.returncode == 1
    assert output.count(b"temporal ended by itself (killed by SIGKILL)") == 1


def command_lines() -> list[str]:
    """The command lines of all processes of this machine."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return lines

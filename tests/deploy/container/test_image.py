"""The image: linted, and what it promises of itself; then rehearsed where no engine is needed."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from deploy.devstack import process
from deploy.devstack.render import REPOSITORY_ROOT
from deploy.devstack.stack import StackOptions, running_stack
from tests.deploy.container.image_sandbox import (
    DOCKERFILE,
    build_environment,
    build_sandbox_command,
    install_wheel,
    read_image_config,
)
from tests.support.waiting import wait_until

STACK_SERVICES = frozenset({"temporal", "prometheus", "charter", "bootstrap"})
START_TIMEOUT_SECONDS, CYCLE_TIMEOUT_SECONDS = 40.0, 40.0
STOP_TIMEOUT_SECONDS = 20.0
"""Seconds from SIGTERM to the end: 10 s for activities, 2 s for open answers, the rest for a busy machine."""


def find_tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def test_linted() -> None:
    """hadolint finds nothing."""
    linted = subprocess.run([find_tool("hadolint"), str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (linted.returncode, linted.stdout) == (0, "")


def test_it_starts_small_and_stays_small() -> None:
    """A slim base by version and digest, no compiler, nobody as user, and what is secret stays out."""
    text = DOCKERFILE.read_text()
    bases = re.findall(r"(?m)^FROM (\S+)", text)
    assert all(
        base in ("base", "build") or re.fullmatch(r"python:[\d.]+-slim-\w+@sha256:[0-9a-f]{64}", base) for base in bases
    )
    assert not re.search(r"apt-get|\bgcc\b|build-essential", text)
    assert read_image_config().user == "65534:65534"
    assert read_image_config().command == ["worker"]
    kept_out = (REPOSITORY_ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in kept_out
    assert not any(line.startswith("!") and ("tests" in line or "secrets" in line) for line in kept_out)


def test_its_version_is_the_project_s() -> None:
    """One version, in the project, on the image's label and in what staging and Kubernetes run."""
    version = re.search(r'(?m)^version = "(.+)"', (REPOSITORY_ROOT / "pyproject.toml").read_text())
    assert version is not None
    for file in (DOCKERFILE, *(REPOSITORY_ROOT / "deploy").rglob("*.y*ml")):
        for found in re.findall(r"(?:mapek|charter-simulator):(\d[\w.]*)|image\.version=\"(.+?)\"", file.read_text()):
            assert version[1] in found, file


def write_config(stack_config: Path, writable: Path, token: Path) -> Path:
    """Return the stack's config as the container would get it: its own store, no log file, the token readable."""
    settings: dict[str, Any] = yaml.safe_load(stack_config.read_text())
    settings["knowledge"]["sqlite_path"] = str(writable / "knowledge.db")
    settings["alertmanager"] = {"enabled": False}
    settings["execute"]["charter_api_key_file"] = str(writable / "charter.token")
    del settings["logging"]["file"], settings["api"]["webhook_token_file"]
    (writable / "charter.token").write_text(token.read_text())
    (writable / "mapek.yaml").write_text(yaml.safe_dump(settings))
    for file in writable.iterdir():
        file.chmod(0o644)
    return writable / "mapek.yaml"


@pytest.mark.stack
async def test_rehearsed(server_binaries: dict[str, Path], tmp_path: Path) -> None:
    """The image's entry point from the wheel, as nobody, without privileges, on a read-only root: it serves, a cycle
    runs, its health check agrees, and SIGTERM ends it in order."""
    installed, writable = tmp_path / "opt", tmp_path / "state"
    writable.mkdir(mode=0o700)
    built = asyncio.create_task(asyncio.to_thread(install_wheel, installed))
    settings = {"alertmanager": {"enabled": False}, "orchestrator": {"loop_interval": 2}}
    options = StackOptions(
        tmp_path / "stack", profile="demo", services=STACK_SERVICES, settings=settings, report=lambda _: None
    )
    async with running_stack(options) as stack, httpx.AsyncClient(base_url=stack.addresses.mapek) as mapek:
        await built
        config = write_config(stack.state.config_file, writable, stack.state.path / "charter.token")
        made = read_image_config()
        environment = build_environment(made, writable, config)
        command = build_sandbox_command(tmp_path, installed, writable, [*made.entrypoint, *made.command])
        worker = await process.start("worker", command, tmp_path / "log", environment)
        try:

            async def answers(path: str, text: str) -> bool:
                assert worker.is_running, process.append_log_tail("the worker ended", worker)
                try:
                    answer = await mapek.get(path)
                except httpx.TransportError:
                    return False
                return answer.status_code == 200 and text in answer.text

            await wait_until("the worker is ready", lambda: answers("/ready", "true"), START_TIMEOUT_SECONDS)
            check_privileges(worker.pid)
            await wait_until("a healthy cycle", lambda: answers("/metrics", 'outcome="healthy"'), CYCLE_TIMEOUT_SECONDS)
            port = stack.addresses.mapek.rpartition(":")[2]
            check = [word.replace("8001", port) for word in made.healthcheck]
            assert (
                await run_sandboxed(build_sandbox_command(tmp_path, installed, writable, check), environment)
            ).returncode == 0
            await check_writes_confined(tmp_path, installed, writable, environment)
            os.kill(worker.pid, signal.SIGTERM)
            assert await asyncio.wait_for(worker.wait(), STOP_TIMEOUT_SECONDS) == 0
        finally:
            await worker.kill()


def check_privileges(pid: int) -> None:
    """Check that a process has no privileges and can gain none; root's rehearsal changes the user for good."""
    status = Path(f"/proc/{pid}/status").read_text()
    assert re.search(r"(?m)^NoNewPrivs:\t1$", status)
    assert re.search(r"(?m)^CapEff:\t0+$", status)
    if os.geteuid() == 0:
        assert re.search(r"(?m)^Uid:\t65534\t65534\t65534\t65534$", status)


async def run_sandboxed(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a confined command to its end."""
    return await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, check=False
    )


async def check_writes_confined(folder: Path, installed: Path, writable: Path, environment: dict[str, str]) -> None:
    """Check that the same user in the same root can write to its state and not beside it."""
    places = ("/opt/mapek/x", "/etc/x", "/x", f"{sys.prefix}/x", f"{writable}/x")
    script = "; ".join(f"(: > {place}) 2>/dev/null && echo {place}" for place in places)
    said = await run_sandboxed(build_sandbox_command(folder, installed, writable, ["sh", "-c", script]), environment)
    assert said.stdout.split() == [f"{writable}/x"]

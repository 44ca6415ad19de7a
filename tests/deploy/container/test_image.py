"""The image: its Dockerfile, and its entry point in a sandbox without an engine."""

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
"""Maximum from SIGTERM to the end: 10 s for activities, 2 s for open responses, and a busy machine."""


def find_tool(name: str) -> str:
    """Return the path of a tool in the virtual environment."""
    return str(Path(sys.executable).with_name(name))


def test_dockerfile_is_lint_free() -> None:
    """hadolint reports no problem."""
    completed = subprocess.run([find_tool("hadolint"), str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (completed.returncode, completed.stdout) == (0, "")


def test_image_is_small_and_unprivileged() -> None:
    """The base is slim and pinned, the user unprivileged; there is no compiler and no secret."""
    text = DOCKERFILE.read_text()
    bases = re.findall(r"(?m)^FROM (\S+)", text)
    assert all(
        base in ("base", "build") or re.fullmatch(r"python:[\d.]+-slim-\w+@sha256:[0-9a-f]{64}", base) for base in bases
    )
    assert not re.search(r"apt-get|\bgcc\b|build-essential", text)
    assert read_image_config().user == "65534:65534"
    assert read_image_config().command == ["worker"]
    ignored = (REPOSITORY_ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert not any(line.startswith("!") and ("tests" in line or "secrets" in line) for line in ignored)


def test_image_version_is_the_project_version() -> None:
    """Project, image label, staging and Kubernetes have the same version."""
    version = re.search(r'(?m)^version = "(.+)"', (REPOSITORY_ROOT / "pyproject.toml").read_text())
    assert version is not None
    for file in (DOCKERFILE, *(REPOSITORY_ROOT / "deploy").rglob("*.y*ml")):
        for versions in re.findall(
            r"(?:mapek|charter-simulator):(\d[\w.]*)|image\.version=\"(.+?)\"", file.read_text()
        ):
            assert version[1] in versions, file


def write_config(stack_config: Path, writable: Path, token: Path) -> Path:
    """Write the stack's configuration for the container: separate store, no log file, readable token."""
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
async def test_worker_runs_unprivileged_on_a_read_only_root(server_binaries: dict[str, Path], tmp_path: Path) -> None:
    """The worker serves, runs a healthy cycle, passes its health check and stops on SIGTERM."""
    installed, writable = tmp_path / "opt", tmp_path / "state"
    writable.mkdir(mode=0o700)
    installation = asyncio.create_task(asyncio.to_thread(install_wheel, installed))
    settings = {"alertmanager": {"enabled": False}, "orchestrator": {"loop_interval": 2}}
    options = StackOptions(
        tmp_path / "stack", profile="demo", services=STACK_SERVICES, settings=settings, report=lambda _: None
    )
    async with running_stack(options) as stack, httpx.AsyncClient(base_url=stack.addresses.mapek) as mapek:
        await installation
        config = write_config(stack.state.config_file, writable, stack.state.path / "charter.token")
        image = read_image_config()
        environment = build_environment(image, writable, config)
        command = build_sandbox_command(tmp_path, installed, writable, [*image.entrypoint, *image.command])
        worker = await process.start("worker", command, tmp_path / "log", environment)
        try:

            async def responds(path: str, text: str) -> bool:
                assert worker.is_running, process.append_log_tail("the worker ended", worker)
                try:
                    response = await mapek.get(path)
                except httpx.TransportError:
                    return False
                return response.status_code == 200 and text in response.text

            await wait_until("the worker is ready", lambda: responds("/ready", "true"), START_TIMEOUT_SECONDS)
            check_privileges(worker.pid)
            await wait_until(
                "a healthy cycle", lambda: responds("/metrics", 'outcome="healthy"'), CYCLE_TIMEOUT_SECONDS
            )
            port = stack.addresses.mapek.rpartition(":")[2]
            check = [word.replace("8001", port) for word in image.healthcheck]
            assert (
                await run_sandboxed(build_sandbox_command(tmp_path, installed, writable, check), environment)
            ).returncode == 0
            await check_writes_confined(tmp_path, installed, writable, environment)
            os.kill(worker.pid, signal.SIGTERM)
            assert await asyncio.wait_for(worker.wait(), STOP_TIMEOUT_SECONDS) == 0
        finally:
            await worker.kill()


def check_privileges(pid: int) -> None:
    """Check that a process has no privileges and can gain none; as root also its user."""
    status = Path(f"/proc/{pid}/status").read_text()
    assert re.search(r"(?m)^NoNewPrivs:\t1$", status)
    assert re.search(r"(?m)^CapEff:\t0+$", status)
    if os.geteuid() == 0:
        assert re.search(r"(?m)^Uid:\t65534\t65534\t65534\t65534$", status)


async def run_sandboxed(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a sandboxed command to its end."""
    return await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, check=False
    )


async def check_writes_confined(folder: Path, installed: Path, writable: Path, environment: dict[str, str]) -> None:
    """Check that the user can write only to its state folder."""
    paths = ("/opt/mapek/x", "/etc/x", "/x", f"{sys.prefix}/x", f"{writable}/x")
    script = "; ".join(f"(: > {path}) 2>/dev/null && echo {path}" for path in paths)
    completed = await run_sandboxed(
        build_sandbox_command(folder, installed, writable, ["sh", "-c", script]), environment
    )
    assert completed.stdout.split() == [f"{writable}/x"]

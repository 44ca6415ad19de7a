"""Simulator processes, and the headers and bodies of changes."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

TOKEN = "a-token-for-tests"
ROOT = Path(__file__).parents[3]
START_TIMEOUT_SECONDS = 20.0


@dataclass
class SimulatorProcess:
    """A running simulator."""

    process: "subprocess.Popen[str]"
    url: str

    def make_client(self, timeout: float = 10.0) -> httpx.Client:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=timeout, trust_env=False)


def build_command(folder: Path, *arguments: str) -> list[str]:
    token_file = folder / "token"
    token_file.write_text(f"{TOKEN}\n")
    return [sys.executable, "-m", "deploy.simulator", "--token-file", str(token_file), *arguments]


@contextmanager
def running_simulator(folder: Path, *arguments: str) -> Iterator[SimulatorProcess]:
    """Run a simulator on a free port for the duration of a block."""
    command = build_command(folder, "--port", "0", *arguments)
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        server = SimulatorProcess(process, process.stderr.readline().split()[-1])
        wait_until_ready(server)
        yield server
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def wait_until_ready(server: SimulatorProcess) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{server.url}/health", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"the simulator did not answer within {START_TIMEOUT_SECONDS:.0f} s")


def make_change_headers(key: str, generation: int) -> dict[str, str]:
    return {"Idempotency-Key": key, "If-Match": f'"{generation}"', "X-Plan-Hash": "3fa9c1d2e4b5"}


def make_throttle_body(limit: int = 300, name: str = "throttle-requests.gateway") -> dict[str, Any]:
    return {
        "policy": {
            "name": name,
            "kind": "THROTTLE_REQUESTS",
            "component": "gateway",
            "parameters": {"rate_limit": limit},
        },
        "timestamp": "2026-01-21T10:15:00Z",
        "source": "mape_k_executor",
    }

"""The simulator as a process: control API, API faults, start and stop."""

import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.simulator.faults import FaultKind
from tests.deploy.simulator.metric_reader import PREFIX
from tests.deploy.simulator.simulator_process import (
    ROOT,
    SimulatorProcess,
    build_command,
    make_change_headers,
    running_simulator,
)

SCALE_PATH = "/api/v1/committee/scale"


def fetch_generation(client: httpx.Client) -> int:
    generation: int = client.get("/api/v1/committee/state").json()["generation"]
    return generation


def fetch_keys(client: httpx.Client) -> list[str]:
    return [entry["key"] for entry in client.get("/sim/ledger").json()]


def test_control_api_returns_the_true_state(simulator: SimulatorProcess) -> None:
    """Faults can be added, read and cleared; the state has kinds, components, committee and policies."""
    with simulator.make_client() as client:
        response = client.post("/sim/faults", json={"kind": "overload", "component": "gateway", "for_seconds": 60})
        assert response.status_code == 201
        state = client.get("/sim/state").json()
        assert set(state) == {"time", "kinds", "components", "faults", "committee", "policies"}
        assert state["kinds"] == list(FaultKind)
        (fault,) = state["faults"]
        assert (fault["kind"], fault["component"]) == ("overload", "gateway")
        assert fault["until"] == pytest.approx(state["time"] + 60, abs=5)
        assert state["time"] == pytest.approx(time.time(), abs=5)
        assert client.delete("/sim/faults").status_code == 204
        assert client.get("/sim/state").json()["faults"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "earthquake", "component": "gateway"},
        {"kind": "overload", "component": "validator-99"},
        {"kind": "overload"},
        {"kind": "overload", "component": "gateway", "for_seconds": -1},
    ],
)
def test_unknown_fault_is_refused(simulator: SimulatorProcess, body: dict[str, Any]) -> None:
    """An unknown kind or component is 422 and adds no fault."""
    with simulator.make_client() as client:
        assert client.post("/sim/faults", json=body).status_code == 422
        assert client.get("/sim/state").json()["faults"] == []


def test_change_with_a_lost_reply_is_executed_once(simulator: SimulatorProcess) -> None:
    """With reply-lost the connection breaks after the change; a retry with the key gets the reply."""
    with simulator.make_client() as client:
        before = fetch_generation(client)
        client.post("/sim/behaviour", json={"mode": "reply-lost", "count": 1, "route": SCALE_PATH})
        headers = make_change_headers("lost", before)
        with pytest.raises(httpx.RemoteProtocolError):
            client.post(SCALE_PATH, json={"replicas": 6}, headers=headers)
        assert fetch_keys(client).count("lost") == 1
        retried = client.post(SCALE_PATH, json={"replicas": 6}, headers=headers)
        assert (retried.status_code, retried.headers["idempotency-replayed"]) == (200, "true")
        assert fetch_keys(client).count("lost") == 1


def test_deleted_keys_do_not_prevent_a_second_effect(simulator: SimulatorProcess) -> None:
    """After its keys are deleted only the generation prevents a second effect."""
    with simulator.make_client() as client:
        before = fetch_generation(client)
        headers = make_change_headers("deleted", before)
        assert client.post(SCALE_PATH, json={"replicas": 6}, headers=headers).status_code == 200
        assert client.delete("/sim/keys").status_code == 204
        assert client.post(SCALE_PATH, json={"replicas": 6}, headers=headers).status_code == 412
        again = client.post(
            SCALE_PATH, json={"replicas": 6}, headers=make_change_headers("deleted", fetch_generation(client))
        )
        assert again.headers.get("idempotency-replayed") is None
        assert fetch_keys(client).count("deleted") == 2


def test_abandoned_request_is_executed_later(simulator: SimulatorProcess) -> None:
    """With hang-then-execute the change is executed after its caller has disconnected."""
    with simulator.make_client() as client, simulator.make_client(timeout=0.3) as impatient_client:
        headers = make_change_headers("late", fetch_generation(client))
        client.post("/sim/behaviour", json={"mode": "hang-then-execute", "count": 1, "delay": 1.0})
        with pytest.raises(httpx.ReadTimeout):
            impatient_client.post(SCALE_PATH, json={"replicas": 6}, headers=headers)
        assert "late" not in fetch_keys(client)
        deadline = time.monotonic() + 10
        while "late" not in fetch_keys(client) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert fetch_keys(client).count("late") == 1


def test_garbage_is_not_json_and_has_no_effect(simulator: SimulatorProcess) -> None:
    """With garbage the reply is 200 with an invalid body and no effect; other routes are not affected."""
    with simulator.make_client() as client:
        before = fetch_generation(client)
        client.post("/sim/behaviour", json={"mode": "garbage", "count": 1, "route": SCALE_PATH})
        assert fetch_generation(client) == before
        response = client.post(SCALE_PATH, json={"replicas": 6}, headers=make_change_headers("garbage", before))
        assert response.status_code == 200
        with pytest.raises(ValueError, match="Unterminated"):
            response.json()
        assert "garbage" not in fetch_keys(client)


def test_metrics_need_no_token_and_advance(simulator: SimulatorProcess) -> None:
    """The metrics are served without a token, and counters grow without requests."""

    def read_count() -> float:
        text = httpx.get(f"{simulator.url}/metrics", trust_env=False).text
        start = f'{PREFIX}metric_validation_latency_ns_count{{node_or_service="gateway"}} '
        return float(next(line for line in text.splitlines() if line.startswith(start)).removeprefix(start))

    before = read_count()
    time.sleep(1.0)
    assert read_count() > before + 100


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_the_process_despite_a_hanging_request(tmp_path: Path, number: signal.Signals) -> None:
    """A signal ends the process within two seconds with exit code 0 and without a traceback."""
    with running_simulator(tmp_path, "--control-api") as server, server.make_client(timeout=0.2) as client:
        client.post("/sim/behaviour", json={"mode": "hang", "delay": 60})
        with pytest.raises(httpx.ReadTimeout):
            client.get("/api/v1/policies")
        started_at = time.monotonic()
        server.process.send_signal(number)
        assert server.process.wait(timeout=10) == 0
        assert time.monotonic() - started_at < 2.0
        assert server.process.stderr is not None
        assert server.process.stderr.read() == ""


def test_control_api_needs_its_flag(tmp_path: Path) -> None:
    """Without --control-api every route below /sim is 404."""
    with running_simulator(tmp_path) as server, server.make_client() as client:
        assert client.get("/sim/state").status_code == 404
        assert client.post("/sim/faults", json={"kind": "overload", "component": "gateway"}).status_code == 404


@pytest.mark.parametrize(
    "arguments",
    [
        ["--control-api", "--host", "0.0.0.0"],
        ["--control-api", "--host", "charter.example"],
        ["--simulate-failures", "1.5"],
        ["--token-file", "/nowhere/token"],
        ["--port", "99999"],
    ],
)
def test_usage_error_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    """A public control API, a missing token and invalid numbers give exit code 2 and one line."""
    command = build_command(tmp_path, "--port", "0", *arguments)
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert completed.returncode == 2
    assert len(completed.stderr.splitlines()) == 1


def fetch_outcome(client: httpx.Client) -> str:
    try:
        response = client.get("/api/v1/policies")
        response.json()
    except httpx.TransportError:
        return "broken"
    except ValueError:
        return "garbage"
    return str(response.status_code)


def test_simulated_failures_follow_rate_and_seed(tmp_path: Path) -> None:
    """At rate 0.5 about half of the requests fail, in every mode; equal seeds fail the same requests."""
    runs = []
    for _ in range(2):
        with (
            running_simulator(tmp_path, "--simulate-failures", "0.5", "--seed", "5") as server,
            server.make_client() as client,
        ):
            runs.append([fetch_outcome(client) for _ in range(60)])
            assert client.get("/health").status_code == 200
    counts = Counter(runs[0])
    assert 15 <= 60 - counts["200"] <= 40
    assert set(counts) == {"200", "429", "500", "503", "garbage", "broken"}
    assert runs[0] == runs[1]

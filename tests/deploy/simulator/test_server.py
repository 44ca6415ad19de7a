"""The simulator as a process: doors, misbehaviour, start and stop."""

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
    found: int = client.get("/api/v1/committee/state").json()["generation"]
    return found


def fetch_keys(client: httpx.Client) -> list[str]:
    return [entry["key"] for entry in client.get("/sim/ledger").json()]


def test_doors_show_the_ground_truth(simulator: SimulatorProcess) -> None:
    """Faults can be posted, seen and cleared; state names kinds, components, committee and policies."""
    with simulator.make_client() as client:
        posted = client.post("/sim/faults", json={"kind": "overload", "component": "gateway", "for_seconds": 60})
        assert posted.status_code == 201
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
    """An unknown kind or component is 422 and switches nothing on."""
    with simulator.make_client() as client:
        assert client.post("/sim/faults", json=body).status_code == 422
        assert client.get("/sim/state").json()["faults"] == []


def test_lost_reply_has_an_effect_all_the_same(simulator: SimulatorProcess) -> None:
    """With reply-lost the connection breaks, the change is made, and a retry with the key gets its reply."""
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


def test_forgotten_keys_protect_nothing(simulator: SimulatorProcess) -> None:
    """After its keys are forgotten the same request is a new one: only the fence keeps it from happening twice."""
    with simulator.make_client() as client:
        before = fetch_generation(client)
        headers = make_change_headers("forgotten", before)
        assert client.post(SCALE_PATH, json={"replicas": 6}, headers=headers).status_code == 200
        assert client.delete("/sim/keys").status_code == 204
        assert client.post(SCALE_PATH, json={"replicas": 6}, headers=headers).status_code == 412
        again = client.post(
            SCALE_PATH, json={"replicas": 6}, headers=make_change_headers("forgotten", fetch_generation(client))
        )
        assert again.headers.get("idempotency-replayed") is None
        assert fetch_keys(client).count("forgotten") == 2


def test_request_that_was_given_up_is_executed_later(simulator: SimulatorProcess) -> None:
    """With hang-then-execute the change happens after its caller has gone."""
    with simulator.make_client() as client, simulator.make_client(timeout=0.3) as hasty:
        headers = make_change_headers("late", fetch_generation(client))
        client.post("/sim/behaviour", json={"mode": "hang-then-execute", "count": 1, "delay": 1.0})
        with pytest.raises(httpx.ReadTimeout):
            hasty.post(SCALE_PATH, json={"replicas": 6}, headers=headers)
        assert "late" not in fetch_keys(client)
        deadline = time.monotonic() + 10
        while "late" not in fetch_keys(client) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert fetch_keys(client).count("late") == 1


def test_garbage_is_not_json_and_executes_nothing(simulator: SimulatorProcess) -> None:
    """With garbage the reply is 200 with an unreadable body, and nothing happened; other routes are not touched."""
    with simulator.make_client() as client:
        before = fetch_generation(client)
        client.post("/sim/behaviour", json={"mode": "garbage", "count": 1, "route": SCALE_PATH})
        assert fetch_generation(client) == before
        response = client.post(SCALE_PATH, json={"replicas": 6}, headers=make_change_headers("garbage", before))
        assert response.status_code == 200
        with pytest.raises(ValueError, match="Unterminated"):
            response.json()
        assert "garbage" not in fetch_keys(client)


def test_metrics_rise_and_need_no_token(simulator: SimulatorProcess) -> None:
    """The exposition is served without a token and its counters move by themselves."""

    def count() -> float:
        text = httpx.get(f"{simulator.url}/metrics", trust_env=False).text
        start = f'{PREFIX}metric_validation_latency_ns_count{{node_or_service="gateway"}} '
        return float(next(line for line in text.splitlines() if line.startswith(start)).removeprefix(start))

    before = count()
    time.sleep(1.0)
    assert count() > before + 100


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_at_once_even_with_a_hanging_request(tmp_path: Path, number: signal.Signals) -> None:
    """A signal ends the process within two seconds with exit code 0 and without a traceback."""
    with running_simulator(tmp_path, "--control-api") as server, server.make_client(timeout=0.2) as client:
        client.post("/sim/behaviour", json={"mode": "hang", "delay": 60})
        with pytest.raises(httpx.ReadTimeout):
            client.get("/api/v1/policies")
        begun = time.monotonic()
        server.process.send_signal(number)
        assert server.process.wait(timeout=10) == 0
        assert time.monotonic() - begun < 2.0
        assert server.process.stderr is not None
        assert server.process.stderr.read() == ""


def test_without_the_flag_there_are_no_doors(tmp_path: Path) -> None:
    """Doors exist only with --control-api."""
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
def test_wrong_use_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    """Doors off loopback, a missing token and impossible numbers end with exit code 2 and one line."""
    line = build_command(tmp_path, "--port", "0", *arguments)
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


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
    """At rate 0.5 about half of the requests fail, in all the ways there are; the same seed fails the same ones."""
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

"""The command without servers: exit codes, invalid arguments, standard output and standard error."""

import json
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from activities.model.errors import (
    ConfigurationError,
    KillSwitchActive,
    MapekError,
    NotFound,
    StoreUnavailable,
    Unauthorized,
    Unreachable,
)
from activities.model.mode import LoopMode, Mode
from worker.cli.main import FORMER_OPTIONS, app, exit_code, hoist_global_options, run
from worker.cli.output import format_quantity, to_json


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide every stack, configuration and server of this machine."""
    for name in list(os.environ):
        if name.startswith(("MAPEK", "MAPE_K", "TEMPORAL", "CHARTER", "PROMETHEUS", "ALERTMANAGER", "LOG_LEVEL")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MAPEK_STATE", str(tmp_path / "state"))
    for name in ("PROMETHEUS_URL", "CHARTER_URL", "ALERTMANAGER_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")


def run_mapek(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "worker.cli.main", *args],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def time_without_start_up(*args: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run the command and return its seconds minus those of `--help`, which is start-up only."""
    start = time.monotonic()
    run_mapek("--help")
    ready = time.monotonic()
    return run_mapek(*args), (time.monotonic() - ready) - (ready - start)


@pytest.mark.parametrize("verb", [["status"], ["cycles"], ["run", "charter"], ["bootstrap"], ["doctor"], ["worker"]])
def test_an_unreachable_temporal_is_3_with_a_fix(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Each verb that needs Temporal prints the address and the fix."""
    assert run(verb) == 3
    captured = capsys.readouterr()
    text = captured.out + captured.err
    assert "cannot reach Temporal at 127.0.0.1:1" in text
    assert "make run" in text


def test_a_silent_temporal_is_3_within_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that accepts the connection and stays silent is unreachable; the process ends with that code."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        process, seconds = time_without_start_up("status", "--json", "--temporal-address", address)
        assert seconds < 5.0
    assert (process.returncode, process.stdout) == (3, "")
    assert f"cannot reach Temporal at {address}" in process.stderr


def test_doctor_reports_silent_servers_within_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """`doctor` checks all servers concurrently, so many silent ones take no longer than one."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for name in ("PROMETHEUS_URL", "CHARTER_URL", "ALERTMANAGER_URL"):
            monkeypatch.setenv(name, url)
        monkeypatch.setenv("TEMPORAL_ADDRESS", url.removeprefix("http://"))
        process, seconds = time_without_start_up("doctor", "--json")
        assert seconds < 5.0
    parts = {finding["part"]: finding["state"] for finding in json.loads(process.stdout)}
    assert process.returncode == 3
    assert [parts[name] for name in ("temporal", "charter charter", "prometheus", "alertmanager")] == [
        "unreachable"
    ] * 4


@pytest.mark.parametrize(
    "args",
    [
        ["nonsense"],
        ["explain", "zzz"],
        ["approve", "zzz"],
        ["run", "nope"],
        ["run", "charter", "--detach", "--wait"],
        ["run", "charter", "--key", "No Key"],
        ["pause", "charter"],
        ["resume", "charter", "--mode", "stopped"],
        ["cycles", "--limit", "0"],
        ["cycles", "--outcome", 'x" OR "1"="1'],
        ["--config", "/nowhere.yaml", "status"],
    ],
)
def test_wrong_use_is_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """An invalid verb, argument or file is reported on standard error, and nothing is done."""
    assert run(args) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err


def test_an_invalid_configuration_is_2_with_every_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`config check`, like every verb, prints all errors, one per line; the process ends with that code."""
    path = tmp_path / "mapek.yaml"
    path.write_text("plan:\n  zzz: 1\n  min_confidence: 7\n", encoding="utf-8")
    for args in (["config", "check", str(path)], ["--config", str(path), "status"], ["status", f"--config={path}"]):
        assert run(args) == 2
        assert [line.split(": ")[0] for line in capsys.readouterr().err.splitlines()] == [f"{path}:2", f"{path}:3"]
    assert run_mapek("config", "check", str(path)).returncode == 2


def test_a_valid_configuration_is_0_with_its_notes(tmp_path: Path) -> None:
    """Keys without effect are listed with their replacement."""
    path = tmp_path / "mapek.yaml"
    path.write_text("monitor: {poll_interval: 30}\n", encoding="utf-8")
    plain = CliRunner().invoke(app, ["config", "check", str(path)])
    assert plain.exit_code == 0
    assert plain.stdout.startswith("OK: ")
    assert "monitor.poll_interval: changes nothing here; Monitor runs once a cycle" in plain.stdout
    body = json.loads(CliRunner().invoke(app, ["config", "check", str(path), "--json"]).stdout)
    assert (body["ok"], body["loops"], len(body["notes"])) == (True, ["charter"], 1)


def test_reading_creates_no_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a store `audit` says that no worker has run, and leaves no file."""
    assert run(["audit", "0123456789ab"]) == 3
    assert "has a worker run with this configuration?" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), 2),
        (Unauthorized("x"), 2),
        (Unreachable("x"), 3),
        (StoreUnavailable("x"), 3),
        (NotFound("x"), 1),
        (KillSwitchActive("x"), 1),
        (MapekError("x"), 1),
    ],
)
def test_exit_codes_of_errors(error: MapekError, code: int) -> None:
    """Wrong use is 2, an unavailable server is 3, every other error is 1."""
    assert exit_code(error) == code


@pytest.mark.parametrize(("former", "present"), FORMER_OPTIONS.items())
def test_a_former_option_is_refused_with_the_present_one(
    former: str, present: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both spellings of an option with a value are refused; after `--` the same text is an argument."""
    for args in (["pause", "charter", former, "x"], ["pause", "charter", f"{former}=x"]):
        assert run(args) == 2
        assert f"option {former} was renamed: use {present}" in capsys.readouterr().err
    run(["explain", "--", former])
    assert "was renamed" not in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints the version of the installed package."""
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"mapek {version('mapek')}\n"


def test_times_in_json_are_rfc_3339() -> None:
    """Times of models, datetimes and nested values are UTC text; a time of 0 is null; durations stay numbers."""
    mode = Mode(loop="charter", name=LoopMode.ACT, at=1_767_225_600.0, until=None)
    assert to_json(mode)["at"] == "2026-01-01T00:00:00Z"
    assert to_json({"since": 0.0, "until": None, "step": 15.0}) == {"since": None, "until": None, "step": 15.0}
    assert to_json([{"ended_at": 1_767_225_600, "next": datetime(2026, 1, 1, tzinfo=UTC)}]) == [
        {"ended_at": "2026-01-01T00:00:00Z", "next": "2026-01-01T00:00:00Z"}
    ]


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("validation_latency_ns", 1e7, "10 ms"),
        ("validation_latency_seconds", 0.0000123, "12.3 µs"),
        ("report_latency_ms", 1500.0, "1.5 s"),
        ("failure_rate", 0.31, "0.31"),
        ("queue_seconds", 0.0, "0"),
    ],
)
def test_quantities_have_readable_units(metric: str, value: float, text: str) -> None:
    """A metric whose name ends in a unit of time is shown in the largest fitting unit."""
    assert format_quantity(metric, value) == text


@pytest.mark.parametrize(
    ("args", "front"),
    [
        (["status", "--state", "x"], ["--state", "x", "status"]),
        (["status", "--json", "--config=c"], ["--config=c", "status", "--json"]),
        (["run", "a", "--", "--state", "x"], ["run", "a", "--", "--state", "x"]),
        (["status", "--state"], ["--state", "status"]),
    ],
)
def test_global_options_are_accepted_behind_the_verb(args: list[str], front: list[str]) -> None:
    """They are moved to the front; arguments after `--` stay."""
    assert hoist_global_options(args) == front


def test_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends with the code that shells expect."""

    def raise_interrupt(_args: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("worker.cli.main.app", raise_interrupt)
    assert run(["status"]) == 130


def test_a_pause_with_an_end_is_in_the_audit(capsys: pytest.CaptureFixture[str]) -> None:
    """The row has actor, reason and end of `pause --for`; an invalid duration is wrong use."""
    assert run(["pause", "charter", "--reason", "a drill", "--actor", "ada", "--for", "soon"]) == 2
    before = time.time()
    assert run(["pause", "charter", "--reason", "a drill", "--actor", "ada", "--for", "2h"]) == 0
    capsys.readouterr()
    assert run(["audit", "charter", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["kind"], row["actor"]) == ("mode", "ada")
    end = row["summary"].removeprefix("observe until ").removesuffix(": a drill")
    until = datetime.fromisoformat(end).timestamp()
    assert before + 7199 <= until <= time.time() + 7201


def test_autonomy_shows_levels_and_requirements(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first level is shadow on a production Charter and auto on the simulator; overrides are marked."""
    assert run(["autonomy", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["charter"]
    assert {row["level"] for row in rows} == {"shadow"}
    assert rows[0]["promotion_blocker"] == "20 more matches for suggest (0 − 0)"
    config = tmp_path / "mapek.yaml"
    config.write_text(
        "staging: {use_mock_charter: true}\n"
        "knowledge: {autonomy: {overrides: [{action: RESTART_SERVICE, level: suggest}]}}\n"
    )
    monkeypatch.setenv("MAPEK_CONFIG", str(config))
    assert run(["autonomy", "charter", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["charter"]
    assert {row["level"] for row in rows if row["action"] != "RESTART_SERVICE"} == {"auto"}
    assert {(row["level"], row["pinned"]) for row in rows if row["action"] == "RESTART_SERVICE"} == {("suggest", True)}
    assert run(["autonomy", "charter"]) == 0
    assert "suggest (pinned)" in capsys.readouterr().out

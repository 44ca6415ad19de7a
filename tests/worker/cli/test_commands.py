"""The command without any server: exit codes, wrong use, what goes where."""

import json
import os
import socket
import subprocess
import sys
import time
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
from worker.cli.main import app, exit_code, hoist_global_options, run


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No stack, no configuration and no server of this machine."""
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


def time_beyond_start_up(*args: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run the command and return the seconds it took beyond what starting a process takes on this machine just now."""
    began = time.monotonic()
    run_mapek("--help")
    started = time.monotonic()
    return run_mapek(*args), (time.monotonic() - started) - (started - began)


@pytest.mark.parametrize("verb", [["status"], ["cycles"], ["run", "charter"], ["bootstrap"], ["doctor"], ["worker"]])
def test_an_unreachable_server_is_3_and_told_with_the_way_out(
    verb: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each verb that needs Temporal says where it looked and how to mend it."""
    assert run(verb) == 3
    captured = capsys.readouterr()
    said = captured.out + captured.err
    assert "cannot reach Temporal at 127.0.0.1:1" in said
    assert "make run" in said


def test_a_server_that_never_answers_is_given_up_within_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that takes the connection and stays silent is unreachable too, and the code survives the exit."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        ended, seconds = time_beyond_start_up("status", "--json", "--temporal-address", address)
        assert seconds < 5.0
    assert (ended.returncode, ended.stdout) == (3, "")
    assert f"cannot reach Temporal at {address}" in ended.stderr


def test_everything_silent_is_told_within_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """`doctor` asks all servers at once, so that many silent ones take no longer than one."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for name in ("PROMETHEUS_URL", "CHARTER_URL", "ALERTMANAGER_URL"):
            monkeypatch.setenv(name, url)
        monkeypatch.setenv("TEMPORAL_ADDRESS", url.removeprefix("http://"))
        ended, seconds = time_beyond_start_up("doctor", "--json")
        assert seconds < 5.0
    parts = {finding["part"]: finding["state"] for finding in json.loads(ended.stdout)}
    assert ended.returncode == 3
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
    """A wrong verb, argument or file is told on standard error and nothing is done."""
    assert run(args) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err


def test_a_broken_configuration_is_2_with_every_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`config check`, like every verb, names all mistakes, one a line; the process ends with that code too."""
    path = tmp_path / "mapek.yaml"
    path.write_text("plan:\n  zzz: 1\n  min_confidence: 7\n", encoding="utf-8")
    for args in (["config", "check", str(path)], ["--config", str(path), "status"], ["status", f"--config={path}"]):
        assert run(args) == 2
        assert [line.split(": ")[0] for line in capsys.readouterr().err.splitlines()] == [f"{path}:2", f"{path}:3"]
    assert run_mapek("config", "check", str(path)).returncode == 2


def test_a_good_configuration_is_0_with_its_notes(tmp_path: Path) -> None:
    """Keys that change nothing are listed with what replaces them."""
    path = tmp_path / "mapek.yaml"
    path.write_text("monitor: {poll_interval: 30}\n", encoding="utf-8")
    plain = CliRunner().invoke(app, ["config", "check", str(path)])
    assert plain.exit_code == 0
    assert plain.stdout.startswith("OK: ")
    assert "monitor.poll_interval: changes nothing here; Monitor runs once a cycle" in plain.stdout
    body = json.loads(CliRunner().invoke(app, ["config", "check", str(path), "--json"]).stdout)
    assert (body["ok"], body["loops"], len(body["notes"])) == (True, ["charter"], 1)


def test_a_missing_store_is_not_created_by_reading(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Asking for a plan where no worker ever ran says so and leaves no file behind."""
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
def test_errors_and_their_codes(error: MapekError, code: int) -> None:
    """Wrong use is 2, what may work later is 3, every other no is 1."""
    assert exit_code(error) == code


@pytest.mark.parametrize(
    ("args", "front"),
    [
        (["status", "--state", "x"], ["--state", "x", "status"]),
        (["status", "--json", "--config=c"], ["--config=c", "status", "--json"]),
        (["run", "a", "--", "--state", "x"], ["run", "a", "--", "--state", "x"]),
        (["status", "--state"], ["--state", "status"]),
    ],
)
def test_global_options_may_stand_behind_the_verb(args: list[str], front: list[str]) -> None:
    """They are moved to the front; after `--` nothing is touched."""
    assert hoist_global_options(args) == front


def test_interrupting_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends with the code shells expect."""

    def interrupted(_args: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("worker.cli.main.app", interrupted)
    assert run(["status"]) == 130


def test_a_pause_may_end_by_itself_and_the_audit_tells_who_why_and_until(capsys: pytest.CaptureFixture[str]) -> None:
    """`pause --for` keeps when it ends, `status` and `audit LOOP` tell it; what is no duration is wrong use."""
    assert run(["pause", "charter", "--reason", "a drill", "--actor", "ada", "--for", "soon"]) == 2
    before = time.time()
    assert run(["pause", "charter", "--reason", "a drill", "--actor", "ada", "--for", "2h"]) == 0
    capsys.readouterr()
    assert run(["audit", "charter", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["kind"], row["actor"]) == ("mode", "ada")
    until = float(row["summary"].removeprefix("observe until ").removesuffix(": a drill"))
    assert before + 7199 <= until <= time.time() + 7201


def test_autonomy_shows_where_everything_stands(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a Charter that matters all begins at shadow, on the simulator at auto; pins and what is missing show."""
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

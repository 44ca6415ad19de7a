"""The kill switch: its sources and its messages."""

import os
from pathlib import Path

import pytest

from activities.kill_switch import ENV_VARIABLE, KillSwitch
from activities.model.mode import LoopMode, Mode, with_kill_switch


def test_a_file_activates_it_with_a_reason(tmp_path: Path) -> None:
    """The file is read at each call, without a restart or a cache. Its content is shown in one line."""
    file = tmp_path / "kill-switch"
    switch = KillSwitch(file, {})
    assert switch() == ""
    file.write_text("")
    assert switch() == f"kill switch: {file}"
    file.write_text("ada: Charter is being moved\n\x1b[31m")
    assert switch() == f"kill switch: {file}: ada: Charter is being moved \ufffd[31m"
    file.write_text("x" * 10_000)
    assert len(switch()) == 200
    file.unlink()
    assert switch() == ""


@pytest.mark.parametrize("value", ["1", "true", "yes", "on", "please"])
def test_the_environment_activates_it(tmp_path: Path, value: str) -> None:
    """Every value except a false one activates it."""
    assert KillSwitch(tmp_path / "none", {ENV_VARIABLE: value})() == f"kill switch: environment {ENV_VARIABLE}"


@pytest.mark.parametrize("value", ["", "0", "false", "No", " off "])
def test_a_false_value_does_not_activate_it(tmp_path: Path, value: str) -> None:
    """A template that always sets the variable can keep the switch inactive."""
    assert KillSwitch(tmp_path / "none", {ENV_VARIABLE: value})() == ""


def test_an_unreadable_file_counts_as_active(tmp_path: Path) -> None:
    """A folder, or a path through a file, activates it; a pipe does not block."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, blocked / "below", tmp_path / "pipe"):
        assert KillSwitch(path, {})().startswith(f"kill switch: {path}")


def test_the_kill_switch_stops_the_mode() -> None:
    """The loop continues to observe, and names the switch as the reason; without it the set mode holds."""
    acting = Mode(loop="charter", name=LoopMode.ACT)
    assert with_kill_switch("", acting) is acting
    stopped = with_kill_switch("kill switch: /k", acting)
    assert (stopped.name, stopped.reason, stopped.by_kill_switch, stopped.previous) == (
        LoopMode.STOPPED,
        "kill switch: /k",
        True,
        LoopMode.ACT,
    )

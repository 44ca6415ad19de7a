"""The kill switch: what throws it, and what it says."""

import os
from pathlib import Path

import pytest

from activities.kill_switch import ENV_VARIABLE, KillSwitch
from activities.model.mode import LoopMode, Mode, with_kill_switch


def test_a_file_throws_it_and_says_why(tmp_path: Path) -> None:
    """It is looked at anew each time: no restart, no cache. What the file holds is told in one line."""
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
def test_the_environment_throws_it(tmp_path: Path, value: str) -> None:
    """Any value but a plain no counts: whoever sets the variable means something by it."""
    assert KillSwitch(tmp_path / "none", {ENV_VARIABLE: value})() == f"kill switch: environment {ENV_VARIABLE}"


@pytest.mark.parametrize("value", ["", "0", "false", "No", " off "])
def test_a_plain_no_does_not(tmp_path: Path, value: str) -> None:
    """A template that always sets the variable can leave the switch alone."""
    assert KillSwitch(tmp_path / "none", {ENV_VARIABLE: value})() == ""


def test_what_cannot_be_looked_at_counts_as_thrown(tmp_path: Path) -> None:
    """Not knowing is not "off": a folder, or a path through a file, throws it; a pipe holds nobody up."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, blocked / "below", tmp_path / "pipe"):
        assert KillSwitch(path, {})().startswith(f"kill switch: {path}")


def test_under_the_switch_the_mode_is_stopped() -> None:
    """The loop goes on looking and explains that the switch holds it back; without it the mode is what was set."""
    acting = Mode(loop="charter", name=LoopMode.ACT)
    assert with_kill_switch("", acting) is acting
    held = with_kill_switch("kill switch: /k", acting)
    assert (held.name, held.reason, held.by_kill_switch, held.previous) == (
        LoopMode.STOPPED,
        "kill switch: /k",
        True,
        LoopMode.ACT,
    )

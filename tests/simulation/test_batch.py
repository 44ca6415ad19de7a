"""A slice of the simulation; `make simulate` plays the whole of it."""

import json
import os
import subprocess
import sys

from tests.simulation.batch import play_life
from tests.simulation.driver import FaultProfile


def test_no_invariant_breaks_in_a_troubled_life() -> None:
    """Faults, crashes, lost replies, people and foreign writers leave every invariant whole."""
    found = play_life(1, 800)
    assert found.violations == []
    assert found.figures["cycles"] >= 800
    assert found.figures["faults brought"] > 0
    assert found.figures["crashes"] == 0


def test_no_invariant_breaks_in_a_harsh_life() -> None:
    """Neither do they when most changes fail and workers die all the time."""
    found = play_life(3, 80, FaultProfile.HARSH)
    assert found.violations == []
    assert found.figures["effects of ours"] > 0


def test_peace_is_left_alone() -> None:
    """Without a fault, and with the plant's own noise, nothing is ever done."""
    figures = play_life(4, 100, FaultProfile.PEACEFUL).figures
    assert figures["effects of ours"] == figures["incidents"] == 0
    assert figures["cycle healthy"] + figures["cycle blind"] == figures["cycles"]
    assert figures["cycle blind"] <= 2, "before there are rates nothing can be seen"


def test_a_seed_is_a_life() -> None:
    """The same seed plays the same life to the last figure, however a process orders its sets."""
    code = "from tests.simulation.batch import *; print(json.dumps(play_life(5, 200, FaultProfile.HARSH).figures, sort_keys=True))"
    lives = [
        subprocess.run(
            [sys.executable, "-c", f"import json; {code}"],
            env={**os.environ, "PYTHONHASHSEED": order},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for order in ("1", "2")
    ]
    assert json.loads(lives[0])["workers killed"] > 0
    assert lives[0] == lives[1]

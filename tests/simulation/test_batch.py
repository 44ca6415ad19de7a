"""A part of the simulation; `make simulate` plays all of it."""

import json
import os
import subprocess
import sys

from tests.simulation.batch import play_life
from tests.simulation.driver import FaultProfile


def test_no_invariant_breaks_in_a_life_with_faults() -> None:
    """Faults, crashes, lost replies, operators and external changes break no invariant."""
    result = play_life(1, 800)
    assert result.violations == []
    assert result.figures["cycles"] >= 800
    assert result.figures["faults brought"] > 0
    assert result.figures["crashes"] == 0


def test_no_invariant_breaks_in_a_harsh_life() -> None:
    """No invariant breaks when most changes fail and workers die often."""
    result = play_life(3, 80, FaultProfile.HARSH)
    assert result.violations == []
    assert result.figures["effects of ours"] > 0


def test_a_peaceful_life_has_no_effects() -> None:
    """Without a fault the loop changes nothing, in spite of the plant's noise."""
    figures = play_life(4, 100, FaultProfile.PEACEFUL).figures
    assert figures["effects of ours"] == figures["incidents"] == 0
    assert figures["cycle healthy"] + figures["cycle blind"] == figures["cycles"]
    assert figures["cycle blind"] <= 2, "a cycle is blind until there are rates"


def test_the_same_seed_plays_the_same_life() -> None:
    """All figures are equal, also with another order of the sets in the process."""
    code = (
        "import json; from tests.simulation.batch import *; "
        "print(json.dumps(play_life(5, 200, FaultProfile.HARSH).figures, sort_keys=True))"
    )
    lives = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": order},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for order in ("1", "2")
    ]
    assert json.loads(lives[0])["workers killed"] > 0
    assert lives[0] == lives[1]

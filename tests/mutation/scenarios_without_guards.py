"""What a loop without one of its guards does: each short life goes wrong. Played by `make mutants`."""

import pytest

from tests.mutation.conftest import CAUGHT
from tests.mutation.guard_mutants import GUARDS, GuardMutant
from tests.mutation.test_guard_mutants import copy, ran

__all__ = ["copy"]
PLAYED = tuple(one for one in GUARDS if one.scenario)


@pytest.mark.parametrize("guard", PLAYED, ids=lambda guard: guard.mutant.name)
def test_a_life_without_it_goes_wrong(copy, guard: GuardMutant, record_property):
    """Without the guard the loop does what it must not do."""
    guard.mutant.apply(copy)
    found = ran(copy, "-m", "tests.simulation.guard_scenarios", guard.scenario)
    assert found.returncode == 1, found.stdout + found.stderr[-2000:]
    assert found.stdout.startswith(f"{guard.scenario}: ")
    record_property(CAUGHT, f"life {found.stdout.splitlines()[0]}")

"""What a loop without one of its guards does: each short life goes wrong. Played by `make mutants`."""

import pytest

from tests.mutation.conftest import CAUGHT_BY_PROPERTY
from tests.mutation.guard_mutants import GUARD_MUTANTS, GuardMutant
from tests.mutation.test_guard_mutants import product_copy, run_python

__all__ = ["product_copy"]
GUARDS_WITH_SCENARIO = tuple(one for one in GUARD_MUTANTS if one.scenario)


@pytest.mark.parametrize("guard", GUARDS_WITH_SCENARIO, ids=lambda guard: guard.mutant.name)
def test_a_life_without_it_goes_wrong(product_copy, guard: GuardMutant, record_property):
    """Without the guard the loop does what it must not do."""
    guard.mutant.apply(product_copy)
    found = run_python(product_copy, "-m", "tests.simulation.guard_scenarios", guard.scenario)
    assert found.returncode == 1, found.stdout + found.stderr[-2000:]
    assert found.stdout.startswith(f"{guard.scenario}: ")
    record_property(CAUGHT_BY_PROPERTY, f"life {found.stdout.splitlines()[0]}")

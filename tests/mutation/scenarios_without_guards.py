"""What a loop without one of its guards does: each scenario goes wrong. Played by `make mutants`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mutation.conftest import CAUGHT_BY_PROPERTY
from tests.mutation.guard_mutants import GUARD_MUTANTS, GuardMutant
from tests.mutation.test_guard_mutants import product_copy, run_python

__all__ = ["product_copy"]
GUARDS_WITH_SCENARIO = tuple(mutant for mutant in GUARD_MUTANTS if mutant.scenario)


@pytest.mark.parametrize("guard", GUARDS_WITH_SCENARIO, ids=lambda guard: guard.mutant.name)
def test_the_scenario_goes_wrong_without_the_guard(
    product_copy: Path, guard: GuardMutant, record_property: Callable[[str, object], None]
) -> None:
    """Without the guard the loop does what it must not do."""
    guard.mutant.apply(product_copy)
    run = run_python(product_copy, "-m", "tests.simulation.guard_scenarios", guard.scenario)
    assert run.returncode == 1, run.stdout + run.stderr[-2000:]
    assert run.stdout.startswith(f"{guard.scenario}: ")
    record_property(CAUGHT_BY_PROPERTY, f"scenario {run.stdout.splitlines()[0]}")

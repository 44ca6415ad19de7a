"""Each guard matters: the tests fail without it. `scenarios_without_guards.py` shows the harm of its absence."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from activities.model.guard_rule import GuardRule
from tests.mutation.conftest import CAUGHT_BY_PROPERTY
from tests.mutation.guard_mutants import GUARD_MUTANTS, GuardMutant

ROOT = Path(__file__).parent.parent.parent
COPIED_FOLDERS = ("workflows", "activities", "worker", "deploy", "tests")
PLAY_ALL = os.environ.get("MAPEK_MUTANTS") == "all"
PLAYED_MUTANTS = tuple(mutant for mutant in GUARD_MUTANTS if PLAY_ALL or mutant.rule is GuardRule.STORM)
"""One in every `make test`; `make mutants` plays all of them, one after the other."""
GUARD_TESTS = ("tests/activities/plan/guards/test_table.py", "tests/activities/execute/prepare/test_every_guard.py")


@pytest.fixture
def product_copy(tmp_path: Path) -> Path:
    """Return a copy of the tree that a mutant may edit."""
    for room in COPIED_FOLDERS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__", "pictures"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run_python(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the tree under `root` and return the ended process."""
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("guard", GUARD_MUTANTS, ids=lambda guard: guard.mutant.name)
def test_every_mutant_still_fits(product_copy: Path, guard: GuardMutant) -> None:
    """The texts that the mutants edit are still in the product."""
    guard.mutant.apply(product_copy)


@pytest.mark.parametrize("guard", PLAYED_MUTANTS, ids=lambda guard: guard.mutant.name)
def test_the_tests_fail_without_the_guard(
    product_copy: Path, guard: GuardMutant, record_property: Callable[[str, object], None]
) -> None:
    """Without the guard its cases fail: when a plan is chosen, prepared and sent."""
    guard.mutant.apply(product_copy)
    run = run_python(product_copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", *GUARD_TESTS, "-k", guard.rule.value)
    assert run.returncode == 1, run.stdout[-2000:] + run.stderr[-2000:]
    record_property(CAUGHT_BY_PROPERTY, f"{run.stdout.count('FAILED ')} tests of the guards")

"""Each guard matters: the tests notice a product without it. `lives_without_guards.py` shows the harm it would do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation.conftest import CAUGHT_BY_PROPERTY
from tests.mutation.guard_mutants import GUARD_MUTANTS, GuardMutant

ROOT = Path(__file__).parent.parent.parent
COPIED_FOLDERS = ("workflows", "activities", "worker", "deploy", "tests")
PLAY_ALL = os.environ.get("MAPEK_MUTANTS") == "all"
PLAYED_MUTANTS = GUARD_MUTANTS if PLAY_ALL else GUARD_MUTANTS[2:3]
"""One by every `make test`; `make mutants` takes all away, one after the other."""
GUARD_TESTS = "tests/activities/execute/prepare/test_every_guard.py"
QUORUM_TEST = "tests/activities/plan/guards/test_core.py::test_quorum"


@pytest.fixture
def product_copy(tmp_path):
    """A copy of the tree that may be broken."""
    for room in COPIED_FOLDERS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__", "pictures"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run_python(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Return what a Python command in the tree under `root` came to."""
    environment = {**os.environ, "PYTHONPATH": str(root)}
    found = [sys.executable, *command]
    return subprocess.run(found, cwd=root, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("guard", GUARD_MUTANTS, ids=lambda guard: guard.mutant.name)
def test_every_mutant_still_fits(product_copy, guard: GuardMutant):
    """The texts the mutants edit are still in the product."""
    guard.mutant.apply(product_copy)


@pytest.mark.parametrize("guard", PLAYED_MUTANTS, ids=lambda guard: guard.mutant.name)
def test_the_tests_notice(product_copy, guard: GuardMutant, record_property):
    """Without the guard its cases fail: when a plan is chosen, prepared and sent."""
    guard.mutant.apply(product_copy)
    cases = (GUARD_TESTS, "-k", guard.test_case) if guard.test_case else (QUORUM_TEST,)
    found = run_python(product_copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", *cases)
    assert found.returncode == 1, found.stdout[-2000:] + found.stderr[-2000:]
    record_property(
        CAUGHT_BY_PROPERTY, f"{found.stdout.count('FAILED ')} tests of {Path(cases[0].partition('::')[0]).name}"
    )

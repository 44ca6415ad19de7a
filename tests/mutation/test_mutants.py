"""The proof of the checker: whoever breaks the product as one of the mutants does is caught by a simulated life."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation.conftest import CAUGHT_BY_PROPERTY
from tests.mutation.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parent.parent.parent
COPIED_FOLDERS = ("workflows", "activities", "worker", "deploy", "tests")
DEFAULT_MUTANTS = ("verified-by-nothing", "lock-per-symptom", "undo-registered-after-the-effect")
"""Played by every `make test`; `make mutants` plays all."""
LIFE_COUNT = 30
PLAYED_MUTANTS = (
    MUTANTS if os.environ.get("MAPEK_MUTANTS") == "all" else tuple(m for m in MUTANTS if m.name in DEFAULT_MUTANTS)
)


def run_violation_search(root: Path, mutant: Mutant) -> subprocess.CompletedProcess[str]:
    """Return what a hunt in the tree under `root` came to."""
    command = [
        sys.executable,
        "-m",
        "tests.simulation.find_violation",
        "--lives",
        str(LIFE_COUNT),
        "--of",
        *mutant.invariants,
    ]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def product_copy(tmp_path):
    """A copy of the tree that may be broken."""
    for room in COPIED_FOLDERS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__", "pictures"))
    return tmp_path


@pytest.mark.parametrize("mutant", PLAYED_MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_is_caught(product_copy, mutant: Mutant, record_property):
    """A broken promise shows as a broken invariant, one of those it is about."""
    mutant.apply(product_copy)
    found = run_violation_search(product_copy, mutant)
    broken = {line.partition(":")[0] for line in found.stdout.splitlines()}
    assert broken & set(mutant.invariants), found.stdout + found.stderr[-2000:]
    seed = found.stdout.rpartition("(seed ")[2].partition(")")[0]
    record_property(CAUGHT_BY_PROPERTY, f"{', '.join(sorted(broken & set(mutant.invariants)))} in seed {seed}")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_still_fits(product_copy, mutant: Mutant):
    """The texts the mutants edit are still in the product."""
    mutant.apply(product_copy)

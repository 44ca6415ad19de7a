"""The checker works: a simulated life catches every mutant of the product."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
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
    """Search simulated lives of the tree under `root` for a broken invariant, and return the ended process."""
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
def product_copy(tmp_path: Path) -> Path:
    """Return a copy of the tree that a mutant may edit."""
    for room in COPIED_FOLDERS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__", "pictures"))
    return tmp_path


@pytest.mark.parametrize("mutant", PLAYED_MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_is_caught(
    product_copy: Path, mutant: Mutant, record_property: Callable[[str, object], None]
) -> None:
    """The search finds one of the invariants that the mutant must break."""
    mutant.apply(product_copy)
    search = run_violation_search(product_copy, mutant)
    broken = {line.partition(":")[0] for line in search.stdout.splitlines()}
    assert broken & set(mutant.invariants), search.stdout + search.stderr[-2000:]
    seed = search.stdout.rpartition("(seed ")[2].partition(")")[0]
    record_property(CAUGHT_BY_PROPERTY, f"{', '.join(sorted(broken & set(mutant.invariants)))} in seed {seed}")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_still_fits(product_copy: Path, mutant: Mutant) -> None:
    """The texts that the mutants edit are still in the product."""
    mutant.apply(product_copy)

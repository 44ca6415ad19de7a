"""The tools that only an operator starts (benchmarks, soak, mutation, load) import without error."""

import importlib
from pathlib import Path

import pytest

from tests.bench import bandit

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for folder in ("bench", "load", "mutation", "simulation", "soak", "worker")
    for file in (ROOT / "tests" / folder).rglob("*.py")
    # Locust patches the interpreter on import.
    if not file.name.startswith(("test_", "conftest", "locustfile"))
)


@pytest.mark.parametrize("name", MODULES)
def test_module_can_be_imported(name: str) -> None:
    """Every name that the module imports exists."""
    importlib.import_module(name)


def test_learning_costs_less_than_the_rule_it_replaced() -> None:
    """A tenth of the seeds shows it: regret at T = 300, and at T = 600 with a drift at half time."""
    table = bandit.compute_regret_table(bandit.SEED_COUNT // 10)
    assert table["thompson"]["T300"] < table["original"]["T300"] / 2
    assert table["thompson"]["T600_drift"] < table["original"]["T600_drift"]

"""One mutant per guard: the product without it, and the scenario or the tests that notice."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from activities.model.guard_rule import GuardRule
from activities.plan.guards.table import GUARDS, GuardRow
from tests.mutation.mutants import Mutant

SCENARIOS: Mapping[GuardRule, str] = MappingProxyType(
    {
        GuardRule.QUORUM: "quorum",
        GuardRule.STORM: "storm",
        GuardRule.FROZEN: "oscillation",
        GuardRule.FOREIGN_WRITER: "fighting",
        GuardRule.BUDGET: "budget",
        GuardRule.CONCURRENCY: "concurrency",
    }
)
"""The simulated scenario that goes wrong without the guard. Without the other guards only the tests notice."""
GUARD_FUNCTIONS_FILE = "activities/plan/guards/core.py"
GUARD_TABLE_FILE = "activities/plan/guards/table.py"


@dataclass(frozen=True)
class GuardMutant:
    """A product without the guard of `rule`. `scenario` is the one that goes wrong without it, empty for none."""

    rule: GuardRule
    mutant: Mutant
    scenario: str


def remove_guard(guard: GuardRow) -> GuardMutant:
    """Return the product without a guard: its function in the table lets everything pass."""
    before = f"GuardRule.{guard.rule.name}, {guard.refuse.__name__}"
    mutant = Mutant(f"no-{guard.rule}", GUARD_TABLE_FILE, before, f"GuardRule.{guard.rule.name}, lambda *_: ''", ())
    return GuardMutant(guard.rule, mutant, SCENARIOS.get(guard.rule, ""))


def remove_quorum() -> GuardMutant:
    """Return the product without the quorum guard: Execute calls its function too, so the function lets all pass."""
    before = "    replicas, healthy = committee.replicas, committee.healthy_nodes\n    for action in actions:\n"
    mutant = Mutant(f"no-{GuardRule.QUORUM}", GUARD_FUNCTIONS_FILE, before, f'    return ""\n{before}', ())
    return GuardMutant(GuardRule.QUORUM, mutant, SCENARIOS[GuardRule.QUORUM])


GUARD_MUTANTS = tuple(remove_quorum() if guard.rule is GuardRule.QUORUM else remove_guard(guard) for guard in GUARDS)

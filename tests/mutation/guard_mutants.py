"""Each guard taken away, one at a time, and the short life or the test that notices."""

from dataclasses import dataclass

from tests.mutation.mutants import Mutant


@dataclass(frozen=True)
class GuardMutant:
    """A product without one guard. `scenario` is the short life that goes wrong without it, `case` the test's.

    Where there is no scenario nothing of the loop's own does what the guard is for: then the tests alone notice.
    """

    mutant: Mutant
    scenario: str
    test_case: str


def remove_guard(function_name: str, rule: str, scenario: str = "") -> GuardMutant:
    """Return the product without a passing rule."""
    before = f"    unsettled,\n    {function_name},\n" if function_name == "storm" else f"    {function_name},\n"
    after = "    unsettled,\n" if function_name == "storm" else ""
    if function_name == "quarantine":
        before, after = "PASSING: tuple[Rule, ...] = (\n    quarantine,\n", "PASSING: tuple[Rule, ...] = (\n"
    return GuardMutant(Mutant(f"no-{rule}", "activities/plan/guards/core.py", before, after, ()), scenario, rule)


GUARD_MUTANTS = (
    GuardMutant(
        Mutant(
            "no-quorum",
            "activities/plan/guards/core.py",
            "    committee = conditions.committee\n",
            "    return None\n",
            (),
        ),
        "quorum",
        "",
    ),
    remove_guard("quarantine", "quarantine"),
    remove_guard("storm", "storm", "storm"),
    remove_guard("frozen", "frozen", "oscillation"),
    remove_guard("foreign", "foreign-writer", "fighting"),
    remove_guard("cool_down", "cool-down"),
    remove_guard("reverse", "reverse"),
    remove_guard("budget", "budget", "budget"),
    remove_guard("concurrency", "concurrency", "concurrency"),
    remove_guard("freeze_date", "freeze-date"),
    remove_guard("window", "window"),
    remove_guard("mode", "mode"),
)

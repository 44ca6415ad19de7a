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
    case: str


def without(rule: str, name: str, scenario: str = "") -> GuardMutant:
    """Return the product without a passing rule."""
    before = f"    unsettled,\n    {rule},\n" if rule == "storm" else f"    {rule},\n"
    after = "    unsettled,\n" if rule == "storm" else ""
    if rule == "quarantine":
        before, after = "PASSING: tuple[Rule, ...] = (\n    quarantine,\n", "PASSING: tuple[Rule, ...] = (\n"
    return GuardMutant(Mutant(f"no-{name}", "activities/plan/guards/core.py", before, after, ()), scenario, name)


GUARDS = (
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
    without("quarantine", "quarantine"),
    without("storm", "storm", "storm"),
    without("frozen", "frozen", "oscillation"),
    without("foreign", "foreign-writer", "fighting"),
    without("cool_down", "cool-down"),
    without("reverse", "reverse"),
    without("budget", "budget", "budget"),
    without("concurrency", "concurrency", "concurrency"),
    without("freeze_date", "freeze-date"),
    without("window", "window"),
    without("mode", "mode"),
)

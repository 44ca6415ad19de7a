"""The evidence of a finished run as plain values, the only input of the checker.

Charter's ledger is the truth; store and histories are the loop's own account. All times are unix seconds.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from activities.model.identifiers import REMEDIATION_TYPES

Row = Mapping[str, Any]

OWN_KEY_PATTERN = re.compile(r"([0-9a-f]{12})-(\d+)-(do|undo)")
"""Plan, step and direction in a key of the loop; a key of another form belongs to another writer, unless audited."""


@dataclass(frozen=True)
class LedgerEffect:
    """One effect of the loop in Charter's ledger: plan, step and direction ("do", "undo")."""

    plan: str
    step: int
    direction: str
    row: Row

    @property
    def is_reversible(self) -> bool:
        """Whether it can be undone: every effect but a restart."""
        return bool(self.row["kind"] != "RESTART_SERVICE")


@dataclass(frozen=True)
class Evidence:
    """One run.

    `ledger` is the reply of `GET /sim/ledger`; `audit`, `plans`, `outcomes` and `knobs` are rows of the store.
    `started` are the remediations of the guards' state, {plan_id, started_at}. `histories` are runs of workflows:
    {workflow_id, run_id, type, input, started, closed, status, outcome, events}, events with
    {at, event, name?, result?, request?}. `committee` holds Charter's state just before each effect:
    {at, key, kind, effect, body, before}. `alerts` are {answered_at, due?}; `due` is later than two periods after an
    outage. `observed_at` are the times of observations. `blind_intervals` are (start, end) without a correct signal;
    a decision within one is a violation. `generations` are those of the knobs at the end, by Charter.
    `unauthorized_posts` are posts of alerts that must have no effect, {mark, kind, status}: `mark` occurs nowhere else,
    `status` is None without an answer. `leaks` are {secret, place}: where a secret was found. `budgets` limit the
    remediations: (per "knob" or "loop", limit, seconds). `is_clock_correct`: the clocks of all workers were always
    correct. `quiet_since` is the end of the last fault and the last intervention, None if they did not end; `ended_at`
    is the end of the run; `period_seconds` is the time between cycles.
    """

    seed: int
    ledger: tuple[Row, ...]
    audit: tuple[Row, ...] = ()
    plans: tuple[Row, ...] = ()
    outcomes: tuple[Row, ...] = ()
    knobs: tuple[Row, ...] = ()
    started: tuple[Row, ...] = ()
    histories: tuple[Row, ...] = ()
    committee: tuple[Row, ...] = ()
    alerts: tuple[Row, ...] = ()
    observed_at: tuple[float, ...] = ()
    blind_intervals: tuple[tuple[float, float], ...] = ()
    generations: Mapping[str, int] = field(default_factory=dict)
    unauthorized_posts: tuple[Row, ...] = ()
    leaks: tuple[Row, ...] = ()
    budgets: tuple[tuple[str, int, float], ...] = ()
    is_clock_correct: bool = False
    period_seconds: float = 30.0
    quiet_since: float | None = None
    ended_at: float = 0.0
    effects: tuple[LedgerEffect, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "effects", tuple(parse_effects(self.ledger, self.audit)))

    def effects_of_plan(self, plan: str, direction: str) -> list[LedgerEffect]:
        """Return the effects of a plan in one direction, in the order of the ledger."""
        return [effect for effect in self.effects if (effect.plan, effect.direction) == (plan, direction)]

    def effects_in_force(self, plan: str) -> list[LedgerEffect]:
        """Return the effects of a plan that were not undone."""
        undone = {effect.step for effect in self.effects_of_plan(plan, "undo")}
        return [effect for effect in self.effects_of_plan(plan, "do") if effect.step not in undone]

    def is_replaced(self, effect: LedgerEffect) -> bool:
        """Return whether a newer policy is in force, or another writer has set the size of the committee since."""
        if effect.row["policy_id"] is None:
            own_keys = {own.row["key"] for own in self.effects}
            later = (row for row in self.ledger if row["generation_before"] >= effect.row["generation_after"])
            return any(row["knob"] == effect.row["knob"] and row["key"] not in own_keys for row in later)
        return self.generations.get(str(effect.row["knob"]), 0) > int(effect.row["generation_after"])

    def find_plan(self, plan_id: str) -> Row:
        """Return a stored plan, an empty row if the store has none of this id."""
        return next((plan for plan in self.plans if plan["plan_id"] == plan_id), {})

    def find_outcome(self, plan_id: str) -> Row | None:
        """Return a plan's outcome."""
        return next((outcome for outcome in self.outcomes if outcome["plan_id"] == plan_id), None)

    def list_remediations(self) -> list[Row]:
        """Return the runs of remediations."""
        return [run for run in self.histories if run["type"] in REMEDIATION_TYPES]

    def running_plans(self) -> set[str]:
        """Return the ids of plans with a running remediation."""
        return {run["input"]["plan_id"] for run in self.list_remediations() if run["closed"] is None}


@dataclass(frozen=True)
class Violation:
    """A broken invariant (`I1` to `I12`, `fence`, `quorum`, `churn`, `storm`), and the rows that show it."""

    invariant: str
    summary: str
    seed: int
    rows: tuple[Row, ...] = ()

    def __str__(self) -> str:
        return f"{self.invariant}: {self.summary} (seed {self.seed})"


def parse_effects(ledger: Iterable[Row], audit: Iterable[Row]) -> Iterable[LedgerEffect]:
    """Yield the loop's effects in the ledger; the audit identifies keys of another form."""
    attempts = {row["key"]: row for row in audit if row["kind"] == "attempt" and row["key"]}
    for row in ledger:
        key = row["key"] or ""
        parts = OWN_KEY_PATTERN.fullmatch(key)
        if attempt := attempts.get(key):
            yield LedgerEffect(attempt["plan_id"], attempt["step"], attempt["direction"], row)
        elif parts:
            yield LedgerEffect(parts[1], int(parts[2]), parts[3], row)

"""What a finished run left behind, as plain values: the checker judges nothing else.

Charter's ledger is the truth; store and histories are what the loop says of itself. All times are unix seconds.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from activities.model.identifiers import REMEDIATION_TYPES

Row = Mapping[str, Any]

OWN_KEY_PATTERN = re.compile(r"([0-9a-f]{12})-(\d+)-(do|undo)")
"""Plan, step and direction of a key of ours; a key of another form is somebody else's, unless our audit has it."""


@dataclass(frozen=True)
class LedgerEffect:
    """One effect of ours in Charter's ledger: which step of which plan, and in which direction ("do", "undo")."""

    plan: str
    step: int
    direction: str
    row: Row

    @property
    def is_reversible(self) -> bool:
        """Whether it can be taken back: everything but a restart."""
        return self.row["kind"] != "RESTART_SERVICE"


@dataclass(frozen=True)
class Evidence:
    """One run.

    `ledger` as `GET /sim/ledger` gives it; `audit`, `plans`, `outcomes`, `knobs` as the store keeps them.
    `histories` are runs of workflows: {workflow_id, run_id, type, input, started, closed, status, events}, events with
    {at, event, name?, result?, request?}. `committee` holds Charter's own state just before each effect:
    {at, key, kind, effect, body, before}. `alerts` are {answered_at, due?}: with `due`, later than two periods, where
    nobody could look meanwhile. `observed` are the instants cycles looked.
    `blind` are intervals (start, end) in which nothing true could be seen; a decision within one is a guess.
    `begun` are the remediations the guards remember, {plan_id, began}; `budgets` how many of them there may be:
    (per "knob" or "loop", limit, seconds). `clock_right` says that no worker's clock was ever wrong.
    `generations` are those of the knobs at the end, as Charter tells them.
    `strangers` are posts of alerts that must not be heard, {mark, kind, status}: `mark` is a word that stands nowhere
    else, `status` None where nobody answered. `leaks` are {secret, place}: where a secret was found.
    `quiet_since` is when the last fault and the last interference ended, None if they never did; `ended` when the run
    was stopped; `period` seconds between cycles.
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
        """Return the effects of a plan in one direction, as they came."""
        return [one for one in self.effects if (one.plan, one.direction) == (plan, direction)]

    def effects_in_force(self, plan: str) -> list[LedgerEffect]:
        """Return the effects of a plan that were not taken back."""
        undone = {one.step for one in self.effects_of_plan(plan, "undo")}
        return [one for one in self.effects_of_plan(plan, "do") if one.step not in undone]

    def is_replaced(self, effect: LedgerEffect) -> bool:
        """Tell whether a newer policy is in force, or somebody else has set the size of the committee since."""
        if effect.row["policy_id"] is None:
            ours = {done.row["key"] for done in self.effects}
            later = (row for row in self.ledger if row["generation_before"] >= effect.row["generation_after"])
            return any(row["knob"] == effect.row["knob"] and row["key"] not in ours for row in later)
        return self.generations.get(effect.row["knob"], 0) > int(effect.row["generation_after"])

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
        """Return the ids of plans a remediation still holds."""
        return {run["input"]["plan_id"] for run in self.list_remediations() if run["closed"] is None}


@dataclass(frozen=True)
class Violation:
    """A broken invariant: which (`I1` to `I12`, `fence`, `quorum`, `churn`, `storm`), what, and rows that show it."""

    invariant: str
    summary: str
    seed: int
    rows: tuple[Row, ...] = ()

    def __str__(self) -> str:
        return f"{self.invariant}: {self.summary} (seed {self.seed})"


def parse_effects(ledger: Iterable[Row], audit: Iterable[Row]) -> Iterable[LedgerEffect]:
    """Yield our effects in the ledger; the audit tells whose an unusual key is."""
    ours = {row["key"]: row for row in audit if row["kind"] == "attempt" and row["key"]}
    for row in ledger:
        key = row["key"] or ""
        named = OWN_KEY_PATTERN.fullmatch(key)
        if key in ours:
            yield LedgerEffect(ours[key]["plan_id"], ours[key]["step"], ours[key]["direction"], row)
        elif named:
            yield LedgerEffect(named[1], int(named[2]), named[3], row)

"""The table of guards: the rules that may refuse a plan, each with numbers.

A running remediation on the same knob is no guard: the workflow id is the lock.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from activities.model.decision import Block
from activities.model.guard_rule import GuardRule
from activities.plan.autonomy import autonomy_guard
from activities.plan.guards.base import Actions, Guard, GuardInput
from activities.plan.guards.core import (
    allowed_actions_guard,
    confidence_guard,
    cool_down_guard,
    kill_switch_guard,
    max_replicas_guard,
    mode_guard,
    quarantine_guard,
    quorum_guard,
    silenced_guard,
    unsettled_guard,
)
from activities.plan.guards.oscillation import foreign_writer_guard, freeze_guard
from activities.plan.guards.rates import budget_guard, concurrency_guard, reversal_guard
from activities.plan.guards.storm import storm_guard
from activities.plan.guards.windows import freeze_date_guard, window_guard


class Stage(StrEnum):
    """When a guard is checked. A plan that an operator requested skips `PLAN`."""

    PLAN = "a candidate is chosen"
    PREPARE = "the plan is prepared"
    SEND = "before each step is sent"


class Clearance(StrEnum):
    """How a block goes away."""

    AUTOMATIC = "automatically"
    OPERATOR = "by an operator"
    SETTINGS = "by other settings"


ALL_STAGES = frozenset(Stage)
BEFORE_APPLY = frozenset({Stage.PLAN, Stage.PREPARE})
"""The stages with a fresh observation. Before each step the guards read only the store: the generation is the fence.

The quorum is the exception: `recheck_quorum` in `execute/activity.py` reads Charter again before each committee step.
"""


@dataclass(frozen=True)
class GuardRow:
    """One guard and what follows from its block.

    `skips_rung`: the ladder goes on to the next rung, because the block says that this remedy does not fit the system
    as it is now. Otherwise the same remedy waits for the end of the block. `clearance` is independent of it: too small
    a quorum skips the rung, and the block ends when a member recovers.
    `binds_operator`: checked also for a plan that an operator requested.
    """

    rule: GuardRule
    refuse: Guard
    clearance: Clearance
    stages: frozenset[Stage] = ALL_STAGES
    skips_rung: bool = False
    binds_operator: bool = False


GUARDS: tuple[GuardRow, ...] = (
    GuardRow(
        GuardRule.ALLOWED, allowed_actions_guard, Clearance.SETTINGS, ALL_STAGES, skips_rung=True, binds_operator=True
    ),
    GuardRow(
        GuardRule.MAX_REPLICAS, max_replicas_guard, Clearance.SETTINGS, ALL_STAGES, skips_rung=True, binds_operator=True
    ),
    GuardRow(GuardRule.QUORUM, quorum_guard, Clearance.AUTOMATIC, BEFORE_APPLY, skips_rung=True, binds_operator=True),
    GuardRow(GuardRule.CONFIDENCE, confidence_guard, Clearance.AUTOMATIC, frozenset({Stage.PLAN})),
    GuardRow(GuardRule.QUARANTINE, quarantine_guard, Clearance.OPERATOR, binds_operator=True),
    GuardRow(GuardRule.UNSETTLED, unsettled_guard, Clearance.AUTOMATIC, binds_operator=True),
    GuardRow(GuardRule.STORM, storm_guard, Clearance.AUTOMATIC),
    GuardRow(GuardRule.FROZEN, freeze_guard, Clearance.AUTOMATIC),
    GuardRow(GuardRule.FOREIGN_WRITER, foreign_writer_guard, Clearance.AUTOMATIC, BEFORE_APPLY),
    GuardRow(GuardRule.COOL_DOWN, cool_down_guard, Clearance.AUTOMATIC),
    GuardRow(GuardRule.REVERSE, reversal_guard, Clearance.AUTOMATIC),
    GuardRow(GuardRule.BUDGET, budget_guard, Clearance.AUTOMATIC),
    GuardRow(GuardRule.CONCURRENCY, concurrency_guard, Clearance.AUTOMATIC),
    GuardRow(GuardRule.FREEZE_DATE, freeze_date_guard, Clearance.AUTOMATIC),
    GuardRow(GuardRule.WINDOW, window_guard, Clearance.AUTOMATIC),
    GuardRow(GuardRule.KILL_SWITCH, kill_switch_guard, Clearance.OPERATOR),
    GuardRow(GuardRule.MODE, mode_guard, Clearance.OPERATOR),
    GuardRow(GuardRule.SILENCED, silenced_guard, Clearance.OPERATOR, BEFORE_APPLY),
    GuardRow(GuardRule.AUTONOMY, autonomy_guard, Clearance.AUTOMATIC, BEFORE_APPLY),
)
"""The gravest first: if several guards refuse, the first one is named. Guards that skip the rung come first."""

GUARD_BY_RULE = {guard.rule: guard for guard in GUARDS}
RUNG_SKIPPING_GUARDS = tuple(guard for guard in GUARDS if guard.skips_rung)
TEMPORARY_GUARDS = tuple(guard for guard in GUARDS if not guard.skips_rung)


def find_block(
    stage: Stage, actions: Actions, guard_input: GuardInput, guards: Iterable[GuardRow] = GUARDS
) -> Block | None:
    """Return the block of the first of the guards that refuses the actions at this stage, None if none does."""
    for guard in guards:
        is_checked = stage in guard.stages and (guard.binds_operator or not guard_input.by_operator)
        if is_checked and (reason := guard.refuse(actions, guard_input)):
            return Block(rule=guard.rule, knob=actions[0].knob, reason=reason)
    return None

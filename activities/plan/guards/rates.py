"""How often the loop may act: budgets per hour and day, components at the same time, the wait before a reversal."""

import math
from collections.abc import Iterable

from activities.model.history import RemediationRecord
from activities.model.timeseries import Sample
from activities.model.types import DAY_SECONDS
from activities.plan.guards.base import Actions, GuardInput
from activities.plan.guards.oscillation import knob_moves
from activities.plan.guards.settings import ErrorBudgetSettings
from activities.plan.safety import SafetyDirection, affected_components, knob_direction, safety_direction

HOUR_SECONDS = 3600.0
STALE_AFTER_SECONDS = 3600.0
"""Age in seconds from which a remediation without an end no longer counts as running: it was terminated unsent."""


def budget_guard(actions: Actions, guard_input: GuardInput) -> str:
    """Refuse a further remediation of a knob, or of the loop, whose budget is used up.

    The budgets are for the last hour and the last day. A remediation counts once at its start, with all its steps.
    """
    rates, knob, loop = guard_input.settings.rates, actions[0].knob, guard_input.loop
    of_knob = guard_input.remediations_of(knob)
    of_loop = tuple(record for record in guard_input.other_remediations if record.loop == loop)
    for scope, remediations, window, limit in (
        (f"of {knob} in the last hour", of_knob, HOUR_SECONDS, rates.knob_per_hour),
        (f"of {knob} in the last day", of_knob, DAY_SECONDS, rates.knob_per_day),
        (f"of loop {loop} in the last hour", of_loop, HOUR_SECONDS, rates.loop_per_hour),
    ):
        starts = [record.started_at for record in remediations if record.started_at > guard_input.at - window]
        if len(starts) >= limit:
            free = f"; one more in {min(starts) + window - guard_input.at:.0f} s" if starts else ""
            return f"{len(starts)} remediations {scope}, at most {limit}{free}"
    return ""


def concurrency_guard(actions: Actions, guard_input: GuardInput) -> str:
    """Refuse to act upon more than a share of the components at the same time; one alone is always allowed."""
    running = [record for record in guard_input.other_remediations if is_running(record, guard_input.at)]
    if not running:
        return ""
    total = max(1, guard_input.component_count)
    limit = max(1, int(total * guard_input.settings.rates.max_concurrent_fraction))
    affected = {
        *affected_components(actions),
        *(component for record in running for component in record.affected_components),
    }
    count = total if "*" in affected else len(affected)
    if count <= limit:
        return ""
    knobs = ", ".join(sorted(record.knob for record in running))
    return f"{count} of {total} components together, at most {limit}: {knobs} runs"


def reversal_guard(actions: Actions, guard_input: GuardInput) -> str:
    """Refuse to move a knob back soon after a move, and to make a riskier change soon after any move.

    A safer change waits only for the cool-down.
    """
    moves, rates = knob_moves(guard_input.remediations_of(actions[0].knob)), guard_input.settings.rates
    safety = safety_direction(actions)
    if not moves or safety is SafetyDirection.SAFER:
        return ""
    last = moves[-1]
    is_reversal = knob_direction(actions) == -last.direction
    wait = max(rates.reversal_delay * is_reversal, rates.risky_delay * (safety is SafetyDirection.RISKIER))
    remaining = last.at + wait - guard_input.at
    if remaining <= 0:
        return ""
    change = "moving it back" if is_reversal else f"a {safety} change"
    ago = guard_input.at - last.at
    return f"moved {ago:.0f} s ago, {change} waits {wait:.0f} s: another {remaining:.0f} s"


def error_budget_requires_approval(actions: Actions, remaining: float | None, settings: ErrorBudgetSettings) -> bool:
    """Return whether an operator must approve because little of the error budget is left (0 to 1; None: not queried).

    Safer changes need no approval for it.
    """
    return (
        remaining is not None
        and remaining < settings.min_remaining
        and safety_direction(actions) is not SafetyDirection.SAFER
    )


def lowest_value(samples: Iterable[Sample]) -> float:
    """Return the lowest value of the samples; 0 without samples or with a NaN or infinity: unknown counts as spent."""
    values = [sample.value for sample in samples]
    return min(values) if values and all(map(math.isfinite, values)) else 0.0


def is_running(remediation: RemediationRecord, at: float) -> bool:
    """Return whether a remediation is running at `at` (unix seconds)."""
    return remediation.ended_at is None and at - remediation.started_at < STALE_AFTER_SECONDS

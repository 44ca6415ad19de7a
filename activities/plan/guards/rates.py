"""How often and how much at once: budgets, the share of components, and the wait before a knob is turned back."""

import math
from collections.abc import Iterable

from activities.model.decision import Block
from activities.model.history import RemediationRecord
from activities.model.timeseries import Sample
from activities.model.types import DAY_SECONDS
from activities.plan.guards.base import Actions, GuardInput, make_block
from activities.plan.guards.settings import ErrorBudgetSettings
from activities.plan.guards.turns import knob_moves
from activities.plan.safety import SafetyDirection, affected_components, knob_direction, safety_direction

HOUR_SECONDS = 3600.0
STALE_AFTER_SECONDS = 3600.0
"""Seconds after which a remediation that never ended runs no more: it was terminated before it had sent anything."""


def budget_guard(actions: Actions, guard_input: GuardInput) -> Block | None:
    """Refuse a further remediation of a knob, or of the loop, that had as many as its budget allows.

    A remediation counts once, whatever its steps, in the windows (t − 1 h, t] and (t − 1 d, t] after it began.
    """
    rates, knob = guard_input.settings.rates, actions[0].knob
    mine = guard_input.remediations_of(knob)
    ours = tuple(past for past in guard_input.other_remediations if past.loop == guard_input.loop)
    for what, past, window, limit in (
        (f"of {knob} in the last hour", mine, HOUR_SECONDS, rates.knob_per_hour),
        (f"of {knob} in the last day", mine, DAY_SECONDS, rates.knob_per_day),
        (f"of loop {guard_input.loop} in the last hour", ours, HOUR_SECONDS, rates.loop_per_hour),
    ):
        used = [one.started_at for one in past if one.started_at > guard_input.at - window]
        if len(used) >= limit:
            free = f"; one more in {min(used) + window - guard_input.at:.0f} s" if used else ""
            return make_block("budget", actions, f"{len(used)} remediations {what}, at most {limit}{free}")
    return None


def concurrency_guard(actions: Actions, guard_input: GuardInput) -> Block | None:
    """Refuse to act upon more than a share of the components at the same time; one alone may always be acted upon."""
    running = [past for past in guard_input.other_remediations if is_running(past, guard_input.at)]
    if not running:
        return None
    number = max(1, guard_input.component_count)
    limit = max(1, int(number * guard_input.settings.rates.max_concurrent_fraction))
    at_once = {
        *affected_components(actions),
        *(component for past in running for component in past.affected_components),
    }
    count = number if "*" in at_once else len(at_once)
    if count <= limit:
        return None
    names = ", ".join(sorted(past.knob for past in running))
    return make_block("concurrency", actions, f"{count} of {number} components at once, at most {limit}: {names} runs")


def reversal_guard(actions: Actions, guard_input: GuardInput) -> Block | None:
    """Refuse to turn a knob back soon after it was turned, and to go away from safety soon after any turn.

    Towards safety nothing but the cool-down is waited for.
    """
    turned, rates, way = (
        knob_moves(guard_input.remediations_of(actions[0].knob)),
        guard_input.settings.rates,
        safety_direction(actions),
    )
    if not turned or way is SafetyDirection.SAFER:
        return None
    last = turned[-1]
    back = knob_direction(actions) == -last.direction
    wait = max(rates.reversal_delay * back, rates.risky_delay * (way is SafetyDirection.RISKIER))
    left = last.at + wait - guard_input.at
    if left <= 0:
        return None
    what = "turning it back" if back else f"a step {way}"
    ago = guard_input.at - last.at
    return make_block("reverse", actions, f"turned {ago:.0f} s ago, {what} waits {wait:.0f} s: another {left:.0f} s")


def error_budget_requires_approval(actions: Actions, remaining: float | None, settings: ErrorBudgetSettings) -> bool:
    """Tell whether a person has to say yes because little of the error budget is left (0 to 1; None: not asked).

    What goes towards safety is done all the same.
    """
    return (
        remaining is not None
        and remaining < settings.min_remaining
        and safety_direction(actions) is not SafetyDirection.SAFER
    )


def lowest_value(samples: Iterable[Sample]) -> float:
    """Return the lowest share of these samples; 0 if there is none, or one is no number: what is unknown is spent."""
    values = [sample.value for sample in samples]
    return min(values) if values and all(map(math.isfinite, values)) else 0.0


def is_running(remediation: RemediationRecord, at: float) -> bool:
    """Tell whether a remediation is under way at `at` (unix seconds)."""
    return remediation.ended_at is None and at - remediation.started_at < STALE_AFTER_SECONDS

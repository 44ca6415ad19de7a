"""How often and how much at once: budgets, the share of components, and the wait before a knob is turned back."""

import math
from collections.abc import Iterable

from activities.model.decision import Block
from activities.model.history import PastRemediation
from activities.model.timeseries import Sample
from activities.plan.guards.base import Actions, Conditions, blocked
from activities.plan.guards.settings import ErrorBudgetSettings
from activities.plan.guards.turns import turns
from activities.plan.safety import Heading, heading, sense, touched

HOUR = 3600.0
DAY = 86400.0
FORGOTTEN = 3600.0
"""Seconds after which a remediation that never ended runs no more: it was terminated before it had sent anything."""


def budget(actions: Actions, conditions: Conditions) -> Block | None:
    """Refuse a further remediation of a knob, or of the loop, that had as many as its budget allows.

    A remediation counts once, whatever its steps, in the windows (t − 1 h, t] and (t − 1 d, t] after it began.
    """
    rates, knob = conditions.settings.rates, actions[0].knob
    mine = conditions.of_knob(knob)
    ours = tuple(past for past in conditions.others if past.loop == conditions.loop)
    for what, past, window, limit in (
        (f"of {knob} in the last hour", mine, HOUR, rates.knob_per_hour),
        (f"of {knob} in the last day", mine, DAY, rates.knob_per_day),
        (f"of loop {conditions.loop} in the last hour", ours, HOUR, rates.loop_per_hour),
    ):
        used = [one.began for one in past if one.began > conditions.at - window]
        if len(used) >= limit:
            free = f"; one more in {min(used) + window - conditions.at:.0f} s" if used else ""
            return blocked("budget", actions, f"{len(used)} remediations {what}, at most {limit}{free}")
    return None


def concurrency(actions: Actions, conditions: Conditions) -> Block | None:
    """Refuse to act upon more than a share of the components at the same time; one alone may always be acted upon."""
    running = [past for past in conditions.others if runs(past, conditions.at)]
    if not running:
        return None
    number = max(1, conditions.components)
    limit = max(1, int(number * conditions.settings.rates.share_at_once))
    at_once = {*touched(actions), *(component for past in running for component in past.touched)}
    count = number if "*" in at_once else len(at_once)
    if count <= limit:
        return None
    names = ", ".join(sorted(past.knob for past in running))
    return blocked("concurrency", actions, f"{count} of {number} components at once, at most {limit}: {names} runs")


def reverse(actions: Actions, conditions: Conditions) -> Block | None:
    """Refuse to turn a knob back soon after it was turned, and to go away from safety soon after any turn.

    Towards safety nothing but the cool-down is waited for.
    """
    turned, rates, way = turns(conditions.of_knob(actions[0].knob)), conditions.settings.rates, heading(actions)
    if not turned or way is Heading.TOWARDS:
        return None
    last = turned[-1]
    back = sense(actions) == -last.sense
    wait = max(rates.reverse_seconds * back, rates.away_seconds * (way is Heading.AWAY))
    left = last.at + wait - conditions.at
    if left <= 0:
        return None
    what = "turning it back" if back else f"a step {way}"
    ago = conditions.at - last.at
    return blocked("reverse", actions, f"turned {ago:.0f} s ago, {what} waits {wait:.0f} s: another {left:.0f} s")


def careful(actions: Actions, left: float | None, settings: ErrorBudgetSettings) -> bool:
    """Tell whether a person has to say yes because little of the error budget is left (0 to 1; None: not asked).

    What goes towards safety is done all the same.
    """
    return left is not None and left < settings.least and heading(actions) is not Heading.TOWARDS


def lowest(samples: Iterable[Sample]) -> float:
    """Return the lowest share of these samples; 0 if there is none, or one is no number: what is unknown is spent."""
    values = [sample.value for sample in samples]
    return min(values) if values and all(map(math.isfinite, values)) else 0.0


def runs(past: PastRemediation, at: float) -> bool:
    """Tell whether a remediation is under way at `at` (unix seconds)."""
    return past.ended is None and at - past.began < FORGOTTEN

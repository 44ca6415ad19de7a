"""The violations that Charter reports, in addition to its metrics."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deploy.simulator.symptoms import Symptoms

MAX_CLOSED_VIOLATIONS: Final = 500
CRITICAL_RATE_LIMIT: Final = 0.5
"""Charter reports a component above this rate of critical violations per second."""


@dataclass
class CharterViolation:
    """One violation found by Charter; times in unix seconds, open while `closed_at` is None."""

    violation_id: str
    component: str
    metric: str
    severity: str
    value: float
    limit: float
    opened_at: float
    description: str
    closed_at: float | None = None


class ViolationDetector:
    """Opens and closes violations at each tick."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], CharterViolation] = {}
        self._closed: deque[CharterViolation] = deque(maxlen=MAX_CLOSED_VIOLATIONS)
        self._count = 0

    def list_violations(self, since: float | None) -> list[CharterViolation]:
        """Return the open violations and those closed at or after `since` (None: all stored ones), oldest first."""
        closed = [violation for violation in self._closed if since is None or (violation.closed_at or 0.0) >= since]
        return sorted([*closed, *self._open.values()], key=lambda violation: violation.opened_at)

    def evaluate(self, now: float, dead: frozenset[str], critical_rates: Mapping[str, float]) -> None:
        """Update the violations from dead components and critical violations per second by component."""
        current = {(name, "member_health"): (0.0, 1.0, f"{name} does not answer") for name in dead}
        for name, rate in critical_rates.items():
            if rate > CRITICAL_RATE_LIMIT:
                text = f"{name} has {rate:.0f} critical violations per second"
                current[name, "violations_total"] = (rate, CRITICAL_RATE_LIMIT, text)
        for key in self._open.keys() - current.keys():
            violation = self._open.pop(key)
            violation.closed_at = now
            self._closed.append(violation)
        for key, (value, limit, text) in current.items():
            self._open_or_update(key, now, (value, limit), text)

    def _open_or_update(
        self, key: tuple[str, str], now: float, value_and_limit: tuple[float, float], description: str
    ) -> None:
        if key in self._open:
            self._open[key].value = value_and_limit[0]
            return
        self._count += 1
        name, metric = key
        self._open[key] = CharterViolation(
            f"violation_{self._count}",
            name,
            metric,
            "critical",
            value_and_limit[0],
            value_and_limit[1],
            now,
            description,
        )


def compute_critical_rates(symptoms: Mapping[str, Symptoms], validations: Mapping[str, float]) -> dict[str, float]:
    """Return the critical violations per second by component, from denied fractions and validations per second."""
    return {name: 0.25 * symptom.denied * validations.get(name, 0.0) for name, symptom in symptoms.items()}

"""The summary of a backtest: how often the loop would have acted, on what and why."""

from collections import Counter, deque

from activities.model.types import DAY_SECONDS
from worker.backtest.recording import RecordingHeader
from worker.backtest.replay import BacktestCycle

MAX_SHOWN_ACTIONS = 20
"""Maximum number of listed actions, the newest."""


class BacktestSummary:
    """Counts of one backtest, in bounded memory."""

    def __init__(self, header: RecordingHeader) -> None:
        self.header = header
        self.cycles = self.troubled = self.acting = 0
        self.first = self.last = 0.0
        self.root_causes: Counter[str] = Counter()
        self.actions: Counter[str] = Counter()
        self.newest_actions: deque[tuple[float, str]] = deque(maxlen=MAX_SHOWN_ACTIONS)
        self.actions_by_day: Counter[int] = Counter()
        self.notes: tuple[str, ...] = ()

    def add(self, cycle: BacktestCycle) -> None:
        """Count a cycle."""
        self.first = self.first or cycle.at
        self.last = cycle.at
        self.cycles += 1
        self.troubled += bool(cycle.decision.diagnosis.violations)
        self.acting += bool(cycle.decision.plans)
        if cycle.executed:
            cause = cycle.decision.diagnosis.root_causes[0]
            self.root_causes[f"{cause.cause} on {cause.component}"] += 1
        for line in cycle.executed:
            self.actions[line.split(":", 1)[0]] += 1
            self.newest_actions.append((cycle.at, line))
            self.actions_by_day[int(cycle.at // DAY_SECONDS)] += 1

    @property
    def span_days(self) -> float:
        """Days between the first and the last cycle."""
        return (self.last - self.first) / DAY_SECONDS

    @property
    def executed_count(self) -> int:
        """Number of plans that would have been executed, with cool-downs and the ladder."""
        return self.actions.total()

    def to_json_object(self) -> dict[str, object]:
        """Return the counts as JSON values."""
        return {
            "name": self.header.name,
            "cycles": self.cycles,
            "days": round(self.span_days, 3),
            "cycles_with_violations": self.troubled,
            "cycles_that_act": self.acting,
            "executed": self.executed_count,
            "root_causes": dict(self.root_causes.most_common()),
            "actions": dict(self.actions.most_common()),
            "notes": list(self.notes),
        }

    def format_lines(self) -> list[str]:
        """Return the counts as text lines."""
        if not self.cycles:
            return ["no samples, so no decisions", *self.notes]
        rate = self.executed_count / self.span_days if self.span_days else 0.0
        return [
            f"{self.cycles} cycles over {self.span_days:.2f} days, {self.troubled} with a violation, "
            f"{self.acting} with a plan that passed every rule except the guard state",
            f"would have acted {self.executed_count} times, {rate:.2f} per day",
            *(f"{count} × because of {cause}" for cause, count in self.root_causes.most_common(5)),
            *(f"{count} × {action}" for action, count in self.actions.most_common(5)),
            *self.notes,
        ]

"""churn, storm: a loop stays within its budgets, and starts nothing in a storm."""

from collections import defaultdict
from collections.abc import Iterator

from tests.soak.checker.evidence import Evidence, Row, Violation


def check_budgets(evidence: Evidence) -> Iterator[Violation]:
    """churn: no knob and no loop has more remediations in any window than its budget allows.

    A plan counts if it has an effect in Charter's ledger, at the time its worker started it: the budgets use the same
    clock. A plan that an operator requested does not count.
    """
    if not evidence.budgets:
        return
    started = {row["plan_id"]: float(row["started_at"]) for row in evidence.started}
    starts: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    for plan in sorted({effect.plan for effect in evidence.effects if effect.direction == "do"}):
        stored = evidence.find_plan(plan)
        if plan not in started:
            yield Violation("churn", f"plan {plan} changed Charter without counting against a budget", evidence.seed)
        elif stored and not stored.get("requested_by"):
            starts["knob", stored["knob"]].append((started[plan], plan))
            starts["loop", stored["loop"]].append((started[plan], plan))
    for (scope, name), times in starts.items():
        for limited, limit, seconds in evidence.budgets:
            if scope == limited and len(fullest := find_fullest_window(sorted(times), seconds)) > limit:
                text = f"{len(fullest)} remediations of {scope} {name} within {seconds:.0f} s, at most {limit}"
                rows = tuple({"started_at": at, "plan": plan} for at, plan in fullest)
                yield Violation("churn", text, evidence.seed, rows)


def find_fullest_window(times: list[tuple[float, str]], window_seconds: float) -> list[tuple[float, str]]:
    """Return the starts in the fullest half-open window of this length; `times` are sorted."""
    windows = ([entry for entry in times if start <= entry[0] < start + window_seconds] for start, _ in times)
    return max(windows, key=len, default=[])


def check_inactive_in_storms(evidence: Evidence) -> Iterator[Violation]:
    """storm: between the start and the end of a storm the loop starts no remediation of its own.

    The times are by the workers' clock, so this is checked only if that clock was always correct.
    """
    if not evidence.is_clock_correct:
        return
    started = {row["plan_id"]: float(row["started_at"]) for row in evidence.started}
    applied = {effect.plan for effect in evidence.effects if effect.direction == "do"} & started.keys()
    for loop in sorted({row["loop"] for row in evidence.audit if row["kind"] == "storm"}):
        for start, end in find_storms(evidence, loop):
            for plan in sorted(applied):
                stored = evidence.find_plan(plan)
                if stored.get("loop") == loop and not stored.get("requested_by") and start < started[plan] < end:
                    text = f"plan {plan} started {started[plan] - start:.0f} s into a storm"
                    yield Violation("storm", text, evidence.seed, (stored,))


def find_storms(evidence: Evidence, loop: str) -> list[tuple[float, float]]:
    """Return the storms of a loop as (start, end); the end of the run if the storm did not end."""
    rows: list[Row] = [row for row in evidence.audit if row["kind"] == "storm" and row["loop"] == loop]
    entered = [row["at"] for row in rows if row["summary"].startswith("entered")]
    ended = [row["at"] for row in rows if row["summary"].startswith("left")]
    return [(start, next((at for at in ended if at >= start), evidence.ended_at)) for start in entered]

"""churn, storm: a loop does no more than its budgets allow, and nothing while it doubts its own picture."""

from collections import defaultdict
from collections.abc import Iterator

from tests.soak.checker.evidence import Evidence, Row, Violation


def check_budgets(evidence: Evidence) -> Iterator[Violation]:
    """churn: no knob, and no loop, sees more remediations in any window than its budget allows.

    What Charter's ledger shows as ours counts, at the time its worker began it: a budget is kept by that clock. What a
    person asked for is not the loop's doing.
    """
    if not evidence.budgets:
        return
    begun = {row["plan_id"]: float(row["started_at"]) for row in evidence.started}
    moved: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    for plan in sorted({one.plan for one in evidence.effects if one.direction == "do"}):
        stored = evidence.find_plan(plan)
        if plan not in begun:
            yield Violation("churn", f"plan {plan} changed Charter, and no budget heard of it", evidence.seed)
        elif stored and not stored.get("requested_by"):
            moved["knob", stored["knob"]].append((begun[plan], plan))
            moved["loop", stored["loop"]].append((begun[plan], plan))
    for (scope, name), times in moved.items():
        for limited, limit, seconds in evidence.budgets:
            if scope == limited and (most := find_fullest_window(sorted(times), seconds)) and len(most) > limit:
                text = f"{len(most)} remediations of {scope} {name} within {seconds:.0f} s, at most {limit}"
                yield Violation("churn", text, evidence.seed, tuple({"began": at, "plan": plan} for at, plan in most))


def find_fullest_window(times: list[tuple[float, str]], window_seconds: float) -> list[tuple[float, str]]:
    """Return what begins in the fullest half-open window of so many seconds; `times` are sorted."""
    windows = ([one for one in times if start <= one[0] < start + window_seconds] for start, _ in times)
    return max(windows, key=len, default=[])


def check_inactive_in_storms(evidence: Evidence) -> Iterator[Violation]:
    """storm: between entering a storm and leaving it the loop begins nothing by itself.

    Told by the workers' clock, and so only where that was right all the time.
    """
    if not evidence.is_clock_correct:
        return
    begun = {row["plan_id"]: float(row["started_at"]) for row in evidence.started}
    ours = {one.plan for one in evidence.effects if one.direction == "do"} & begun.keys()
    for loop in sorted({row["loop"] for row in evidence.audit if row["kind"] == "storm"}):
        for start, end in find_storms(evidence, loop):
            for plan in sorted(ours):
                stored = evidence.find_plan(plan)
                if stored.get("loop") == loop and not stored.get("requested_by") and start < begun[plan] < end:
                    text = f"plan {plan} began {begun[plan] - start:.0f} s into a storm"
                    yield Violation("storm", text, evidence.seed, (stored,))


def find_storms(evidence: Evidence, loop: str) -> list[tuple[float, float]]:
    """Return when a loop was in a storm: (from, to), the end of the run if it never left it."""
    rows: list[Row] = [row for row in evidence.audit if row["kind"] == "storm" and row["loop"] == loop]
    entered = [row["at"] for row in rows if row["summary"].startswith("entered")]
    left = [row["at"] for row in rows if row["summary"].startswith("left")]
    return [(start, next((at for at in left if at >= start), evidence.ended_at)) for start in entered]

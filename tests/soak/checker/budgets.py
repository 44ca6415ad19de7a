"""churn, storm: a loop does no more than its budgets allow, and nothing while it doubts its own picture."""

from collections import defaultdict
from collections.abc import Iterator

from tests.soak.checker.evidence import Evidence, Row, Violation


def within_budget(evidence: Evidence) -> Iterator[Violation]:
    """churn: no knob, and no loop, sees more remediations in any window than its budget allows.

    What Charter's ledger shows as ours counts, at the time its worker began it: a budget is kept by that clock. What a
    person asked for is not the loop's doing.
    """
    if not evidence.budgets:
        return
    begun = {row["plan_id"]: float(row["began"]) for row in evidence.begun}
    moved: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    for plan in sorted({one.plan for one in evidence.done if one.direction == "do"}):
        stored = evidence.plan(plan)
        if plan not in begun:
            yield Violation("churn", f"plan {plan} changed Charter, and no budget heard of it", evidence.seed)
        elif stored and not stored.get("requested_by"):
            moved["knob", stored["knob"]].append((begun[plan], plan))
            moved["loop", stored["loop"]].append((begun[plan], plan))
    for (scope, name), times in moved.items():
        for limited, limit, seconds in evidence.budgets:
            if scope == limited and (most := fullest(sorted(times), seconds)) and len(most) > limit:
                text = f"{len(most)} remediations of {scope} {name} within {seconds:.0f} s, at most {limit}"
                yield Violation("churn", text, evidence.seed, tuple({"began": at, "plan": plan} for at, plan in most))


def fullest(times: list[tuple[float, str]], seconds: float) -> list[tuple[float, str]]:
    """Return what begins in the fullest half-open window of so many seconds; `times` are sorted."""
    windows = ([one for one in times if start <= one[0] < start + seconds] for start, _ in times)
    return max(windows, key=len, default=[])


def calm_in_storms(evidence: Evidence) -> Iterator[Violation]:
    """storm: between entering a storm and leaving it the loop begins nothing by itself.

    Told by the workers' clock, and so only where that was right all the time.
    """
    if not evidence.clock_right:
        return
    begun = {row["plan_id"]: float(row["began"]) for row in evidence.begun}
    ours = {one.plan for one in evidence.done if one.direction == "do"} & begun.keys()
    for loop in sorted({row["loop"] for row in evidence.audit if row["kind"] == "storm"}):
        for start, end in storms(evidence, loop):
            for plan in sorted(ours):
                stored = evidence.plan(plan)
                if stored.get("loop") == loop and not stored.get("requested_by") and start < begun[plan] < end:
                    text = f"plan {plan} began {begun[plan] - start:.0f} s into a storm"
                    yield Violation("storm", text, evidence.seed, (stored,))


def storms(evidence: Evidence, loop: str) -> list[tuple[float, float]]:
    """Return when a loop was in a storm: (from, to), the end of the run if it never left it."""
    rows: list[Row] = [row for row in evidence.audit if row["kind"] == "storm" and row["loop"] == loop]
    entered = [row["at"] for row in rows if row["text"].startswith("entered")]
    left = [row["at"] for row in rows if row["text"].startswith("left")]
    return [(start, next((at for at in left if at >= start), evidence.ended)) for start in entered]

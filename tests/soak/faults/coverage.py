"""The coverage table: every step × failpoint at which a worker must be killed."""

from collections.abc import Iterable

from tests.soak.faults.failpoints import AFTER_COMMIT, AFTER_REPLY, AFTER_SEND, BEFORE_SEND, MOMENTS

STEP_EDGES = {
    "monitor": ("prometheus", "charter"),
    "analyze": ("prometheus", "charter", "store"),
    "plan": ("store",),
    "prepare": ("prometheus", "charter", "store"),
    "apply-1": ("charter", "change", "store"),
    "apply-2": ("change", "store"),
    "verify": ("prometheus", "charter"),
    "undo-1": ("change", "store"),
    "undo-2": (),
    "verify-undo": ("prometheus", "charter"),
    "record": ("store",),
    "release": ("store",),
    "upkeep": ("charter", "store"),
}
"""The edges of each step. The second action of a plan is a restart, which needs no pre-image and has no inverse."""
WAITING_STEPS = ("settle", "awaiting-approval", "verify", "cooling-down", "quarantined")
"""Steps in which a remediation only waits: the worker is killed from outside."""
FREQUENT_STEPS = frozenset({"monitor", "analyze", "plan", "prepare", "verify", "upkeep"})
"""Steps that occur every few seconds."""


def list_moments(edge: str) -> tuple[str, ...]:
    """Return the moments of an edge."""
    if edge == "temporal":
        return (BEFORE_SEND,)
    return (BEFORE_SEND, AFTER_SEND, AFTER_COMMIT if edge == "store" else AFTER_REPLY)


def list_points() -> list[str]:
    """Return all points, `STEP.EDGE.MOMENT`."""
    return [
        f"{step}.{edge}.{moment}"
        for step, edges in STEP_EDGES.items()
        for edge in (*edges, "temporal")
        for moment in list_moments(edge)
    ]


def format_coverage(struck_points: Iterable[str]) -> list[str]:
    """Return the coverage as lines: how often each point struck; `-` if the edge has no such moment."""
    points = list(struck_points)
    lines = [f"{'step → edge':<26}" + "".join(f"{moment:>14}" for moment in MOMENTS)]
    for step, edges in STEP_EDGES.items():
        for edge in (*edges, "temporal"):
            row = (
                str(points.count(f"{step}.{edge}.{moment}")) if moment in list_moments(edge) else "-"
                for moment in MOMENTS
            )
            lines.append(f"{step + ' → ' + edge:<26}" + "".join(f"{cell:>14}" for cell in row))
    return lines

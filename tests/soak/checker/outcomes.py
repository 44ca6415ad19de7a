"""I3, I4, I8, I9: at rest every effect is accounted for, and recorded as what it was."""

from collections import Counter
from collections.abc import Iterator
from itertools import dropwhile

from tests.soak.checker.evidence import Evidence, LedgerEffect, Violation

KEPT_OUTCOMES = frozenset({"fixed", "improved", "no_effect"})
"""Endings after which what was applied stands."""
ESCALATED_OUTCOMES = frozenset({"worse", "inconclusive"})
"""Endings that stand because a person was called."""
GRACE_SECONDS = 5.0
"""Seconds beyond two periods within which everything is settled once it is quiet."""


def check_accounted_at_rest(evidence: Evidence) -> Iterator[Violation]:
    """I3: what a plan left is verified, taken back, or escalated on record."""
    for plan in list_applied_plans(evidence):
        outcome = evidence.find_outcome(plan)
        if outcome is None or plan in evidence.running_plans():
            continue
        ending, standing = outcome["outcome"], list_undoable_effects(evidence, plan)
        if standing and ending not in KEPT_OUTCOMES | ESCALATED_OUTCOMES and not is_quarantined(evidence, plan):
            if has_late_effect(evidence, plan):
                continue
            rows = tuple(one.row for one in standing)
            yield Violation("I3", f"plan {plan} ended {ending}, and {len(standing)} steps stand", evidence.seed, rows)
        if ending in KEPT_OUTCOMES and evidence.effects_of_plan(plan, "undo"):
            rows = tuple(one.row for one in evidence.effects_of_plan(plan, "undo"))
            yield Violation("I3", f"plan {plan} ended {ending}, and was rolled back", evidence.seed, rows)


def check_no_unowned_effect(evidence: Evidence) -> Iterator[Violation]:
    """I4: two periods after the last fault nothing stands without an outcome or a remediation that holds it."""
    if not is_at_rest(evidence):
        return
    for plan in list_applied_plans(evidence):
        if plan in evidence.running_plans():
            continue
        if evidence.find_outcome(plan) is None:
            rows = tuple(one.row for one in evidence.effects_of_plan(plan, "do"))
            yield Violation("I4", f"plan {plan} was applied and belongs to nobody", evidence.seed, rows)
        elif (
            has_late_effect(evidence, plan)
            and list_undoable_effects(evidence, plan)
            and not is_quarantined(evidence, plan)
        ):
            rows = tuple(one.row for one in evidence.effects_in_force(plan))
            yield Violation("I4", f"plan {plan} was done after its end, and stands", evidence.seed, rows)


def check_recorded_once(evidence: Evidence) -> Iterator[Violation]:
    """I9: one outcome for each plan, and one ending written after its effect."""
    for plan, times in Counter(outcome["plan_id"] for outcome in evidence.outcomes).items():
        if times > 1:
            yield Violation("I9", f"plan {plan} has {times} outcomes", evidence.seed)
    for plan in list_applied_plans(evidence):
        # By their order: the times are those of workers, whose clocks may be wrong.
        kinds = [row for row in evidence.audit if row["plan_id"] == plan and row["kind"] in ("attempt", "ending")]
        after = [row for row in dropwhile(lambda row: row["kind"] == "ending", kinds) if row["kind"] == "ending"]
        if len(after) > 1:
            yield Violation("I9", f"plan {plan} ended {len(after)} times", evidence.seed, tuple(after))


def check_outcome_matches_ledger(evidence: Evidence) -> Iterator[Violation]:
    """I9: what an outcome says was done is in the ledger."""
    for outcome in evidence.outcomes:
        plan = outcome["plan_id"]
        claimed = outcome["outcome"] in KEPT_OUTCOMES | {"rolled_back"}
        if claimed and not evidence.effects_of_plan(plan, "do"):
            yield Violation("I9", f"plan {plan} ended {outcome['outcome']}, and was never done", evidence.seed)
        taken_back = (
            evidence.effects_of_plan(plan, "undo")
            or not evidence.effects_of_plan(plan, "do")
            or is_quarantined(evidence, plan)
        )
        if outcome["outcome"] == "rolled_back" and not taken_back:
            yield Violation("I9", f"plan {plan} ended rolled_back, and nothing was undone", evidence.seed)


def check_reversal_limit(evidence: Evidence) -> Iterator[Violation]:
    """I8: within one incident a knob is moved back at most once; what a person stopped is not counted."""
    by_itself = [
        plan
        for plan in list_rolled_back_plans(evidence)
        if (evidence.find_outcome(plan) or {}).get("outcome") == "rolled_back"
    ]
    reversals = Counter(evidence.find_plan(plan).get("incident_id", plan) for plan in by_itself)
    for incident, times in reversals.items():
        if times > 1:
            rows = tuple(p for p in evidence.plans if p["incident_id"] == incident)
            yield Violation("I8", f"incident {incident} was reversed {times} times", evidence.seed, rows)


def is_at_rest(evidence: Evidence) -> bool:
    """Tell whether it was quiet for two periods and the grace."""
    quiet = evidence.quiet_since
    return quiet is not None and evidence.ended_at - quiet >= 2 * evidence.period_seconds + GRACE_SECONDS


def list_applied_plans(evidence: Evidence) -> list[str]:
    """Return the plans that changed something."""
    return sorted({one.plan for one in evidence.effects if one.direction == "do"})


def list_rolled_back_plans(evidence: Evidence) -> list[str]:
    """Return the plans of which something was taken back."""
    return sorted({one.plan for one in evidence.effects if one.direction == "undo"})


def list_undoable_effects(evidence: Evidence, plan: str) -> list[LedgerEffect]:
    """Return the plan's effects that could still be taken back: not restarts, nor what a newer policy replaced."""
    return [one for one in evidence.effects_in_force(plan) if one.is_reversible and not evidence.is_replaced(one)]


def has_late_effect(evidence: Evidence, plan: str) -> bool:
    """Tell whether something of the plan was done only after its outcome was recorded."""
    recorded = find_recorded_at(evidence, plan)
    return recorded is not None and any(one.row["at"] > recorded for one in evidence.effects_in_force(plan))


def find_recorded_at(evidence: Evidence, plan: str) -> float | None:
    """Return when the plan's outcome was last recorded; None if it was not."""
    return None if evidence.find_outcome(plan) is None else max(list_recorded_times(evidence, plan))


def list_recorded_times(evidence: Evidence, plan: str) -> list[float]:
    """Return when remediations of the plan recorded how it ended, by the server's clock if a history tells."""
    outcome = evidence.find_outcome(plan)
    told = [
        event["at"]
        for run in evidence.list_remediations()
        for event in run["events"]
        if run["input"]["plan_id"] == plan and (event["event"], event.get("name")) == ("activity", "record")
    ]
    return told or ([] if outcome is None else [float(outcome["at"])])


def is_quarantined(evidence: Evidence, plan: str) -> bool:
    """Tell whether a quarantine of the plan's knob is on record since the plan was applied."""
    knob = evidence.find_plan(plan).get("knob")
    held = any(row["knob"] == knob and row["quarantined"] for row in evidence.knobs)
    # By their order: the times are those of workers, whose clocks may be wrong.
    since = dropwhile(lambda row: (row["plan_id"], row["kind"]) != (plan, "attempt"), evidence.audit)
    return held or any(row["knob"] == knob and "quarantine" in row["kind"] + row["summary"] for row in since)

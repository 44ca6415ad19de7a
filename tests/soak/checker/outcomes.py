"""I3, I4, I8, I9: at rest every effect has an owner, and its outcome is recorded correctly."""

from collections import Counter
from collections.abc import Iterator
from itertools import dropwhile

from tests.soak.checker.evidence import Evidence, LedgerEffect, Violation

KEPT_OUTCOMES = frozenset({"fixed", "improved", "no_effect"})
"""Outcomes that keep the applied steps."""
ESCALATED_OUTCOMES = frozenset({"worse", "inconclusive"})
"""Outcomes that keep the applied steps because an operator was notified."""
GRACE_SECONDS = 5.0
"""Seconds beyond two quiet periods, after which every plan must have an owner."""


def check_accounted_at_rest(evidence: Evidence) -> Iterator[Violation]:
    """I3: the effects of a plan are verified, undone, or escalated on record."""
    for plan in list_applied_plans(evidence):
        outcome = evidence.find_outcome(plan)
        if outcome is None or plan in evidence.running_plans():
            continue
        name, applied = outcome["outcome"], list_undoable_effects(evidence, plan)
        if applied and name not in KEPT_OUTCOMES | ESCALATED_OUTCOMES and not is_quarantined(evidence, plan):
            if has_late_effect(evidence, plan):
                continue
            rows = tuple(effect.row for effect in applied)
            yield Violation("I3", f"plan {plan} ended {name} with {len(applied)} steps applied", evidence.seed, rows)
        if name in KEPT_OUTCOMES and evidence.effects_of_plan(plan, "undo"):
            rows = tuple(effect.row for effect in evidence.effects_of_plan(plan, "undo"))
            yield Violation("I3", f"plan {plan} ended {name}, but was rolled back", evidence.seed, rows)


def check_no_unowned_effect(evidence: Evidence) -> Iterator[Violation]:
    """I4: two periods after the last fault every applied plan has an outcome or a running remediation."""
    if not is_at_rest(evidence):
        return
    for plan in list_applied_plans(evidence):
        if plan in evidence.running_plans():
            continue
        if evidence.find_outcome(plan) is None:
            rows = tuple(effect.row for effect in evidence.effects_of_plan(plan, "do"))
            yield Violation("I4", f"plan {plan} is applied without an outcome or a remediation", evidence.seed, rows)
        elif (
            has_late_effect(evidence, plan)
            and list_undoable_effects(evidence, plan)
            and not is_quarantined(evidence, plan)
        ):
            rows = tuple(effect.row for effect in evidence.effects_in_force(plan))
            yield Violation("I4", f"plan {plan} was applied after its outcome and not undone", evidence.seed, rows)


def check_recorded_once(evidence: Evidence) -> Iterator[Violation]:
    """I9: each plan has one outcome, and one audit row of it after the effect."""
    for plan, times in Counter(outcome["plan_id"] for outcome in evidence.outcomes).items():
        if times > 1:
            yield Violation("I9", f"plan {plan} has {times} outcomes", evidence.seed)
    for plan in list_applied_plans(evidence):
        # By their order: the times are by the workers' clocks, which may be wrong.
        kinds = [row for row in evidence.audit if row["plan_id"] == plan and row["kind"] in ("attempt", "ending")]
        after = [row for row in dropwhile(lambda row: row["kind"] == "ending", kinds) if row["kind"] == "ending"]
        if len(after) > 1:
            yield Violation("I9", f"plan {plan} ended {len(after)} times", evidence.seed, tuple(after))


def check_outcome_matches_ledger(evidence: Evidence) -> Iterator[Violation]:
    """I9: an outcome agrees with the ledger."""
    for outcome in evidence.outcomes:
        plan = outcome["plan_id"]
        requires_effect = outcome["outcome"] in KEPT_OUTCOMES | {"rolled_back"}
        if requires_effect and not evidence.effects_of_plan(plan, "do"):
            yield Violation("I9", f"plan {plan} ended {outcome['outcome']}, but was never applied", evidence.seed)
        is_undone = (
            evidence.effects_of_plan(plan, "undo")
            or not evidence.effects_of_plan(plan, "do")
            or is_quarantined(evidence, plan)
        )
        if outcome["outcome"] == "rolled_back" and not is_undone:
            yield Violation("I9", f"plan {plan} ended rolled_back, but no step was undone", evidence.seed)


def check_reversal_limit(evidence: Evidence) -> Iterator[Violation]:
    """I8: within one incident a knob is rolled back at most once, without those that an operator stopped."""
    rolled_back = [
        plan
        for plan in list_rolled_back_plans(evidence)
        if (evidence.find_outcome(plan) or {}).get("outcome") == "rolled_back"
    ]
    reversals = Counter(evidence.find_plan(plan).get("incident_id", plan) for plan in rolled_back)
    for incident, times in reversals.items():
        if times > 1:
            rows = tuple(p for p in evidence.plans if p["incident_id"] == incident)
            yield Violation("I8", f"incident {incident} was rolled back {times} times", evidence.seed, rows)


def is_at_rest(evidence: Evidence) -> bool:
    """Return whether no fault struck for two periods and the grace."""
    quiet = evidence.quiet_since
    return quiet is not None and evidence.ended_at - quiet >= 2 * evidence.period_seconds + GRACE_SECONDS


def list_applied_plans(evidence: Evidence) -> list[str]:
    """Return the plans with an applied step."""
    return sorted({effect.plan for effect in evidence.effects if effect.direction == "do"})


def list_rolled_back_plans(evidence: Evidence) -> list[str]:
    """Return the plans with an undone step."""
    return sorted({effect.plan for effect in evidence.effects if effect.direction == "undo"})


def list_undoable_effects(evidence: Evidence, plan: str) -> list[LedgerEffect]:
    """Return the plan's effects that could still be undone: no restarts, and nothing that a newer policy replaced."""
    effects = evidence.effects_in_force(plan)
    return [effect for effect in effects if effect.is_reversible and not evidence.is_replaced(effect)]


def has_late_effect(evidence: Evidence, plan: str) -> bool:
    """Return whether a step of the plan was applied after its outcome was recorded."""
    recorded = find_recorded_at(evidence, plan)
    return recorded is not None and any(effect.row["at"] > recorded for effect in evidence.effects_in_force(plan))


def find_recorded_at(evidence: Evidence, plan: str) -> float | None:
    """Return when the plan's outcome was last recorded; None without one."""
    return None if evidence.find_outcome(plan) is None else max(list_recorded_times(evidence, plan))


def list_recorded_times(evidence: Evidence, plan: str) -> list[float]:
    """Return when remediations of the plan recorded its outcome, by the server's clock if a history has it."""
    outcome = evidence.find_outcome(plan)
    recorded = [
        event["at"]
        for run in evidence.list_remediations()
        for event in run["events"]
        if run["input"]["plan_id"] == plan and (event["event"], event.get("name")) == ("activity", "record")
    ]
    return recorded or ([] if outcome is None else [float(outcome["at"])])


def is_quarantined(evidence: Evidence, plan: str) -> bool:
    """Return whether a quarantine of the plan's knob is on record since the plan was applied."""
    knob = evidence.find_plan(plan).get("knob")
    is_held = any(row["knob"] == knob and row["quarantined"] for row in evidence.knobs)
    # By their order: the times are by the workers' clocks, which may be wrong.
    since = dropwhile(lambda row: (row["plan_id"], row["kind"]) != (plan, "attempt"), evidence.audit)
    return is_held or any(row["knob"] == knob and "quarantine" in row["kind"] + row["summary"] for row in since)

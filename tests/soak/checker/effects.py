"""I1: every effect happens once, in order, fenced, and leaves quorum + 1 members."""

from collections import Counter
from collections.abc import Iterator

from tests.soak.checker.evidence import Evidence, LedgerEffect, Row, Violation
from tests.soak.checker.outcomes import list_recorded_times


def check_effect_once(evidence: Evidence) -> Iterator[Violation]:
    """I1: each step of a plan has at most one effect per direction, under any keys."""
    counted = Counter((effect.plan, effect.step, effect.direction) for effect in evidence.effects)
    for (plan, step, direction), times in counted.items():
        if times > 1:
            rows = tuple(effect.row for effect in evidence.effects_of_plan(plan, direction) if effect.step == step)
            yield Violation(
                "I1", f"step {step} of plan {plan} has {times} effects of direction {direction}", evidence.seed, rows
            )


def check_audited_before_effect(evidence: Evidence) -> Iterator[Violation]:
    """I1: every change has a key, and an audit row was written before its effect."""
    attempts = [row for row in evidence.audit if row["kind"] == "attempt"]
    for row in attempts:
        if not row["key"]:
            yield Violation("I1", f"plan {row['plan_id']} sent a change without a key", evidence.seed, (row,))
    announced = {row["key"] for row in attempts if row["phase"] == "before"}
    for effect in evidence.effects:
        if effect.row["key"] not in announced:
            text = f"{effect.row['key']} was sent without an audit row before it"
            yield Violation("I1", text, evidence.seed, (effect.row,))


def check_step_order(evidence: Evidence) -> Iterator[Violation]:
    """I1: steps are applied in order and undone in reverse order, each after it was applied."""
    for plan in sorted({effect.plan for effect in evidence.effects}):
        applied, undone = evidence.effects_of_plan(plan, "do"), evidence.effects_of_plan(plan, "undo")
        applied_steps, undone_steps = [effect.step for effect in applied], [effect.step for effect in undone]
        if applied_steps != sorted(applied_steps) or undone_steps != sorted(undone_steps, reverse=True):
            text = f"plan {plan} applied steps {applied_steps} and undid {undone_steps}"
            yield Violation("I1", text, evidence.seed, tuple(effect.row for effect in applied + undone))
        for undo in undone:
            if not any(do.step == undo.step and generation_after(do) < generation_after(undo) for do in applied):
                text = f"{undo.row['key']} undid a step that was not applied"
                yield Violation("I1", text, evidence.seed, (undo.row,))


def check_fencing(evidence: Evidence) -> Iterator[Violation]:
    """fence: the first step changes the generation of the decision, each later one the generation of the step before.

    So no stale plan is applied, and no rollback overwrites a later change of another writer.
    """
    for plan in sorted({effect.plan for effect in evidence.effects}):
        expected = evidence.find_plan(plan).get("generation")
        for effect in (effect for effect in evidence.effects if effect.plan == plan):
            generation = effect.row["generation_before"]
            if expected is not None and generation != expected:
                text = f"{effect.row['key']} changed generation {generation}, expected {expected}"
                yield Violation("fence", text, evidence.seed, (effect.row,))
            expected = effect.row["generation_after"]


def check_quorum(evidence: Evidence) -> Iterator[Violation]:
    """quorum: every change of the loop leaves quorum + 1 healthy members; a dead member may always be restarted.

    A change that was delayed until after its remediation ended is not counted: only Charter could still refuse it.
    """
    effects = (effect for effect in evidence.effects if not happened_after_remediation(evidence, effect))
    own_keys = {effect.row["key"] for effect in effects}
    for change in evidence.committee:
        healthy, required = count_healthy_after(change), required_members(change)
        if change["key"] in own_keys and healthy < required:
            text = f"{change['kind']} {change['body']} left {healthy} healthy members of {required} required"
            yield Violation("quorum", text, evidence.seed, (change,))


def happened_after_remediation(evidence: Evidence, effect: LedgerEffect) -> bool:
    """Return whether the remediation ended between the last request of a change and its effect."""
    rows = (row["at"] for row in evidence.audit if row["kind"] == "attempt" and row["key"] == effect.row["key"])
    sent = max((at for at in rows if at <= effect.row["at"]), default=float("-inf"))
    return any(sent < at < effect.row["at"] for at in list_recorded_times(evidence, effect.plan))


def count_healthy_after(change: Row) -> float:
    """Return the number of healthy members after a change; infinity if it removes none."""
    members: dict[str, bool] = {member["name"]: member["healthy"] for member in change["before"]["members"]}
    healthy = sum(members.values())
    if change["kind"] == "RESTART_SERVICE" and members.get(change["body"].get("member")):
        return healthy - 1
    removed = len(members) - int(change["body"].get("replicas", len(members)))
    return healthy - removed if removed > 0 else float("inf")


def required_members(change: Row) -> int:
    """Return quorum + 1 of the configured members, of the new number if the change sets one."""
    replicas = change["body"].get("replicas", change["before"]["replicas"])
    return int(replicas) // 2 + 2


def generation_after(effect: LedgerEffect) -> int:
    """Return the knob's generation after the effect."""
    return int(effect.row["generation_after"])

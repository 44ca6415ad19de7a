"""I1: every effect once, in order, fenced, and never below quorum + 1."""

from collections import Counter
from collections.abc import Iterator

from tests.soak.checker.evidence import Evidence, LedgerEffect, Row, Violation
from tests.soak.checker.outcomes import list_recorded_times


def check_effect_once(evidence: Evidence) -> Iterator[Violation]:
    """I1: at most one effect for each step of a plan in each direction, whatever its keys are."""
    counted = Counter((one.plan, one.step, one.direction) for one in evidence.effects)
    for (plan, step, direction), times in counted.items():
        if times > 1:
            rows = tuple(d.row for d in evidence.effects if (d.plan, d.step, d.direction) == (plan, step, direction))
            yield Violation("I1", f"step {step} of plan {plan} was {direction}ne {times} times", evidence.seed, rows)


def check_audited_before_effect(evidence: Evidence) -> Iterator[Violation]:
    """I1: nothing is sent without a key, and every effect has a row in the audit that was written before it."""
    attempts = [row for row in evidence.audit if row["kind"] == "attempt"]
    for row in attempts:
        if not row["key"]:
            yield Violation("I1", f"plan {row['plan_id']} sent a change without a key", evidence.seed, (row,))
    announced = {row["key"] for row in attempts if row["phase"] == "before"}
    for one in evidence.effects:
        if one.row["key"] not in announced:
            yield Violation("I1", f"{one.row['key']} was sent, and no row says so", evidence.seed, (one.row,))


def check_step_order(evidence: Evidence) -> Iterator[Violation]:
    """I1: steps are done in their order, and undone in the reverse one, each after it was done."""
    for plan in sorted({one.plan for one in evidence.effects}):
        forward, back = evidence.effects_of_plan(plan, "do"), evidence.effects_of_plan(plan, "undo")
        ups, downs = [one.step for one in forward], [one.step for one in back]
        if ups != sorted(ups) or downs != sorted(downs, reverse=True):
            text = f"plan {plan} did steps {ups} and undid {downs}"
            yield Violation("I1", text, evidence.seed, tuple(one.row for one in forward + back))
        for one in back:
            before = [f for f in forward if f.step == one.step and generation_after(f) < generation_after(one)]
            if not before:
                yield Violation("I1", f"{one.row['key']} undid what was not done", evidence.seed, (one.row,))


def check_fencing(evidence: Evidence) -> Iterator[Violation]:
    """fence: the first step stands on the generation the plan was decided upon, each next one on the one before it.

    So no stale plan is applied, and no rollback goes over what somebody else changed since.
    """
    for plan in sorted({one.plan for one in evidence.effects}):
        expected = evidence.find_plan(plan).get("generation")
        for one in (one for one in evidence.effects if one.plan == plan):
            found = one.row["generation_before"]
            if expected is not None and found != expected:
                text = f"{one.row['key']} changed generation {found}, it was meant for {expected}"
                yield Violation("fence", text, evidence.seed, (one.row,))
            expected = one.row["generation_after"]


def check_quorum(evidence: Evidence) -> Iterator[Violation]:
    """quorum: what we do and undo to healthy members leaves quorum + 1 of them; a dead one may always be restarted.

    What lingered on its way until after its remediation had refused it and ended is not counted: only Charter itself
    could still refuse that.
    """
    ours = {one.row["key"] for one in evidence.effects if not happened_after_remediation(evidence, one)}
    for change in evidence.committee:
        if change["key"] in ours and count_healthy_after(change) < required_members(change):
            text = f"{change['kind']} {change['body']} left {count_healthy_after(change)} healthy members of {required_members(change)} needed"
            yield Violation("quorum", text, evidence.seed, (change,))


def happened_after_remediation(evidence: Evidence, effect: LedgerEffect) -> bool:
    """Tell whether the remediation ended between the last sending of a change and its effect."""
    rows = (row["at"] for row in evidence.audit if row["kind"] == "attempt" and row["key"] == effect.row["key"])
    sent = max((at for at in rows if at <= effect.row["at"]), default=float("-inf"))
    return any(sent < at < effect.row["at"] for at in list_recorded_times(evidence, effect.plan))


def count_healthy_after(change: Row) -> float:
    """Return how many healthy members a change leaves; infinitely many if it takes none."""
    members = {member["name"]: member["healthy"] for member in change["before"]["members"]}
    healthy = sum(members.values())
    if change["kind"] == "RESTART_SERVICE" and members.get(change["body"].get("member")):
        return healthy - 1
    taken = len(members) - change["body"].get("replicas", len(members))
    return healthy - taken if taken > 0 else float("inf")


def required_members(change: Row) -> int:
    """Return quorum + 1 of the configured members, after the change if it is one of their number."""
    replicas = change["body"].get("replicas", change["before"]["replicas"])
    return int(replicas) // 2 + 2


def generation_after(effect: LedgerEffect) -> int:
    """Return the knob's generation after the effect."""
    return int(effect.row["generation_after"])

"""I2, I5, I6, I7, I10, and the part of I3 that histories show."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise

from tests.soak.checker.evidence import Evidence, Row, Violation

MAX_ATTEMPTS = 400
"""Attempts at one step: one undo every 15 s for an hour, with a worker that dies at every second one."""
CONCLUSIVE_VERDICTS = frozenset({"fixed", "improved", "no_effect", "worse"})
"""Verdicts that claim an observation."""
ROLLED_BACK_OUTCOMES = frozenset({"failed", "stale", "stopped", "rolled_back"})
"""Outcomes after which no step of the plan may be applied."""
SHIELDED_ACTIVITIES = frozenset({"apply", "undo", "record", "release"})
CHARTER_REPORTED_METRICS = frozenset({"member_health", "violations_total"})
"""Metrics that Charter reports itself, without Prometheus."""


def check_one_remediation_per_knob(evidence: Evidence) -> Iterator[Violation]:
    """I6: a knob has one remediation at a time, under any workflow id."""
    by_knob: dict[str, list[Row]] = defaultdict(list)
    for run in evidence.list_remediations():
        plan = evidence.find_plan(run["input"]["plan_id"])
        if plan:
            by_knob[plan["knob"]].append(run)
    for knob, runs in by_knob.items():
        for first, second in pairwise(sorted(runs, key=lambda run: run["started"])):
            if first["closed"] is None or second["started"] < first["closed"]:
                text = f"{knob} was held by {first['workflow_id']} and {second['workflow_id']} at the same time"
                yield Violation("I6", text, evidence.seed, (summarize_run(first), summarize_run(second)))


def check_deterministic(evidence: Evidence) -> Iterator[Violation]:
    """I5: every workflow replays, and no workflow task fails."""
    for run in evidence.histories:
        for event in run["events"]:
            if event["event"] in ("nondeterminism", "task_failed"):
                yield Violation("I5", f"{run['workflow_id']}: {event['event']}", evidence.seed, (event,))


def check_tried_steps_undone(evidence: Evidence) -> Iterator[Violation]:
    """I3: a remediation that does not keep its plan requests the undo of every step it tried, with or without a reply.

    After a reset it need not request the undo of a step that was undone before the reset.
    """
    undone: dict[str, set[int]] = defaultdict(set)
    for run in evidence.list_remediations():
        undone[run["input"]["plan_id"]] |= ended_steps(run, "undo")
    for run in evidence.list_remediations():
        outcome = evidence.find_outcome(run["input"]["plan_id"])
        if run["status"] != "completed" or outcome is None or run["outcome"] not in ROLLED_BACK_OUTCOMES:
            continue
        missing = ended_steps(run, "apply") - undone[run["input"]["plan_id"]]
        if missing:
            text = f"{run['workflow_id']} ended {run['outcome']} without an undo of the tried steps {sorted(missing)}"
            yield Violation("I3", text, evidence.seed, (summarize_run(run),))


def check_shielded(evidence: Evidence) -> Iterator[Violation]:
    """I3: no cancellation interrupts a change that is under way, or the record of it."""
    for run in evidence.list_remediations():
        for event in run["events"]:
            if event["event"] == "activity_cancelled" and event["name"] in SHIELDED_ACTIVITIES:
                yield Violation("I3", f"{run['workflow_id']}: {event['name']} was cancelled", evidence.seed, (event,))


def ended_steps(run: Row, name: str) -> set[int]:
    """Return the steps for which an activity of this name succeeded or failed."""
    ended = (event for event in run["events"] if event["event"] in ("activity", "activity_failed"))
    return {event["request"]["step"] for event in ended if event["name"] == name}


def check_no_blind_decision(evidence: Evidence) -> Iterator[Violation]:
    """I7: while no signal can be read, nothing is decided and no cycle ends healthy."""
    for start, end in evidence.blind_intervals:
        for run in evidence.histories:
            within = [event for event in run["events"] if start < event["at"] < end]
            for event in () if used_only_charter_report(run) else list_blind_plans(evidence, within):
                text = f"{run['workflow_id']} decided {event['at'] - start:.0f} s into a blind interval"
                yield Violation("I7", text, evidence.seed, (event,))
            healthy = run["type"] == "MapekCycle" and run.get("outcome") == "healthy"
            if healthy and start < run["started"] and (run["closed"] or end) < end:
                yield Violation(
                    "I7", f"{run['workflow_id']} ended healthy without a signal", evidence.seed, (summarize_run(run),)
                )


def list_blind_plans(evidence: Evidence, events: list[Row]) -> list[Row]:
    """Return the events that planned for a metric which Charter does not report itself."""
    planned = [event for event in events if event["event"] == "activity" and event["name"] == "plan"]
    return [
        event
        for event in planned
        if any(needs_prometheus(evidence, plan["plan_id"]) for plan in event["result"]["plans"])
    ]


def used_only_charter_report(run: Row) -> bool:
    """Return whether a cycle had only violations that Charter reports; its plan may be an older one with more."""
    analyzed = [event for event in run["events"] if (event["event"], event.get("name")) == ("activity", "analyze")]
    violations = [text for event in analyzed for text in event["result"].get("violations", ())]
    return bool(violations) and all(text.partition(" ")[0] in CHARTER_REPORTED_METRICS for text in violations)


def needs_prometheus(evidence: Evidence, plan: str) -> bool:
    """Return whether a plan has a target that only Prometheus reports."""
    targets = evidence.find_plan(plan).get("verification", {}).get("targets", ())
    return any(metric not in CHARTER_REPORTED_METRICS for _, metric in targets)


def check_verdict_samples(evidence: Evidence) -> Iterator[Violation]:
    """I7: a conclusive verdict has at least as many samples as the plan requires."""
    for run in evidence.list_remediations():
        rule = evidence.find_plan(run["input"]["plan_id"]).get("verification", {})
        min_samples = max(rule.get("samples", 1), rule.get("required_passes", 1))
        for event in run["events"]:
            if event["event"] != "activity" or event["name"] != "verify":
                continue
            result = event["result"]
            if result["verdict"] in CONCLUSIVE_VERDICTS and result["samples"] < min_samples:
                text = (
                    f"{run['workflow_id']} ended {result['verdict']} after {result['samples']} samples of {min_samples}"
                )
                yield Violation("I7", text, evidence.seed, (event,))


def check_alerts_covered(evidence: Evidence) -> Iterator[Violation]:
    """I2: a cycle observes within two periods of an accepted alert, or until the alert is due."""
    for alert in evidence.alerts:
        at = alert["answered_at"]
        due = alert.get("due", at + 2 * evidence.period_seconds)
        if due <= evidence.ended_at and not any(at <= observed <= due for observed in evidence.observed_at):
            near = {"observed": [observed - at for observed in evidence.observed_at if abs(observed - at) < 60]}
            text = f"no cycle observed in time after the alert at {at:.0f}"
            yield Violation("I2", text, evidence.seed, (alert, near))


def check_attempt_limit(evidence: Evidence) -> Iterator[Violation]:
    """I10: the attempts at a step are limited."""
    attempts = Counter(
        (row["plan_id"], row["step"], row["direction"])
        for row in evidence.audit
        if row["kind"] == "attempt" and row["phase"] == "before"
    )
    for (plan, step, direction), times in attempts.items():
        if times > MAX_ATTEMPTS:
            yield Violation("I10", f"step {step} of plan {plan} was sent {times} times ({direction})", evidence.seed)


def summarize_run(run: Row) -> Row:
    """Return a run without its events."""
    return {name: value for name, value in run.items() if name != "events"}

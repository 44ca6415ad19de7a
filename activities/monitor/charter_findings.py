"""What Charter itself says is wrong: the second, independent source of violations."""

from collections.abc import Iterable
from itertools import groupby

from activities.model.blindspot import BlindSpot, BlindSpotKind
from activities.model.charter import CharterFinding, Committee
from activities.model.violation import BreachSide, Severity, Violation
from activities.monitor.metric_names import MEMBER_HEALTH, METRIC_PREFIX
from activities.monitor.visibility import CHARTER


def is_open(finding: CharterFinding, instant: float) -> bool:
    """Tell whether the finding holds at `instant` (unix seconds): from `opened_at` until just before `closed_at`."""
    return finding.opened_at <= instant and (finding.closed_at is None or instant < finding.closed_at)


def metric_of(finding: CharterFinding) -> str:
    """Return the short name of the finding's metric, so that it merges with what the metric itself shows."""
    return finding.metric.removeprefix(METRIC_PREFIX)


def reported_violations(
    findings: Iterable[CharterFinding], committee: Committee | None, instant: float
) -> dict[tuple[str, str], Violation]:
    """Return Charter's violations at `instant` by (component, metric), source "charter".

    These are its open findings, and each member that the committee's state calls unhealthy. The state has no past, so
    without a finding an unhealthy member is violated since `instant` only. A finding does not tell its bad side: that
    follows from value and limit.
    """
    found = {
        (member.name, MEMBER_HEALTH): _make_charter_violation(member.name, MEMBER_HEALTH, Severity.CRITICAL, instant)
        for member in (committee.members if committee else ())
        if not member.healthy
    }
    held = sorted((f for f in findings if is_open(f, instant)), key=_finding_key)
    for (component, metric), same in groupby(held, key=_finding_key):
        worst = min(same, key=lambda f: (_parse_severity(f.severity).rank, f.opened_at))
        violation = _make_charter_violation(component, metric, _parse_severity(worst.severity), worst.opened_at)
        value, limit = worst.value, worst.limit
        bad = BreachSide.BELOW if value is not None and limit is not None and value < limit else BreachSide.ABOVE
        update = {"value": value, "limit": limit, "breach": bad}
        found[component, metric] = violation.model_copy(update=update)
    return found


def committee_blind_spots(committee: Committee | None) -> tuple[BlindSpot, ...]:
    """Return the blind spot of a committee state that contradicts itself: more healthy nodes than replicas."""
    if committee is None or 0 <= committee.healthy_nodes <= committee.replicas:
        return ()
    detail = f"{committee.healthy_nodes} healthy of {committee.replicas} replicas"
    return (BlindSpot(component=CHARTER, signal="committee/state", kind=BlindSpotKind.CONTRADICTORY, detail=detail),)


def member_names(committee: Committee | None) -> tuple[str, ...]:
    """Return the names of the committee's members, none if Charter does not tell."""
    return tuple(member.name for member in committee.members) if committee else ()


def _finding_key(finding: CharterFinding) -> tuple[str, str]:
    return finding.component, metric_of(finding)


def _parse_severity(name: str) -> Severity:
    known = {severity.value: severity for severity in Severity}
    return known.get(name.lower(), Severity.WARNING)


def _make_charter_violation(component: str, metric: str, severity: Severity, since: float) -> Violation:
    return Violation(component=component, metric=metric, severity=severity, since=since, sources=("charter",))

"""Charter's own findings: the second, independent source of violations."""

from collections.abc import Iterable
from itertools import groupby

from activities.model.blindspot import BlindSpot, BlindSpotKind
from activities.model.charter import CharterFinding, Committee
from activities.model.violation import BreachSide, Severity, Violation
from activities.monitor.metric_names import MEMBER_HEALTH, METRIC_PREFIX
from activities.monitor.visibility import CHARTER


def is_open(finding: CharterFinding, instant: float) -> bool:
    """Return whether `instant` (unix seconds) is in [`opened_at`, `closed_at`)."""
    return finding.opened_at <= instant and (finding.closed_at is None or instant < finding.closed_at)


def metric_of(finding: CharterFinding) -> str:
    """Return the short name of the finding's metric, which is also the name in the rules."""
    return finding.metric.removeprefix(METRIC_PREFIX)


def reported_violations(
    findings: Iterable[CharterFinding], committee: Committee | None, instant: float
) -> dict[tuple[str, str], Violation]:
    """Return Charter's violations at `instant` by (component, metric), source "charter".

    They are the open findings and the unhealthy members of the committee. The committee's state has no past: without
    a finding, an unhealthy member is violated since `instant`. A finding has no breach side: it follows from value and
    limit.
    """
    violations = {
        (member.name, MEMBER_HEALTH): _make_charter_violation(member.name, MEMBER_HEALTH, Severity.CRITICAL, instant)
        for member in (committee.members if committee else ())
        if not member.healthy
    }
    open_findings = sorted((f for f in findings if is_open(f, instant)), key=_finding_key)
    for (component, metric), group in groupby(open_findings, key=_finding_key):
        worst = min(group, key=lambda f: (_parse_severity(f.severity).rank, f.opened_at))
        violation = _make_charter_violation(component, metric, _parse_severity(worst.severity), worst.opened_at)
        value, limit = worst.value, worst.limit
        breach = BreachSide.BELOW if value is not None and limit is not None and value < limit else BreachSide.ABOVE
        update = {"value": value, "limit": limit, "breach": breach}
        violations[component, metric] = violation.model_copy(update=update)
    return violations


def committee_blind_spots(committee: Committee | None) -> tuple[BlindSpot, ...]:
    """Return the blind spot of a contradictory committee state: more healthy nodes than replicas."""
    if committee is None or 0 <= committee.healthy_nodes <= committee.replicas:
        return ()
    detail = f"{committee.healthy_nodes} healthy of {committee.replicas} replicas"
    return (BlindSpot(component=CHARTER, signal="committee/state", kind=BlindSpotKind.CONTRADICTORY, detail=detail),)


def member_names(committee: Committee | None) -> tuple[str, ...]:
    """Return the names of the committee's members, none if Charter does not report them."""
    return tuple(member.name for member in committee.members) if committee else ()


def _finding_key(finding: CharterFinding) -> tuple[str, str]:
    return finding.component, metric_of(finding)


def _parse_severity(name: str) -> Severity:
    severities = {severity.value: severity for severity in Severity}
    return severities.get(name.lower(), Severity.WARNING)


def _make_charter_violation(component: str, metric: str, severity: Severity, since: float) -> Violation:
    return Violation(component=component, metric=metric, severity=severity, since=since, sources=("charter",))

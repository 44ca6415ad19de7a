"""What goes wrong at each component, beyond its waiting time: failures, late reports, loud notices."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deploy.simulator.faults import Fault, FaultKind
from deploy.simulator.records import ActionKind
from deploy.simulator.topology import AUDIT_LOG, GATEWAY, POLICY_ENGINE, QUORUM, SERVICES, is_service, neighbours
from deploy.simulator.traffic import Flow, Situation

BACKGROUND_FAILURES: Final = 0.002
TIMEOUT_S: Final = 3.4
"""A request that waits longer is given up by its caller."""
MAX_FAILURES: Final = 0.9


@dataclass
class Symptoms:
    """Shares of the requests that fail (0 to 1) by cause, and what else shows."""

    timeouts: float = 0.0
    denied: float = 0.0
    retries: float = 0.0
    late_reports: bool = False
    late_notices: bool = False
    many_notices: bool = False
    slow_policy_load: bool = False
    bypassed: bool = False

    @property
    def failures(self) -> float:
        """Share of the requests that fail, the usual background included."""
        return min(MAX_FAILURES, BACKGROUND_FAILURES + self.timeouts + self.denied + self.retries)


@dataclass(frozen=True)
class Sight:
    """What the plant truly does at a tick, before any exporter: per component, rates per second, waits in seconds."""

    flows: dict[str, Flow]
    waits: dict[str, float]
    symptoms: dict[str, Symptoms]


def symptoms(situation: Situation, waits: Mapping[str, float]) -> dict[str, Symptoms]:
    """Symptoms of every answering component; `waits` are their present waiting times in seconds."""
    found = {name: Symptoms() for name in (*SERVICES, *situation.members) if name in situation.answering}
    _mark_timeouts(situation, found, waits)
    for fault in situation.faults:
        if fault.kind is FaultKind.RETRY_CASCADE and situation.cascade_runs(fault):
            _mark_cascade(situation, found, fault)
        if fault.kind is FaultKind.BAD_POLICY:
            _mark_bad_policy(situation, found, fault)
        if fault.component in found and waits.get(fault.component, 0.0) > 0.5:
            found[fault.component].late_reports |= fault.kind is FaultKind.OVERLOAD
            found[fault.component].late_notices |= fault.kind is FaultKind.SLOW_NODE
    _mark_bypass(situation, found)
    return found


def _timeout_share(wait: float) -> float:
    return min(0.35, max(0.0, (wait - TIMEOUT_S) * 0.8))


def _mark_timeouts(situation: Situation, found: dict[str, Symptoms], waits: Mapping[str, float]) -> None:
    for name, symptom in found.items():
        symptom.timeouts = _timeout_share(waits.get(name, 0.0))
    members = [name for name in situation.members if name in found]
    if len(members) < QUORUM:
        for symptom in found.values():
            symptom.timeouts = max(symptom.timeouts, 0.4)
    passed_on = sum(found[name].timeouts for name in members) / max(1, len(members))
    for caller in (POLICY_ENGINE, GATEWAY):
        if caller in found:
            found[caller].timeouts = max(found[caller].timeouts, 0.8 * passed_on)
            passed_on = found[caller].timeouts


def _mark_cascade(situation: Situation, found: dict[str, Symptoms], fault: Fault) -> None:
    reached = {fault.component, GATEWAY, POLICY_ENGINE}
    if is_service(fault.component):
        reached.add(AUDIT_LOG)
    if fault.restarted:
        # What was lost in the restart is resent by everybody to everybody.
        reached |= {AUDIT_LOG, *situation.members}
    for name in reached & found.keys():
        found[name].retries = 0.28 if name == fault.component else 0.2
        found[name].late_reports = True
        found[name].many_notices = True


def _mark_bad_policy(situation: Situation, found: dict[str, Symptoms], fault: Fault) -> None:
    if situation.remedies.against(ActionKind.BYPASS_VALIDATION, [fault.component], fault.since):
        return
    targets = [fault.component, POLICY_ENGINE]
    batches = situation.remedies.against(ActionKind.UPDATE_CONFIGURATION, targets, fault.since)
    if fault.component in found:
        # A batch is refused as a whole, so a wrong rule hits more requests in larger batches.
        found[fault.component].denied = 0.55 if batches else 0.3
        found[fault.component].slow_policy_load = True
    for name in (neighbours(fault.component) if batches else frozenset()) & found.keys():
        found[name].denied = 0.2


def _mark_bypass(situation: Situation, found: dict[str, Symptoms]) -> None:
    for name, symptom in found.items():
        if situation.remedies.against(ActionKind.BYPASS_VALIDATION, [name]):
            symptom.bypassed = True
            symptom.retries *= 0.5

"""The symptoms of each component beside its waiting time: failures, late reports, many notices."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deploy.simulator.faults import Fault, FaultKind
from deploy.simulator.records import ActionKind
from deploy.simulator.topology import AUDIT_LOG, GATEWAY, POLICY_ENGINE, QUORUM, SERVICES, is_service, neighbours
from deploy.simulator.traffic import Flow, LoadState

BACKGROUND_FAILURE_FRACTION: Final = 0.002
CALLER_TIMEOUT_SECONDS: Final = 3.4
"""The caller's timeout for a request."""
MAX_FAILURE_FRACTION: Final = 0.9


@dataclass
class Symptoms:
    """Fractions of failing requests (0 to 1) by cause, and other symptoms."""

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
        """Fraction of failing requests, including the background."""
        return min(MAX_FAILURE_FRACTION, BACKGROUND_FAILURE_FRACTION + self.timeouts + self.denied + self.retries)


@dataclass(frozen=True)
class PlantState:
    """The true state at a tick, before any exporter: flows per second and waits in seconds by component."""

    flows: dict[str, Flow]
    waits: dict[str, float]
    symptoms: dict[str, Symptoms]


def compute_symptoms(load_state: LoadState, waits: Mapping[str, float]) -> dict[str, Symptoms]:
    """Return the symptoms of every responding component; `waits` are in seconds."""
    symptoms = {name: Symptoms() for name in (*SERVICES, *load_state.members) if name in load_state.responding}
    _mark_timeouts(load_state, symptoms, waits)
    for fault in load_state.faults:
        if fault.kind is FaultKind.RETRY_CASCADE and load_state.is_cascade_active(fault):
            _mark_cascade(load_state, symptoms, fault)
        if fault.kind is FaultKind.BAD_POLICY:
            _mark_bad_policy(load_state, symptoms, fault)
        if fault.component in symptoms and waits.get(fault.component, 0.0) > 0.5:
            symptoms[fault.component].late_reports |= fault.kind is FaultKind.OVERLOAD
            symptoms[fault.component].late_notices |= fault.kind is FaultKind.SLOW_NODE
    _mark_bypass(load_state, symptoms)
    return symptoms


def _compute_timeout_fraction(wait: float) -> float:
    return min(0.35, max(0.0, (wait - CALLER_TIMEOUT_SECONDS) * 0.8))


def _mark_timeouts(load_state: LoadState, symptoms: dict[str, Symptoms], waits: Mapping[str, float]) -> None:
    for name, symptom in symptoms.items():
        symptom.timeouts = _compute_timeout_fraction(waits.get(name, 0.0))
    members = [name for name in load_state.members if name in symptoms]
    if len(members) < QUORUM:
        for symptom in symptoms.values():
            symptom.timeouts = max(symptom.timeouts, 0.4)
    inherited = sum(symptoms[name].timeouts for name in members) / max(1, len(members))
    for caller in (POLICY_ENGINE, GATEWAY):
        if caller in symptoms:
            symptoms[caller].timeouts = max(symptoms[caller].timeouts, 0.8 * inherited)
            inherited = symptoms[caller].timeouts


def _mark_cascade(load_state: LoadState, symptoms: dict[str, Symptoms], fault: Fault) -> None:
    reached = {fault.component, GATEWAY, POLICY_ENGINE}
    if is_service(fault.component):
        reached.add(AUDIT_LOG)
    if fault.restarted:
        # All callers resend the requests that the restart lost.
        reached |= {AUDIT_LOG, *load_state.members}
    for name in reached & symptoms.keys():
        symptoms[name].retries = 0.28 if name == fault.component else 0.2
        symptoms[name].late_reports = True
        symptoms[name].many_notices = True


def _mark_bad_policy(load_state: LoadState, symptoms: dict[str, Symptoms], fault: Fault) -> None:
    if load_state.policies_in_force.find_applied(ActionKind.BYPASS_VALIDATION, [fault.component], fault.started_at):
        return
    targets = [fault.component, POLICY_ENGINE]
    batches = load_state.policies_in_force.find_applied(ActionKind.UPDATE_CONFIGURATION, targets, fault.started_at)
    if fault.component in symptoms:
        # A batch is denied as a whole, so a wrong rule denies more requests in larger batches.
        symptoms[fault.component].denied = 0.55 if batches else 0.3
        symptoms[fault.component].slow_policy_load = True
    for name in (neighbours(fault.component) if batches else frozenset()) & symptoms.keys():
        symptoms[name].denied = 0.2


def _mark_bypass(load_state: LoadState, symptoms: dict[str, Symptoms]) -> None:
    for name, symptom in symptoms.items():
        if load_state.policies_in_force.find_applied(ActionKind.BYPASS_VALIDATION, [name]):
            symptom.bypassed = True
            symptom.retries *= 0.5

"""The arriving work and the capacity of each component at one moment."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deploy.simulator.faults import Fault, FaultKind, PoliciesInForce
from deploy.simulator.records import ActionKind
from deploy.simulator.topology import AUDIT_LOG, GATEWAY, POLICY_ENGINE, SERVICES, is_service

DEMAND_PER_SECOND: Final = 400.0
"""Requests per second that reach the gateway."""
SERVICE_CAPACITY_PER_SECOND: Final = 600.0
MEMBER_CAPACITY_PER_SECOND: Final = 520.0
"""Validations per second of one member."""
VALIDATIONS_PER_REQUEST: Final = 3.75
"""Validations per request, divided among all members."""
LOCAL_VALIDATIONS_PER_SECOND: Final = 100.0
"""Validations per second of each member without any request."""
RETRY_DEMAND_FACTOR: Final = 1.1
SHED_FRACTION: Final = 0.9
"""Fraction of the work beyond capacity that moves to members with spare capacity, or leaves a service."""
TAKEOVER_UTILISATION: Final = 0.95
"""Members below this utilisation take over excess work."""
QUEUE_GROWTH_SECONDS: Final = 0.5
"""Time constant of a growing queue."""
QUEUE_DRAIN_SECONDS: Final = 0.6
"""Time constant of a draining queue; the last half second of wait drains linearly."""
QUEUEING_UTILISATION: Final = 0.975
"""Utilisation above which requests wait."""
SATURATED_UTILISATION: Final = 1.02
"""Utilisation above which the wait grows more slowly."""
MAX_WAIT_SECONDS: Final = 4.5


@dataclass(frozen=True)
class Flow:
    """Arriving work and capacity, both per second."""

    arrival: float
    capacity: float

    @property
    def utilisation(self) -> float:
        """Arrival as a fraction of capacity; above 1 a queue grows."""
        return self.arrival / self.capacity

    @property
    def throughput(self) -> float:
        """Work done per second."""
        return min(self.arrival, self.capacity)


@dataclass(frozen=True)
class LoadState:
    """The load of the plant at one moment.

    `members` have joined. `responding` are the working components, including services.
    """

    policies_in_force: PoliciesInForce
    faults: tuple[Fault, ...]
    members: tuple[str, ...]
    responding: frozenset[str]

    def faults_of_kind(self, kind: FaultKind) -> list[Fault]:
        """Return the active faults of a kind."""
        return [fault for fault in self.faults if fault.kind is kind]

    def is_cascade_active(self, fault: Fault) -> bool:
        """Return whether a retry cascade continues: no later override and no later throttle below the demand."""
        targets = [GATEWAY, POLICY_ENGINE, fault.component]
        if self.policies_in_force.find_applied(ActionKind.ACTIVATE_EMERGENCY_OVERRIDE, targets, fault.started_at):
            return False
        limits = (self.policies_in_force.rate_limit(target, fault.started_at) for target in (GATEWAY, fault.component))
        return min(limits) > DEMAND_PER_SECOND * 0.9

    def is_rebalanced(self, fault: Fault) -> bool:
        """Return whether the fault's component was rebalanced since its start."""
        return bool(self.policies_in_force.find_applied(ActionKind.REBALANCE_LOAD, [fault.component], fault.started_at))


def compute_wait_target(utilisation: float) -> float:
    """Return the wait in a stable queue in seconds: 0 up to `QUEUEING_UTILISATION`, at most `MAX_WAIT_SECONDS`."""
    if utilisation <= QUEUEING_UTILISATION:
        return 0.0
    steep_part = min(utilisation, SATURATED_UTILISATION) - QUEUEING_UTILISATION
    return min(MAX_WAIT_SECONDS, 55.0 * steep_part + 10.0 * max(0.0, utilisation - SATURATED_UTILISATION))


def compute_next_wait(wait: float, flow: Flow, seconds: float) -> float:
    """Return the wait in seconds after a tick of `seconds`; it grows towards its target and drains faster."""
    target = compute_wait_target(flow.utilisation)
    if wait < target:
        return wait + (target - wait) * (1.0 - math.exp(-seconds / QUEUE_GROWTH_SECONDS))
    return max(target, wait - seconds * (wait / QUEUE_DRAIN_SECONDS + 0.5))


def compute_flows(load_state: LoadState, demand_factor: float = 1.0) -> dict[str, Flow]:
    """Return the flow of every responding component; `demand_factor` is noise near 1."""
    base_flows = _compute_service_flows(load_state, DEMAND_PER_SECOND * demand_factor)
    result = {
        name: _shed_excess(load_state, name, _apply_local_faults(load_state, name, flow))
        for name, flow in base_flows.items()
        if name in load_state.responding
    }
    return result | _compute_committee_flows(load_state, base_flows[POLICY_ENGINE].arrival)


def compute_base_flow(load_state: LoadState, component: str) -> Flow:
    """Return the flow of a component without the faults of this component."""
    base_flows = _compute_service_flows(load_state, DEMAND_PER_SECOND)
    if is_service(component):
        return base_flows[component]
    return _compute_member_flow(load_state, component, base_flows[POLICY_ENGINE].arrival)


def _compute_service_flows(load_state: LoadState, demand: float) -> dict[str, Flow]:
    if any(load_state.is_cascade_active(fault) for fault in load_state.faults_of_kind(FaultKind.RETRY_CASCADE)):
        demand *= RETRY_DEMAND_FACTOR
    rates = {GATEWAY: min(demand, load_state.policies_in_force.rate_limit(GATEWAY))}
    rates[POLICY_ENGINE] = min(rates[GATEWAY], load_state.policies_in_force.rate_limit(POLICY_ENGINE))
    rates[AUDIT_LOG] = min(rates[POLICY_ENGINE], load_state.policies_in_force.rate_limit(AUDIT_LOG))
    return {
        name: Flow(rates[name], SERVICE_CAPACITY_PER_SECOND * load_state.policies_in_force.capacity_factor(name))
        for name in SERVICES
    }


def _compute_member_flow(load_state: LoadState, name: str, requests: float) -> Flow:
    demand = max((fault.intensity for fault in load_state.faults_of_kind(FaultKind.FEW_VALIDATORS)), default=1.0)
    responding_count = sum(member in load_state.responding for member in load_state.members)
    share = VALIDATIONS_PER_REQUEST * requests * demand / max(1, responding_count)
    capacity = MEMBER_CAPACITY_PER_SECOND * load_state.policies_in_force.capacity_factor(name)
    for fault in load_state.faults_of_kind(FaultKind.REMEDY_WORSENS):
        # Members spend their time on agreement: one more member costs all of them more than it adds.
        capacity *= fault.intensity * (fault.committee_size / len(load_state.members)) ** 3
    return Flow(min(LOCAL_VALIDATIONS_PER_SECOND + share, load_state.policies_in_force.rate_limit(name)), capacity)


def _apply_local_faults(load_state: LoadState, name: str, flow: Flow) -> Flow:
    arrival, capacity = flow.arrival, flow.capacity
    for fault in load_state.faults:
        if fault.component != name:
            continue
        if fault.kind is FaultKind.SLOW_NODE and not _is_reconfigured(load_state, fault):
            capacity = min(capacity, fault.intensity)
            if load_state.is_rebalanced(fault):
                arrival = min(arrival, max(115.0, 0.8 * capacity))
        if fault.kind is FaultKind.OVERLOAD and not load_state.is_rebalanced(fault):
            limit = load_state.policies_in_force.rate_limit(name, fault.started_at)
            arrival = min(max(2 * arrival, fault.intensity), limit)
    return Flow(arrival, capacity)


def _is_reconfigured(load_state: LoadState, fault: Fault) -> bool:
    updates = load_state.policies_in_force.find_applied(
        ActionKind.UPDATE_CONFIGURATION, [fault.component], fault.started_at
    )
    return is_service(fault.component) and bool(updates)


def _shed_excess(load_state: LoadState, name: str, flow: Flow) -> Flow:
    excess = max(0.0, flow.arrival - flow.capacity)
    share = 0.0 if _has_resend_surge(load_state, name) else SHED_FRACTION
    return Flow(flow.arrival - share * excess, flow.capacity)


def _has_resend_surge(load_state: LoadState, name: str) -> bool:
    # After an outage under overload the callers resend all requests together and do not reduce their load.
    overloads = load_state.faults_of_kind(FaultKind.OVERLOAD)
    return any(fault.component == name and fault.restarted for fault in overloads)


def _compute_committee_flows(load_state: LoadState, requests: float) -> dict[str, Flow]:
    names = [name for name in load_state.members if name in load_state.responding]
    base_flows = {name: _compute_member_flow(load_state, name, requests) for name in names}
    stressed = {name: _apply_local_faults(load_state, name, base_flows[name]) for name in names}
    calm = [name for name in names if stressed[name].utilisation <= 1.0]
    has_spare_capacity = calm and sum(stressed[name].utilisation for name in calm) / len(calm) < TAKEOVER_UTILISATION
    if not has_spare_capacity or len(calm) == len(names):
        return stressed
    shed = {name: _shed_excess(load_state, name, stressed[name]) for name in names}
    return shed | _redistribute(stressed, shed, calm)


def _redistribute(before: Mapping[str, Flow], after: Mapping[str, Flow], spare_members: list[str]) -> dict[str, Flow]:
    moved = sum(before[name].arrival - after[name].arrival for name in before)
    return {
        name: Flow(before[name].arrival + moved / len(spare_members), before[name].capacity) for name in spare_members
    }

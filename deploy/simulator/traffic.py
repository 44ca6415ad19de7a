"""How much work reaches each component and how much it can do: pure arithmetic over one moment."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deploy.simulator.faults import Fault, FaultKind, Remedies
from deploy.simulator.records import ActionKind
from deploy.simulator.topology import AUDIT_LOG, GATEWAY, POLICY_ENGINE, SERVICES, is_service

DEMAND: Final = 400.0
"""Requests per second that reach the gateway."""
SERVICE_CAPACITY: Final = 600.0
MEMBER_CAPACITY: Final = 520.0
"""Validations per second one member can do."""
SHARED_PER_REQUEST: Final = 3.75
"""Validations per request, shared by all members."""
OWN_VALIDATIONS: Final = 100.0
"""Validations per second each member does for itself, whatever the load."""
RETRY_FACTOR: Final = 1.1
SHED: Final = 0.9
"""Share of the work beyond a component's capacity that goes elsewhere: to calm members, or away from a service."""
CALM: Final = 0.95
"""Members below this utilisation take over what others cannot do."""
QUEUE_S: Final = 0.5
"""Time constant with which a queue grows to its level."""
DRAIN_S: Final = 0.6
"""Time constant with which it drains; the last half second of waiting goes at an even pace."""
STRAINED: Final = 0.975
"""Utilisation from which requests wait at all."""
FULL: Final = 1.02
"""Utilisation from which the wait no longer grows as steeply."""
MAX_WAIT_S: Final = 4.5


@dataclass(frozen=True)
class Flow:
    """Work that arrives and work that can be done, both per second."""

    arrival: float
    capacity: float

    @property
    def utilisation(self) -> float:
        """Arrival as a share of capacity; above 1 a queue grows."""
        return self.arrival / self.capacity

    @property
    def served(self) -> float:
        """Work done per second."""
        return min(self.arrival, self.capacity)


@dataclass(frozen=True)
class Situation:
    """One moment of the plant.

    `members` have joined; `answering` are the components that work now, services included.
    """

    remedies: Remedies
    faults: tuple[Fault, ...]
    members: tuple[str, ...]
    answering: frozenset[str]

    def having(self, kind: FaultKind) -> list[Fault]:
        """Active faults of a kind."""
        return [fault for fault in self.faults if fault.kind is kind]

    def cascade_runs(self, fault: Fault) -> bool:
        """Whether a retry cascade still feeds itself: no throttle below the demand and no override since."""
        targets = [GATEWAY, POLICY_ENGINE, fault.component]
        if self.remedies.against(ActionKind.ACTIVATE_EMERGENCY_OVERRIDE, targets, fault.since):
            return False
        limits = (self.remedies.rate_limit(target, fault.since) for target in (GATEWAY, fault.component))
        return min(limits) > DEMAND * 0.9

    def rebalanced(self, fault: Fault) -> bool:
        """Whether load was moved away from the fault's component since it began."""
        return bool(self.remedies.against(ActionKind.REBALANCE_LOAD, [fault.component], fault.since))


def wait_target(utilisation: float) -> float:
    """Return the seconds a request waits once a queue has settled: 0 up to the strain, at most `MAX_WAIT_S`."""
    if utilisation <= STRAINED:
        return 0.0
    steep = min(utilisation, FULL) - STRAINED
    return min(MAX_WAIT_S, 55.0 * steep + 10.0 * max(0.0, utilisation - FULL))


def next_wait(wait: float, flow: Flow, seconds: float) -> float:
    """Return the wait (seconds) after a tick of that many seconds: it grows towards its target and drains faster."""
    target = wait_target(flow.utilisation)
    if wait < target:
        return wait + (target - wait) * (1.0 - math.exp(-seconds / QUEUE_S))
    return max(target, wait - seconds * (wait / DRAIN_S + 0.5))


def flows(situation: Situation, demand_factor: float = 1.0) -> dict[str, Flow]:
    """Work of every component that answers; `demand_factor` is the noise of the demand, about 1."""
    usual = _usual_services(situation, DEMAND * demand_factor)
    result = {
        name: _shed(situation, name, _stressed(situation, name, flow))
        for name, flow in usual.items()
        if name in situation.answering
    }
    return result | _committee(situation, usual[POLICY_ENGINE].arrival)


def base_flow(situation: Situation, component: str) -> Flow:
    """Work of a component before the faults that hit it alone."""
    usual = _usual_services(situation, DEMAND)
    if is_service(component):
        return usual[component]
    return _usual_member(situation, component, usual[POLICY_ENGINE].arrival)


def _usual_services(situation: Situation, demand: float) -> dict[str, Flow]:
    if any(situation.cascade_runs(fault) for fault in situation.having(FaultKind.RETRY_CASCADE)):
        demand *= RETRY_FACTOR
    rates = {GATEWAY: min(demand, situation.remedies.rate_limit(GATEWAY))}
    rates[POLICY_ENGINE] = min(rates[GATEWAY], situation.remedies.rate_limit(POLICY_ENGINE))
    rates[AUDIT_LOG] = min(rates[POLICY_ENGINE], situation.remedies.rate_limit(AUDIT_LOG))
    return {name: Flow(rates[name], SERVICE_CAPACITY * situation.remedies.capacity_factor(name)) for name in SERVICES}


def _usual_member(situation: Situation, name: str, requests: float) -> Flow:
    demand = max((fault.level for fault in situation.having(FaultKind.FEW_VALIDATORS)), default=1.0)
    at_work = sum(member in situation.answering for member in situation.members)
    share = SHARED_PER_REQUEST * requests * demand / max(1, at_work)
    capacity = MEMBER_CAPACITY * situation.remedies.capacity_factor(name)
    for fault in situation.having(FaultKind.REMEDY_WORSENS):
        # Members spend their time on agreeing: each one more costs all of them more than it adds.
        capacity *= fault.level * (fault.size / len(situation.members)) ** 3
    return Flow(min(OWN_VALIDATIONS + share, situation.remedies.rate_limit(name)), capacity)


def _stressed(situation: Situation, name: str, flow: Flow) -> Flow:
    arrival, capacity = flow.arrival, flow.capacity
    for fault in situation.faults:
        if fault.component != name:
            continue
        if fault.kind is FaultKind.SLOW_NODE and not _reconfigured(situation, fault):
            capacity = min(capacity, fault.level)
            if situation.rebalanced(fault):
                arrival = min(arrival, max(115.0, 0.8 * capacity))
        if fault.kind is FaultKind.OVERLOAD and not situation.rebalanced(fault):
            limit = situation.remedies.rate_limit(name, fault.since)
            arrival = min(max(2 * arrival, fault.level), limit)
    return Flow(arrival, capacity)


def _reconfigured(situation: Situation, fault: Fault) -> bool:
    news = situation.remedies.against(ActionKind.UPDATE_CONFIGURATION, [fault.component], fault.since)
    return is_service(fault.component) and bool(news)


def _shed(situation: Situation, name: str, flow: Flow) -> Flow:
    excess = max(0.0, flow.arrival - flow.capacity)
    share = 0.0 if _stubborn(situation, name) else SHED
    return Flow(flow.arrival - share * excess, flow.capacity)


def _stubborn(situation: Situation, name: str) -> bool:
    # After an outage under overload the callers resend everything at once and no longer give way.
    overloads = situation.having(FaultKind.OVERLOAD)
    return any(fault.component == name and fault.restarted for fault in overloads)


def _committee(situation: Situation, requests: float) -> dict[str, Flow]:
    names = [name for name in situation.members if name in situation.answering]
    usual = {name: _usual_member(situation, name, requests) for name in names}
    stressed = {name: _stressed(situation, name, usual[name]) for name in names}
    calm = [name for name in names if stressed[name].utilisation <= 1.0]
    spare = calm and sum(stressed[name].utilisation for name in calm) / len(calm) < CALM
    if not spare or len(calm) == len(names):
        return stressed
    kept = {name: _shed(situation, name, stressed[name]) for name in names}
    return kept | _taken_over(stressed, kept, calm)


def _taken_over(before: Mapping[str, Flow], after: Mapping[str, Flow], calm: list[str]) -> dict[str, Flow]:
    moved = sum(before[name].arrival - after[name].arrival for name in before)
    return {name: Flow(before[name].arrival + moved / len(calm), before[name].capacity) for name in calm}

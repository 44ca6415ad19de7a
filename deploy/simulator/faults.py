"""The faults that can be injected, and the policies that counteract them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from deploy.simulator.policies import PolicyApplication
from deploy.simulator.records import ActionKind
from deploy.simulator.topology import GATEWAY, POLICY_ENGINE, is_service

POLICY_DELAY_SECONDS: Final = 1.0
"""Time between the application of a policy and its effect."""
DEFAULT_OVERRIDE_SECONDS: Final = 300.0
"""Default duration of an emergency override."""
DEFAULT_RATE_LIMIT: Final = 300.0
"""Default limit of a throttle, in requests per second."""
BASELINE_BATCH_SIZE: Final = 32
BASELINE_PARALLELISM: Final = 4


class FaultKind(StrEnum):
    """The kinds of faults."""

    FEW_VALIDATORS = "few-validators"
    BAD_POLICY = "bad-policy"
    RETRY_CASCADE = "retry-cascade"
    OVERLOAD = "overload"
    SLOW_NODE = "slow-node"
    DEAD_NODE = "dead-node"
    REMEDY_WORSENS = "remedy-worsens"
    EXPORTER_SILENT = "exporter-silent"
    EXPORTER_LYING = "exporter-lying"


LOCAL_FAULT_KINDS: Final = frozenset(
    {
        FaultKind.OVERLOAD,
        FaultKind.SLOW_NODE,
        FaultKind.DEAD_NODE,
        FaultKind.EXPORTER_SILENT,
        FaultKind.EXPORTER_LYING,
    }
)
"""Faults of one component that end with its removal; the other kinds continue."""


@dataclass
class Fault:
    """One active fault.

    `intensity` is fixed at the start: the demand factor of few-validators, the capacity factor of remedy-worsens, the
    load per second of overload, the capacity per second of slow-node. `committee_size` is the size at the start.
    `restarted` means that its component (for a cascade any component) was restarted since.
    """

    kind: FaultKind
    component: str
    started_at: float
    until: float | None = None
    intensity: float = 0.0
    committee_size: int = 0
    restarted: bool = False


class PoliciesInForce:
    """The policies in force at one moment, by their effect.

    A policy counteracts a fault only if it was applied after the start of the fault. Otherwise a remedy that stays in
    force would hide every later fault.
    """

    def __init__(self, active: Iterable[PolicyApplication], now: float) -> None:
        self._in_force = [application for application in active if _is_in_force(application, now)]

    def find_applied(
        self, kind: ActionKind, targets: Iterable[str], since: float = -math.inf
    ) -> list[PolicyApplication]:
        """Return the policies of a kind on a target or the whole system, applied at or after `since`."""
        components = {*targets, None}
        return [
            application
            for application in self._in_force
            if application.spec.kind is kind
            and application.spec.component in components
            and application.applied_at >= since
        ]

    def rate_limit(self, component: str, since: float = -math.inf) -> float:
        """Return the component's limit in requests per second, infinite without a throttle.

        A throttle without a component limits the gateway.
        """
        limits = [
            float(application.spec.parameters.get("rate_limit", DEFAULT_RATE_LIMIT))
            for application in self.find_applied(ActionKind.THROTTLE_REQUESTS, [component], since)
            if application.spec.component == component or component == GATEWAY
        ]
        return min(limits, default=math.inf)

    def capacity_factor(self, component: str) -> float:
        """Return the capacity factor of a component's configuration; the policy engine's also affects validators."""
        targets = [component] if is_service(component) else [component, POLICY_ENGINE]
        factor = 1.0
        for application in self.find_applied(ActionKind.UPDATE_CONFIGURATION, targets):
            batch = application.spec.parameters.get("batch_size", BASELINE_BATCH_SIZE) / BASELINE_BATCH_SIZE
            parallelism = application.spec.parameters.get("parallelism", BASELINE_PARALLELISM) / BASELINE_PARALLELISM
            factor *= batch**0.35 * parallelism**0.25
        return min(max(factor, 0.4), 1.6)

    def count_overrides(self, component: str) -> int:
        """Return the number of emergency overrides in force on the component."""
        return len(self.find_applied(ActionKind.ACTIVATE_EMERGENCY_OVERRIDE, [component]))


def _is_in_force(application: PolicyApplication, now: float) -> bool:
    has_started = application.applied_at + POLICY_DELAY_SECONDS <= now
    duration = application.spec.parameters.get("duration")
    if duration is None and application.spec.kind is ActionKind.ACTIVATE_EMERGENCY_OVERRIDE:
        duration = DEFAULT_OVERRIDE_SECONDS
    return has_started and (duration is None or now < application.applied_at + float(duration))

"""The faults that can be switched on, and which policies count against them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from deploy.simulator.policies import PolicyApplication
from deploy.simulator.records import ActionKind
from deploy.simulator.topology import GATEWAY, POLICY_ENGINE, is_service

POLICY_DELAY_SECONDS: Final = 1.0
"""Seconds between the application of a policy and its effect."""
DEFAULT_OVERRIDE_SECONDS: Final = 300.0
"""Duration of an emergency override that names none."""
DEFAULT_RATE_LIMIT: Final = 300.0
"""Requests per second let through by a throttle that names no limit."""
BASELINE_BATCH_SIZE: Final = 32
BASELINE_PARALLELISM: Final = 4


class FaultKind(StrEnum):
    """What can go wrong on demand."""

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
"""Faults that sit in one component and leave with it; the others outlive it."""


@dataclass
class Fault:
    """One active fault.

    `level` is fixed when it begins, so that it hurts whatever was set before: the demand factor of few-validators,
    the capacity factor of remedy-worsens, the load (per second) of overload, the capacity (per second) of slow-node.
    `size` is the committee size then. `restarted` says that its component, or any for a cascade, was restarted since.
    """

    kind: FaultKind
    component: str
    started_at: float
    until: float | None = None
    intensity: float = 0.0
    committee_size: int = 0
    restarted: bool = False


class PoliciesInForce:
    """The policies in force at one moment, asked by what they do.

    A policy counts against a fault only if it was applied after the fault began: what was set before was sized for
    the load of that time. Otherwise a remedy that is kept would make every later fault invisible.
    """

    def __init__(self, active: Iterable[PolicyApplication], now: float) -> None:
        self._in_force = [application for application in active if _is_in_force(application, now)]

    def find_applied(
        self, kind: ActionKind, targets: Iterable[str], since: float = -math.inf
    ) -> list[PolicyApplication]:
        """Policies of a kind on one of the targets or on the whole system, applied at or after `since`."""
        wanted = {*targets, None}
        return [
            application
            for application in self._in_force
            if application.spec.kind is kind
            and application.spec.component in wanted
            and application.applied_at >= since
        ]

    def rate_limit(self, component: str, since: float = -math.inf) -> float:
        """Requests per second the component may take, infinite without a throttle; null targets the gateway."""
        limits = [
            float(application.spec.parameters.get("rate_limit", DEFAULT_RATE_LIMIT))
            for application in self.find_applied(ActionKind.THROTTLE_REQUESTS, [component], since)
            if application.spec.component == component or component == GATEWAY
        ]
        return min(limits, default=math.inf)

    def capacity_factor(self, component: str) -> float:
        """How much more a component handles under its configuration; the policy engine's batches reach validators."""
        targets = [component] if is_service(component) else [component, POLICY_ENGINE]
        factor = 1.0
        for application in self.find_applied(ActionKind.UPDATE_CONFIGURATION, targets):
            batch = application.spec.parameters.get("batch_size", BASELINE_BATCH_SIZE) / BASELINE_BATCH_SIZE
            parallelism = application.spec.parameters.get("parallelism", BASELINE_PARALLELISM) / BASELINE_PARALLELISM
            factor *= batch**0.35 * parallelism**0.25
        return min(max(factor, 0.4), 1.6)

    def count_overrides(self, component: str) -> int:
        """Emergency overrides in force on the component."""
        return len(self.find_applied(ActionKind.ACTIVATE_EMERGENCY_OVERRIDE, [component]))


def _is_in_force(application: PolicyApplication, now: float) -> bool:
    begun = application.applied_at + POLICY_DELAY_SECONDS <= now
    lasts = application.spec.parameters.get("duration")
    if lasts is None and application.spec.kind is ActionKind.ACTIVATE_EMERGENCY_OVERRIDE:
        lasts = DEFAULT_OVERRIDE_SECONDS
    return begun and (lasts is None or now < application.applied_at + float(lasts))

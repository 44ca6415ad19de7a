"""How hard a fault hits: fixed when it begins, so that it shows whatever was changed before."""

from dataclasses import replace
from typing import Final

from deploy.simulator.faults import Fault, FaultKind
from deploy.simulator.traffic import FULL, OWN_VALIDATIONS, Situation, base_flow

SLOW_CAPACITY: Final = 250.0
"""Work per second a slow component still does, unless it had little to do before."""


def calibrated(fault: Fault, situation: Situation) -> Fault:
    """Return the fault with `level` and `size` set for this situation."""
    usual = replace(situation, faults=())
    size = len(situation.members)
    member = situation.members[0] if situation.members else None
    if fault.kind is FaultKind.OVERLOAD:
        flow = base_flow(usual, fault.component)
        return replace(fault, level=max(2 * flow.arrival, 1.35 * flow.capacity), size=size)
    if fault.kind is FaultKind.SLOW_NODE:
        flow = base_flow(usual, fault.component)
        return replace(fault, level=min(SLOW_CAPACITY, 0.625 * flow.arrival), size=size)
    if fault.kind is FaultKind.FEW_VALIDATORS and member is not None:
        flow = base_flow(usual, member)
        shared = max(1.0, flow.arrival - OWN_VALIDATIONS)
        return replace(fault, level=max(1.0, (FULL * flow.capacity - OWN_VALIDATIONS) / shared), size=size)
    if fault.kind is FaultKind.REMEDY_WORSENS and member is not None:
        flow = base_flow(usual, member)
        return replace(fault, level=flow.arrival / (FULL * flow.capacity), size=size)
    return fault

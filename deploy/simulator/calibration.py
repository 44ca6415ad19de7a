"""How hard a fault hits: fixed when it begins, so that it shows whatever was changed before."""

from dataclasses import replace
from typing import Final

from deploy.simulator.faults import Fault, FaultKind
from deploy.simulator.traffic import LOCAL_VALIDATIONS_PER_SECOND, SATURATED_UTILISATION, LoadState, compute_base_flow

SLOW_NODE_CAPACITY: Final = 250.0
"""Work per second a slow component still does, unless it had little to do before."""


def calibrate_fault(fault: Fault, load_state: LoadState) -> Fault:
    """Return the fault with `level` and `size` set for this situation."""
    usual = replace(load_state, faults=())
    size = len(load_state.members)
    member = load_state.members[0] if load_state.members else None
    if fault.kind is FaultKind.OVERLOAD:
        flow = compute_base_flow(usual, fault.component)
        return replace(fault, intensity=max(2 * flow.arrival, 1.35 * flow.capacity), committee_size=size)
    if fault.kind is FaultKind.SLOW_NODE:
        flow = compute_base_flow(usual, fault.component)
        return replace(fault, intensity=min(SLOW_NODE_CAPACITY, 0.625 * flow.arrival), committee_size=size)
    if fault.kind is FaultKind.FEW_VALIDATORS and member is not None:
        flow = compute_base_flow(usual, member)
        shared = max(1.0, flow.arrival - LOCAL_VALIDATIONS_PER_SECOND)
        return replace(
            fault,
            intensity=max(1.0, (SATURATED_UTILISATION * flow.capacity - LOCAL_VALIDATIONS_PER_SECOND) / shared),
            committee_size=size,
        )
    if fault.kind is FaultKind.REMEDY_WORSENS and member is not None:
        flow = compute_base_flow(usual, member)
        return replace(fault, intensity=flow.arrival / (SATURATED_UTILISATION * flow.capacity), committee_size=size)
    return fault

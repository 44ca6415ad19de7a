"""The intensity of a fault, fixed at its start: the fault shows after any earlier change."""

from dataclasses import replace
from typing import Final

from deploy.simulator.faults import Fault, FaultKind
from deploy.simulator.traffic import LOCAL_VALIDATIONS_PER_SECOND, SATURATED_UTILISATION, LoadState, compute_base_flow

SLOW_NODE_CAPACITY: Final = 250.0
"""Maximum work per second of a slow component."""


def calibrate_fault(fault: Fault, load_state: LoadState) -> Fault:
    """Return the fault with `intensity` and `committee_size` for this load."""
    normal = replace(load_state, faults=())
    size = len(load_state.members)
    member = load_state.members[0] if load_state.members else None
    if fault.kind is FaultKind.OVERLOAD:
        flow = compute_base_flow(normal, fault.component)
        return replace(fault, intensity=max(2 * flow.arrival, 1.35 * flow.capacity), committee_size=size)
    if fault.kind is FaultKind.SLOW_NODE:
        flow = compute_base_flow(normal, fault.component)
        return replace(fault, intensity=min(SLOW_NODE_CAPACITY, 0.625 * flow.arrival), committee_size=size)
    if fault.kind is FaultKind.FEW_VALIDATORS and member is not None:
        flow = compute_base_flow(normal, member)
        shared = max(1.0, flow.arrival - LOCAL_VALIDATIONS_PER_SECOND)
        return replace(
            fault,
            intensity=max(1.0, (SATURATED_UTILISATION * flow.capacity - LOCAL_VALIDATIONS_PER_SECOND) / shared),
            committee_size=size,
        )
    if fault.kind is FaultKind.REMEDY_WORSENS and member is not None:
        flow = compute_base_flow(normal, member)
        return replace(fault, intensity=flow.arrival / (SATURATED_UTILISATION * flow.capacity), committee_size=size)
    return fault

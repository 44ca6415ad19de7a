"""The parts of the simulated Charter system and who calls whom."""

from typing import Final

GATEWAY: Final = "gateway"
POLICY_ENGINE: Final = "policy-engine"
AUDIT_LOG: Final = "audit-log"

SERVICES: Final = (GATEWAY, POLICY_ENGINE, AUDIT_LOG)
"""Services in the order a request passes them; the validators are called by the policy engine."""

COMMITTEE: Final = "committee"
"""The knob that scaling and restarting change; no component has this name."""

MIN_MEMBERS: Final = 1
MAX_MEMBERS: Final = 15
INITIAL_MEMBERS: Final = 5
"""Committee size at the start."""
QUORUM: Final = 3
"""With fewer healthy members than this the committee cannot decide, and validations fail everywhere."""


def validator_name(number: int) -> str:
    """Name of the member with this number, counted from 1."""
    return f"validator-{number}"


def is_service(component: str) -> bool:
    """Whether the component is one of the three services (otherwise it is a validator)."""
    return component in SERVICES


def neighbours(component: str) -> frozenset[str]:
    """Callers and callees of a component that share its trouble; validators are named by their caller only."""
    if component == GATEWAY:
        return frozenset({POLICY_ENGINE})
    if component == POLICY_ENGINE:
        return frozenset({GATEWAY, AUDIT_LOG})
    return frozenset({POLICY_ENGINE, GATEWAY})

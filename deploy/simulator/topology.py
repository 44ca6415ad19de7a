"""The components of the simulated Charter system and their calls."""

from typing import Final

GATEWAY: Final = "gateway"
POLICY_ENGINE: Final = "policy-engine"
AUDIT_LOG: Final = "audit-log"

SERVICES: Final = (GATEWAY, POLICY_ENGINE, AUDIT_LOG)
"""Services in the order of a request; the policy engine calls the validators."""

COMMITTEE: Final = "committee"
"""The knob of scaling and restarting; no component has this name."""

MIN_MEMBERS: Final = 1
MAX_MEMBERS: Final = 15
INITIAL_MEMBERS: Final = 5
"""Initial committee size."""
QUORUM: Final = 3
"""Minimum of healthy members for a decision; below it validations fail at every component."""


def validator_name(number: int) -> str:
    """Return the name of a member; numbers start at 1."""
    return f"validator-{number}"


def is_service(component: str) -> bool:
    """Return whether the component is one of the three services; otherwise it is a validator."""
    return component in SERVICES


def neighbours(component: str) -> frozenset[str]:
    """Return the callers and callees that share a component's symptoms; never validators."""
    if component == GATEWAY:
        return frozenset({POLICY_ENGINE})
    if component == POLICY_ENGINE:
        return frozenset({GATEWAY, AUDIT_LOG})
    return frozenset({POLICY_ENGINE, GATEWAY})

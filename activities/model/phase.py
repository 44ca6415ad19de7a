"""The phases of a remediation, as `MapekPhase` shows them."""

from enum import StrEnum


class Phase(StrEnum):
    """Where a remediation is. From COOLING_DOWN on its outcome is recorded."""

    PREPARING = "preparing"
    AWAITING_APPROVAL = "awaiting-approval"
    APPLYING = "applying"
    VERIFYING = "verifying"
    ROLLING_BACK = "rolling-back"
    QUARANTINED = "quarantined"
    COOLING_DOWN = "cooling-down"
    DONE = "done"

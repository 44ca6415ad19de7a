"""The names of the guards."""

from enum import StrEnum


class GuardRule(StrEnum):
    """The rule of a block, as the decision, the audit and the metrics name it. The values are stored.

    `activities.plan.guards.table` says for each rule when it is checked and what follows from its block.
    """

    ALLOWED = "allowed"
    MAX_REPLICAS = "max-replicas"
    QUORUM = "quorum"
    CONFIDENCE = "confidence"
    QUARANTINE = "quarantine"
    UNSETTLED = "unsettled"
    STORM = "storm"
    FROZEN = "frozen"
    FOREIGN_WRITER = "foreign-writer"
    COOL_DOWN = "cool-down"
    REVERSE = "reverse"
    BUDGET = "budget"
    CONCURRENCY = "concurrency"
    FREEZE_DATE = "freeze-date"
    WINDOW = "window"
    KILL_SWITCH = "kill-switch"
    MODE = "mode"
    SILENCED = "silenced"
    AUTONOMY = "autonomy"

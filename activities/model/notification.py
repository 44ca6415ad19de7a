"""A notice: something a person should know of now."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from activities.model.types import FrozenModel, MigratedModel


class NotificationKind(StrEnum):
    """Why a person is told."""

    APPROVAL = "approval"
    ESCALATION = "escalation"
    QUARANTINE = "quarantine"
    STORM = "storm"
    FREEZE = "freeze"


class Notification(MigratedModel):
    """One message of one trouble. Open until what it is about is over; then `closed` says how it ended.

    `key` is the trouble's: an incident's id, or what stands for it where there is none; with `kind` it is told once,
    however often it is seen. `workflow` is the id of the cycle or remediation to look at. `at` is unix seconds.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"closed": "resolution"}

    key: str
    kind: NotificationKind
    loop: str
    headline: str
    details: tuple[str, ...] = ()
    knob: str = ""
    plan: str = ""
    workflow: str = ""
    at: float = 0.0
    resolution: str = ""


class PendingDelivery(FrozenModel):
    """A notice that a target has not got yet, or not in its present `version` (from 1). `number` is its id."""

    number: int
    version: int
    attempts: int
    notification: Notification

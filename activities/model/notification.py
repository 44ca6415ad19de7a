"""A notification: a message that operators need now."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from activities.model.types import FrozenModel, MigratedModel


class NotificationKind(StrEnum):
    """The reason of a notification."""

    APPROVAL = "approval"
    ESCALATION = "escalation"
    QUARANTINE = "quarantine"
    STORM = "storm"
    FREEZE = "freeze"


class Updates(StrEnum):
    """What a target receives after the first message of a notification."""

    NONE = "none"
    BY_KEY = "by key"
    """The resolution, which closes the notification that is open under the key."""
    BY_OCCURRENCE = "by occurrence"
    """The resolution, which closes only the notification that it belongs to."""


class Notification(MigratedModel):
    """One message about one problem. It is open until the problem is over; then `resolution` says how it ended.

    `key` identifies the problem: the incident id, or a replacement where there is none. A (`key`, `kind`) pair is sent
    once, however often it occurs. `occurrence` distinguishes two notifications of one problem; it is empty in one
    that an earlier version opened. `workflow` is the id of the cycle or remediation. `at` is unix seconds.
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
    occurrence: str = ""
    resolution: str = ""


class PendingDelivery(FrozenModel):
    """A notification that a target has not received, or not in its present `version` (from 1). `number` is its id."""

    number: int
    version: int
    attempts: int
    notification: Notification

"""A notice: something a person should know of now."""

from enum import StrEnum

from activities.model.types import Noun


class NoticeKind(StrEnum):
    """Why a person is told."""

    APPROVAL = "approval"
    ESCALATION = "escalation"
    QUARANTINE = "quarantine"
    STORM = "storm"
    FREEZE = "freeze"


class Notice(Noun):
    """One message of one trouble. Open until what it is about is over; then `closed` says how it ended.

    `key` is the trouble's: an incident's id, or what stands for it where there is none; with `kind` it is told once,
    however often it is seen. `workflow` is the id of the cycle or remediation to look at. `at` is unix seconds.
    """

    key: str
    kind: NoticeKind
    loop: str
    headline: str
    details: tuple[str, ...] = ()
    knob: str = ""
    plan: str = ""
    workflow: str = ""
    at: float = 0.0
    closed: str = ""


class Due(Noun):
    """A notice that a target has not got yet, or not in its present `version` (from 1). `number` is its id."""

    number: int
    version: int
    attempts: int
    notice: Notice

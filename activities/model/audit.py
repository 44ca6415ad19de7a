"""The append-only audit: every attempt to change Charter and every decision of an operator."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from activities.model.types import MigratedModel


class AuditKind(StrEnum):
    """What a row records.

    attempt: a request that changes Charter, one row before and one after it. ending: a remediation ended. autonomy: a
    level rose or fell. config: the settings changed. recheck: a success was checked again later. storm: a loop entered
    or left storm mode. frozen and foreign-writer: a guard began to block a knob.
    """

    ATTEMPT = "attempt"
    APPROVAL = "approval"
    MODE = "mode"
    QUARANTINE = "quarantine"
    AUTONOMY = "autonomy"
    CONFIG = "config"
    ENDING = "ending"
    RECHECK = "recheck"
    STORM = "storm"
    FROZEN = "frozen"
    FOREIGN_WRITER = "foreign-writer"


class AttemptPhase(StrEnum):
    """When the row of an attempt was written. refused: after a final refusal. Empty in rows of other kinds."""

    NONE = ""
    BEFORE = "before"
    AFTER = "after"
    REFUSED = "refused"


class AuditEntry(MigratedModel):
    """One row. `at` is unix seconds.

    For an attempt, `status` is the HTTP status: None before the request, and without a response. `attempt` counts from
    1. `worker_identity` names the worker process.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"worker": "worker_identity", "who": "actor", "text": "summary"}

    at: float
    kind: AuditKind
    loop: str
    plan_id: str = ""
    knob: str = ""
    key: str = ""
    step: int | None = None
    direction: str = ""
    phase: AttemptPhase = AttemptPhase.NONE
    attempt: int = 0
    status: int | None = None
    generation_before: int | None = None
    generation_after: int | None = None
    worker_identity: str = ""
    actor: str = ""
    summary: str = ""

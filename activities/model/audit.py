"""The append-only audit: every attempt at Charter and every decision of a person."""

from collections.abc import Mapping
from typing import ClassVar

from activities.model.types import MigratedModel


class AuditEntry(MigratedModel):
    """One row. `at` is unix seconds.

    `kind` is attempt (a call that changes Charter, written before and after sending), approval, mode, quarantine,
    autonomy (a level rose or fell), config (settings were changed), ending, recheck (a success looked at later, with
    what was seen), or one a person is to be told of: storm (entered and left), or, once for as long as it holds a knob,
    frozen and foreign-writer. For an attempt `phase` is before, after or refused (a final no), `status` the HTTP status
    (None before, and when no reply came), `attempt` counts from 1, `worker` is the identity of the worker process.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"worker": "worker_identity", "who": "actor", "text": "summary"}

    at: float
    kind: str
    loop: str
    plan_id: str = ""
    knob: str = ""
    key: str = ""
    step: int | None = None
    direction: str = ""
    phase: str = ""
    attempt: int = 0
    status: int | None = None
    generation_before: int | None = None
    generation_after: int | None = None
    worker_identity: str = ""
    actor: str = ""
    summary: str = ""

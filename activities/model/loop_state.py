"""The state and the requests of a loop's long-lived workflow."""

from collections.abc import Mapping
from typing import ClassVar

from activities.model.alert_state import AlertState
from activities.model.types import FrozenModel, MigratedModel


class ManualCycleRequest(FrozenModel):
    """A request for a cycle now. The same `key` (at most 100 characters) is the same cycle; empty: a new one."""

    key: str = ""
    reason: str = ""


class LoopState(MigratedModel):
    """Input of `MapekLoop`, carried over from run to run.

    `recent` are the ids of the last cycles, at most 10, newest last. `request_count` counts all requested cycles.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"asked": "request_count"}

    loop: str
    links: str = ""
    request_count: int = 0
    recent: tuple[str, ...] = ()
    alerts: AlertState = AlertState()

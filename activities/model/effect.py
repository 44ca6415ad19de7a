"""An effect: the change that one step of a plan made at Charter."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar

from activities.model.errors import NotFound
from activities.model.types import MigratedModel


class Direction(StrEnum):
    """The direction of a step. `before` is the value that a step is about to change, stored before the request."""

    BEFORE = "before"
    DO = "do"
    UNDO = "undo"


class Effect(MigratedModel):
    """One step done or undone, stored once per (plan, step, direction). `at` is unix seconds.

    `generation` is that of the knob afterwards, `policy_id` the id for a rollback, `previous` the value before.
    `changed` is False if nothing was to be done or it could not be done. `late`: it was found after the end of the
    plan, so the outcome does not cover it. `requested_at` is the time of the request by Temporal's clock, 0 in old
    effects.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"asked": "requested_at"}

    plan_id: str
    step: int
    direction: Direction
    at: float
    generation: int
    policy_id: str | None = None
    previous: dict[str, Any] | None = None
    changed: bool = True
    late: bool = False
    requested_at: float = 0.0

    def previous_replicas(self) -> int:
        """Return the number of replicas before the step.

        Raises:
            NotFound: the number was not recorded.
        """
        replicas = (self.previous or {}).get("replicas")
        if not isinstance(replicas, int):
            raise NotFound(f"the number of replicas before step {self.step} is unknown")
        return replicas

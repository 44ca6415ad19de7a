"""An effect: what one step of a plan did at Charter."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar

from activities.model.errors import NotFound
from activities.model.types import MigratedModel


class Direction(StrEnum):
    """Whether a step is done or undone. `before` is the value a step is about to change, kept before it is sent."""

    BEFORE = "before"
    DO = "do"
    UNDO = "undo"


class Effect(MigratedModel):
    """One step done or undone, kept once per (plan, step, direction). `at` is unix seconds.

    `generation` is the knob's after it, `policy_id` what a rollback names, `previous` the value before it. `changed`
    is False when there was nothing to do or it could not be done. `late`: it was heard of only after the plan's end, so
    its outcome does not answer for it. `asked` is when it was asked for, by Temporal's clock; 0 in old ones.
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
            NotFound: It was not recorded.
        """
        replicas = (self.previous or {}).get("replicas")
        if not isinstance(replicas, int):
            raise NotFound(f"the number of replicas before step {self.step} is unknown")
        return replicas

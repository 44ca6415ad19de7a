"""A plan: the chosen candidate, frozen, hashed and stored."""

import hashlib
import json
from enum import StrEnum
from typing import Any

from activities.model.action import Action
from activities.model.diagnosis import Cause
from activities.model.guards import Unsettled
from activities.model.pattern import Ground
from activities.model.types import Noun


class Risk(StrEnum):
    """What a mistake would cost: from blast radius and reversibility."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """0 for low, rising."""
        return list(Risk).index(self)


class Verification(Noun):
    """How the effect is judged. Times in seconds.

    `targets` are the (component, metric) pairs that must become good; `neighbours` the components that must not get
    worse. `before` counts the targets violated at the decision; `known` are the neighbours' other pairs violated then,
    which are not held against the plan. Samples start `delay` after the apply, one every `interval`, at least `samples`
    of them; `fixed` needs the last `passes` to be all good.
    """

    targets: tuple[tuple[str, str], ...]
    neighbours: tuple[str, ...] = ()
    delay: float = 30.0
    interval: float = 15.0
    samples: int = 5
    passes: int = 4
    before: int = 0
    known: tuple[tuple[str, str], ...] = ()


class CoolDowns(Noun):
    """How long a knob rests after each ending, in seconds."""

    kept: float = 300.0
    no_effect: float = 0.0
    rolled_back: float = 900.0


class Plan(Noun):
    """What one remediation executes. It changes exactly one knob.

    `plan_id` is the first 12 hex digits of `hash`. `generation` is the knob's generation the decision saw: the fence
    of the first step. `created_at` (unix seconds) is the plan's time and goes into Charter's apply envelope, so that
    a retry is byte-identical. `settle` seconds pass before it is prepared. `requested_by` is the person who asked for
    it, empty for a plan of the loop's own. `leading` are the components the leading diagnosis explained: trouble
    elsewhere is held against the picture. `watched` is how many components there were. `grounds` are the counted
    patterns on the components it is for. `doubted`: outcomes left so little confidence in the cause that a person has
    to decide.
    """

    plan_id: str
    hash: str
    loop: str
    charter: str
    cycle_id: str
    knob: str
    incident_id: str
    rung: int
    cause: Cause
    component: str
    onset: float
    generation: int
    actions: tuple[Action, ...]
    created_at: float
    settle: float
    verification: Verification
    cool_downs: CoolDowns
    risk: Risk
    needs_approval: bool
    approval_deadline: float
    confidence: float
    cost: float
    benefit: float
    score: float
    snapshot: str
    headline: str
    requested_by: str = ""
    leading: tuple[str, ...] = ()
    watched: int = 0
    grounds: tuple[Ground, ...] = ()
    doubted: bool = False

    @property
    def workflow_id(self) -> str:
        """The fixed id of whatever remediates this knob: the lock, for every loop on the same Charter."""
        return f"mapek-fix:{self.charter}:{self.knob}"

    @property
    def reversible(self) -> bool:
        """Whether every action has an inverse."""
        return all(a.inverse.value != "none" for a in self.actions)

    @property
    def as_unsettled(self) -> Unsettled:
        """It as a guard on its knob, for as long as no outcome answers for it."""
        return Unsettled(knob=self.knob, plan_id=self.plan_id, since=self.created_at)


def plan_hash(incident_id: str, rung: int, generation: int, actions: tuple[Action, ...]) -> str:
    """Return sha256 (64 hex) over incident, rung, observed generation and actions with parameters.

    Fields at their default are left out, so that a field added later changes no hash.

    Cost and wording are left out: the same change to the same state in the same trouble is the same plan, and so it
    has the same idempotency keys.
    """
    body: dict[str, Any] = {
        "incident": incident_id,
        "rung": rung,
        "generation": generation,
        "actions": [a.model_dump(mode="json", exclude={"cost"}, exclude_defaults=True) for a in actions],
    }
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

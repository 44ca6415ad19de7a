"""Earned autonomy: how far the loop is trusted with one action against one cause, and on what evidence."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from activities.model.action import ActionType
from activities.model.diagnosis import Cause
from activities.model.types import FrozenModel, MigratedModel


class Level(StrEnum):
    """What the loop may do with an action against a cause, lowest first.

    shadow: only decide, and check later whether the decision was right. suggest: an operator must approve. auto: act.
    """

    SHADOW = "shadow"
    SUGGEST = "suggest"
    AUTO = "auto"

    @property
    def rank(self) -> int:
        """0 for shadow, rising."""
        return list(Level).index(self)

    @property
    def demoted(self) -> "Level":
        """The next lower level; shadow stays shadow."""
        return list(Level)[max(0, self.rank - 1)]


class EvidenceKind(StrEnum):
    """What one plan says about the trust in its actions.

    match: a shadow decision was right: the problem persisted, or an operator moved the same knob. miss: the problem
    went away without a change. good: applied and fixed. bad: applied and not fixed, without harm. harm: it made things
    worse, or could not be undone.
    """

    MATCH = "match"
    MISS = "miss"
    GOOD = "good"
    BAD = "bad"
    HARM = "harm"


class TrustEvidence(MigratedModel):
    """What one plan says about one of its actions, at `at` (unix seconds)."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"mark": "kind"}

    plan_id: str
    cause: Cause
    action: ActionType
    kind: EvidenceKind
    at: float


class AutonomyRecord(MigratedModel):
    """The trust in one action against one cause. Counts start at the last harm, except `harmful`, which counts all.

    `outcomes` counts applied plans with a measured effect, `successes` those that fixed the problem.
    `success_lower_bound` is the one-sided 95 % lower bound of the success rate, 0 to 1. `since` (unix seconds) is when
    the level was reached, 0 for the initial level. `promotion_blocker` says what the next level needs, empty at auto.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {
        "good": "successes",
        "harms": "harmful",
        "bound": "success_lower_bound",
        "missing": "promotion_blocker",
    }

    cause: Cause
    action: ActionType
    level: Level
    matches: int = 0
    misses: int = 0
    outcomes: int = 0
    successes: int = 0
    harmful: int = 0
    success_lower_bound: float = 0.0
    since: float = 0.0
    promotion_blocker: str = ""


class LevelOverride(FrozenModel):
    """A level that an operator fixed. None matches every cause or every action."""

    level: Level
    cause: Cause | None = None
    action: ActionType | None = None


class Autonomy(MigratedModel):
    """The trust in every pair. `start` is the level without a record; the first matching override precedes both."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"standings": "records", "pins": "overrides"}

    start: Level = Level.SHADOW
    records: tuple[AutonomyRecord, ...] = ()
    overrides: tuple[LevelOverride, ...] = ()

    def find_override(self, cause: Cause, action: ActionType) -> LevelOverride | None:
        """Return the override of the pair, None if its level can rise and fall."""
        matching = (o for o in self.overrides if o.cause in (None, cause) and o.action in (None, action))
        return next(matching, None)

    def find_record(self, cause: Cause, action: ActionType) -> AutonomyRecord | None:
        """Return the record of the pair, None without evidence."""
        return next((r for r in self.records if (r.cause, r.action) == (cause, action)), None)

    def level(self, cause: Cause, action: ActionType) -> Level:
        """Return the level in force."""
        source = self.find_override(cause, action) or self.find_record(cause, action)
        return source.level if source else self.start


class ShadowDecision(MigratedModel):
    """A plan that was held back, to be scored at `due_at` by the state then. Times are unix seconds.

    One problem has one shadow decision; `last_seen_at` is when it was last decided again. `targets` are the (component,
    metric) pairs that it should fix, `generation` is that of its knob.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"seen_at": "last_seen_at"}

    plan_id: str
    loop: str
    cause: Cause
    component: str
    knob: str
    actions: tuple[ActionType, ...]
    generation: int
    targets: tuple[tuple[str, str], ...]
    at: float
    last_seen_at: float
    due_at: float

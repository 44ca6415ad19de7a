"""Earned autonomy: how far the loop is trusted with one action against one cause, and what it was earned by."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from activities.model.action import ActionType
from activities.model.diagnosis import Cause
from activities.model.types import FrozenModel, MigratedModel


class Level(StrEnum):
    """What the loop may do with an action against a cause, the least first.

    shadow: decide and write down, and see later whether it was right. suggest: a person has to approve. auto: act.
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
        """The level one lower; shadow has none."""
        return list(Level)[max(0, self.rank - 1)]


class EvidenceKind(StrEnum):
    """What one plan said of the trust in its actions.

    match: a shadow decision was right, the trouble stayed or a person turned the same knob. miss: it went away by
    itself. good: carried out, and fixed. bad: carried out, not fixed, no harm done. harm: it made things worse, or
    could not be undone.
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
    """Where one action against one cause stands. The counts are since the last harm; `harms` are all there were.

    `outcomes` counts plans that were carried out and could be judged, `good` those that fixed it. `bound` is the
    one-sided 95 % lower bound of the rate of good ones, 0 to 1. `since` is when the level was reached (unix seconds),
    0 from the start. `missing` says in words what the next level needs, empty at auto.
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
    """A level a person fixed, whatever was earned; None stands for every cause or every action."""

    level: Level
    cause: Cause | None = None
    action: ActionType | None = None


class Autonomy(MigratedModel):
    """Where everything stands: `start` for what has no standing; the first pin that fits comes before both."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"standings": "records", "pins": "overrides"}

    start: Level = Level.SHADOW
    records: tuple[AutonomyRecord, ...] = ()
    overrides: tuple[LevelOverride, ...] = ()

    def find_override(self, cause: Cause, action: ActionType) -> LevelOverride | None:
        """Return the pin that holds the pair, None if it is free to rise and fall."""
        fits = (p for p in self.overrides if p.cause in (None, cause) and p.action in (None, action))
        return next(fits, None)

    def find_record(self, cause: Cause, action: ActionType) -> AutonomyRecord | None:
        """Return the standing of the pair, None if nothing is known of it."""
        return next((s for s in self.records if (s.cause, s.action) == (cause, action)), None)

    def level(self, cause: Cause, action: ActionType) -> Level:
        """Return the level in force."""
        found = self.find_override(cause, action) or self.find_record(cause, action)
        return found.level if found else self.start


class ShadowDecision(MigratedModel):
    """A plan that was held back, to be scored at `due_at` by what happened then. Times are unix seconds.

    As long as the same trouble lasts there is one: `seen_at` is when it was last decided again. `targets` are the
    (component, metric) pairs it wanted to make good, `generation` that of its knob.
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

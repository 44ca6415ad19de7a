"""The outcomes of a remediation, with the consequences of each: one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from activities.model.notification import NotificationKind


class RemediationOutcome(StrEnum):
    """How a remediation ends, as in `MapekOutcome`. The first five are the verdicts of verification."""

    FIXED = "fixed"
    IMPROVED = "improved"
    NO_EFFECT = "no_effect"
    WORSE = "worse"
    INCONCLUSIVE = "inconclusive"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    STOPPED = "stopped"
    STALE = "stale"
    RECOVERED = "recovered"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"
    EXPIRED = "expired"


class CoolDown(StrEnum):
    """Which of the plan's cool-downs the knob gets."""

    NONE = "none"
    """Nothing was applied."""
    AFTER_SUCCESS = "after_success"
    """The change is kept and needs time to show."""
    NO_EFFECT = "no_effect"
    ROLLED_BACK = "rolled_back"
    """The knob was moved and moved back, or may be half moved: the same state would bring the same plan."""


class OutcomeMeaning(StrEnum):
    """What an outcome says about the effect of the change."""

    UNSEEN = "unseen"
    """Nothing was applied, or its effect could not be measured."""
    MEASURED = "measured"
    HARM_ONLY = "harm_only"
    """Counts only if it made things worse: any other reason of a rollback says nothing about the action."""


class Streak(StrEnum):
    """What an outcome does to the count of consecutive failures on a knob."""

    UNCHANGED = "unchanged"
    FAILED = "failed"
    HELPED = "helped"


@dataclass(frozen=True)
class Consequences:
    """The consequences of an outcome.

    `uses_rung`: the rung of the ladder is not tried again in this incident. `closes_incident`: the incident ends now;
    otherwise it closes when its violations stay away. `is_rechecked`: a later recheck verifies that it lasted.
    `notification` is sent to operators. `has_initial_series`: the metrics show it at 0 from the start.
    """

    uses_rung: bool
    cool_down: CoolDown = CoolDown.NONE
    effect: OutcomeMeaning = OutcomeMeaning.UNSEEN
    streak: Streak = Streak.UNCHANGED
    closes_incident: bool = False
    is_rechecked: bool = False
    notification: NotificationKind | None = None
    has_initial_series: bool = False


CONSEQUENCES: Mapping[RemediationOutcome, Consequences] = {
    RemediationOutcome.FIXED: Consequences(
        uses_rung=False,
        cool_down=CoolDown.AFTER_SUCCESS,
        effect=OutcomeMeaning.MEASURED,
        streak=Streak.HELPED,
        closes_incident=True,
        is_rechecked=True,
        has_initial_series=True,
    ),
    RemediationOutcome.IMPROVED: Consequences(
        uses_rung=False,
        cool_down=CoolDown.AFTER_SUCCESS,
        effect=OutcomeMeaning.MEASURED,
        streak=Streak.HELPED,
        is_rechecked=True,
        has_initial_series=True,
    ),
    RemediationOutcome.NO_EFFECT: Consequences(
        uses_rung=True, cool_down=CoolDown.NO_EFFECT, effect=OutcomeMeaning.MEASURED, has_initial_series=True
    ),
    RemediationOutcome.WORSE: Consequences(
        uses_rung=True,
        cool_down=CoolDown.ROLLED_BACK,
        effect=OutcomeMeaning.MEASURED,
        streak=Streak.FAILED,
        notification=NotificationKind.ESCALATION,
        has_initial_series=True,
    ),
    RemediationOutcome.INCONCLUSIVE: Consequences(
        uses_rung=True, cool_down=CoolDown.AFTER_SUCCESS, has_initial_series=True
    ),
    RemediationOutcome.ROLLED_BACK: Consequences(
        uses_rung=True,
        cool_down=CoolDown.ROLLED_BACK,
        effect=OutcomeMeaning.HARM_ONLY,
        streak=Streak.FAILED,
        has_initial_series=True,
    ),
    RemediationOutcome.FAILED: Consequences(uses_rung=True, cool_down=CoolDown.ROLLED_BACK, streak=Streak.FAILED),
    # Rolled back before its effect could be seen. The cool-down delays the next attempt.
    RemediationOutcome.STOPPED: Consequences(uses_rung=False, cool_down=CoolDown.ROLLED_BACK),
    # The next three were never applied.
    RemediationOutcome.STALE: Consequences(uses_rung=False),
    RemediationOutcome.RECOVERED: Consequences(uses_rung=False, closes_incident=True),
    RemediationOutcome.SUPERSEDED: Consequences(uses_rung=False),
    # An operator was asked and did not approve.
    RemediationOutcome.REJECTED: Consequences(uses_rung=True),
    RemediationOutcome.EXPIRED: Consequences(uses_rung=True),
}

RUNNING = Consequences(uses_rung=False)
"""For the empty outcome: the remediation still runs."""


def consequences_of(outcome: str) -> Consequences:
    """Return the consequences of an outcome; `RUNNING` for an empty one.

    An unknown outcome, written by a newer worker, uses the rung and has no other consequence.
    """
    if not outcome:
        return RUNNING
    try:
        return CONSEQUENCES[RemediationOutcome(outcome)]
    except ValueError:
        return Consequences(uses_rung=True)

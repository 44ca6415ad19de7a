"""Levels of autonomy from the trust evidence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.knowledge.autonomy import (
    apply_evidence,
    compute_autonomy,
    evidence_kind_for,
    level_changes,
    success_lower_bound,
)
from activities.knowledge.settings import AutonomySettings, LevelOverrideSettings
from activities.model.action import ActionType
from activities.model.autonomy import AutonomyRecord, EvidenceKind, Level, TrustEvidence
from activities.model.diagnosis import Cause
from activities.model.outcome import EffectClass

AUTONOMY_SETTINGS = AutonomySettings()
CAUSE, ACTION = Cause.VALIDATION_LATENCY, ActionType.SCALE_UP
BOUND_TOO_LOW_TEXT = "a lower bound above 0.90 (43 of 44 fixed: 0.899) for auto"
NO_EVIDENCE_TEXT = "a lower bound above 0.90 (0 of 0 fixed: 0.000) for auto"
MATCH, MISS, GOOD, BAD, HARM = EvidenceKind


def make_evidence(*kinds: EvidenceKind) -> list[TrustEvidence]:
    """Return evidence of one action against one cause, one item a second."""
    return [
        TrustEvidence(plan_id=f"{at}", cause=CAUSE, action=ACTION, kind=kind, at=float(at))
        for at, kind in enumerate(kinds)
    ]


def compute_record(start: Level, *kinds: EvidenceKind, rules: AutonomySettings = AUTONOMY_SETTINGS) -> AutonomyRecord:
    """Return the record after the evidence."""
    record = compute_autonomy(make_evidence(*kinds), start, rules).find_record(CAUSE, ACTION)
    assert record is not None
    return record


@pytest.mark.parametrize(
    ("effect_class", "undo_failed", "kind"),
    [
        (EffectClass.SUCCESS, False, GOOD),
        (EffectClass.PARTIAL, False, BAD),
        (EffectClass.INEFFECTIVE, False, BAD),
        (EffectClass.DEGRADATION, False, HARM),
        (EffectClass.UNKNOWN, False, None),
        (EffectClass.SUCCESS, True, HARM),
        (EffectClass.UNKNOWN, True, HARM),
    ],
)
def test_an_outcome_is_evidence(effect_class: EffectClass, undo_failed: bool, kind: EvidenceKind | None) -> None:
    """A success is good, a degradation or failed undo is harm, an unknown effect is no evidence."""
    assert evidence_kind_for(effect_class, undo_failed) is kind


@pytest.mark.parametrize(
    ("start", "kinds", "level", "blocker"),
    [
        (Level.SHADOW, [MATCH] * 19, Level.SHADOW, "1 more matches for suggest (19 − 0)"),
        (
            Level.SHADOW,
            [MATCH] * 20,
            Level.SUGGEST,
            "30 more outcomes and " + NO_EVIDENCE_TEXT,
        ),
        (Level.SHADOW, [MISS] + [MATCH] * 20, Level.SHADOW, "1 more matches for suggest (20 − 1)"),
        (Level.SHADOW, [MISS] + [MATCH] * 21, Level.SUGGEST, None),
        (Level.SUGGEST, [GOOD] * 29, Level.SUGGEST, "1 more outcomes for auto"),
        (Level.SUGGEST, [GOOD] * 30, Level.AUTO, ""),
        (Level.SUGGEST, [BAD] + [GOOD] * 43, Level.SUGGEST, BOUND_TOO_LOW_TEXT),
        (Level.SUGGEST, [BAD] + [GOOD] * 45, Level.AUTO, ""),
        (Level.AUTO, [], Level.AUTO, ""),
        (Level.AUTO, [BAD] * 50, Level.AUTO, ""),
        (Level.AUTO, [GOOD] * 100 + [HARM], Level.SUGGEST, None),
        (Level.AUTO, [HARM, HARM], Level.SHADOW, "20 more matches for suggest (0 − 0)"),
        (Level.AUTO, [HARM, HARM, HARM], Level.SHADOW, None),
        (Level.AUTO, [HARM] + [GOOD] * 29, Level.SUGGEST, "1 more outcomes for auto"),
        (Level.AUTO, [HARM] + [GOOD] * 30, Level.AUTO, ""),
        (Level.SHADOW, [MATCH] * 20 + [GOOD] * 30, Level.AUTO, ""),
        (Level.SHADOW, [GOOD] * 30, Level.AUTO, ""),
    ],
)
def test_evidence_decides_the_level(start: Level, kinds: list[EvidenceKind], level: Level, blocker: str | None) -> None:
    """Suggest needs 20 net matches, auto 30 outcomes with a bound above 0.9; harm demotes and resets the counts."""
    autonomy = compute_autonomy(make_evidence(*kinds), start, AUTONOMY_SETTINGS)
    assert autonomy.level(CAUSE, ACTION) is level
    record = autonomy.find_record(CAUSE, ACTION)
    assert (record is None) == (not kinds)
    if record is not None and blocker is not None:
        assert record.promotion_blocker == blocker


@pytest.mark.parametrize(
    ("successes", "outcomes", "bound"),
    [(30, 30, 0.9079), (29, 29, 0.9050), (44, 45, 0.9010), (0, 30, 0.0017), (0, 0, 0.05)],
)
def test_the_lower_bound_equals_the_published_table(successes: int, outcomes: int, bound: float) -> None:
    """It is the one-sided 95 % bound from a flat prior."""
    assert success_lower_bound(successes, outcomes) == pytest.approx(bound, abs=1e-4)


def test_a_rate_above_one_is_refused() -> None:
    """More successes than outcomes is an error of the caller."""
    with pytest.raises(ValueError, match="3 successes of 2 outcomes"):
        success_lower_bound(3, 2)


def test_settings_move_the_thresholds() -> None:
    """Every number of the section has an effect."""
    assert compute_record(Level.SHADOW, *[MATCH] * 5, rules=AutonomySettings(suggest_matches=5)).level is Level.SUGGEST
    lenient = AutonomySettings(auto_outcomes=3, auto_min_success=0.3)
    assert compute_record(Level.SUGGEST, *[GOOD] * 3, rules=lenient).level is Level.AUTO
    assert (
        compute_record(Level.SUGGEST, *[GOOD] * 30, rules=AutonomySettings(auto_min_success=0.95)).level
        is Level.SUGGEST
    )
    assert compute_record(Level.SUGGEST, *[GOOD] * 30, rules=AutonomySettings(auto_outcomes=31)).level is Level.SUGGEST


def test_an_override_is_independent_of_the_evidence() -> None:
    """The first override that matches decides, for one action, for one cause, or for all."""
    exact = LevelOverrideSettings(level=Level.SHADOW, cause=CAUSE, action=ACTION)
    rules = AutonomySettings(overrides=(exact, LevelOverrideSettings(level=Level.SUGGEST, cause=CAUSE)))
    autonomy = compute_autonomy(make_evidence(*[GOOD] * 100), Level.AUTO, rules)
    assert autonomy.level(CAUSE, ACTION) is Level.SHADOW
    assert autonomy.level(CAUSE, ActionType.RESTART_SERVICE) is Level.SUGGEST
    assert autonomy.level(Cause.OVERLOAD, ActionType.RESTART_SERVICE) is Level.AUTO


def test_level_changes_are_listed() -> None:
    """The lines name each action whose level rose or fell."""
    evidence = make_evidence(*[GOOD] * 30, HARM)
    before, risen, fallen = (compute_autonomy(evidence[:n], Level.SUGGEST, AUTONOMY_SETTINGS) for n in (29, 30, 31))
    assert level_changes(before, risen) == ("SCALE_UP against validation_latency rose from suggest to auto",)
    assert level_changes(risen, fallen) == ("SCALE_UP against validation_latency fell from auto to suggest",)
    assert level_changes(before, before) == ()


@given(st.lists(st.sampled_from(list(EvidenceKind)), max_size=120), st.sampled_from(list(Level)))
def test_only_harm_lowers_a_level(kinds: list[EvidenceKind], start: Level) -> None:
    """After any evidence, harm demotes (shadow stays), and every other kind keeps or raises the level."""
    record = AutonomyRecord(cause=CAUSE, action=ACTION, level=start)
    for evidence in make_evidence(*kinds):
        updated = apply_evidence(record, evidence, AUTONOMY_SETTINGS)
        if evidence.kind is HARM:
            assert updated.level is record.level.demoted
            assert updated.outcomes == updated.matches == 0
        else:
            assert updated.level.rank >= record.level.rank
        record = updated

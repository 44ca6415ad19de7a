"""How trust is earned and lost."""

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
MATCH, MISMATCH, GOOD, BAD, HARMFUL = EvidenceKind


def make_evidence(*kinds: EvidenceKind) -> list[TrustEvidence]:
    """Return marks of the one pair, one a second."""
    return [
        TrustEvidence(plan_id=f"{at}", cause=CAUSE, action=ACTION, kind=mark, at=float(at))
        for at, mark in enumerate(kinds)
    ]


def compute_record(start: Level, *kinds: EvidenceKind, rules: AutonomySettings = AUTONOMY_SETTINGS) -> AutonomyRecord:
    """Return where the pair stands after the marks."""
    found = compute_autonomy(make_evidence(*kinds), start, rules).find_record(CAUSE, ACTION)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("kind", "undo_failed", "mark"),
    [
        (EffectClass.SUCCESS, False, GOOD),
        (EffectClass.PARTIAL, False, BAD),
        (EffectClass.INEFFECTIVE, False, BAD),
        (EffectClass.DEGRADATION, False, HARMFUL),
        (EffectClass.UNKNOWN, False, None),
        (EffectClass.SUCCESS, True, HARMFUL),
        (EffectClass.UNKNOWN, True, HARMFUL),
    ],
)
def test_what_an_outcome_says(kind, undo_failed, mark):
    """Only fixed is good, what got worse or could not be undone is harm, what nobody saw says nothing."""
    assert evidence_kind_for(kind, undo_failed) is mark


@pytest.mark.parametrize(
    ("start", "marks", "level", "missing"),
    [
        (Level.SHADOW, [MATCH] * 19, Level.SHADOW, "1 more matches for suggest (19 − 0)"),
        (
            Level.SHADOW,
            [MATCH] * 20,
            Level.SUGGEST,
            "30 more outcomes and " + NO_EVIDENCE_TEXT,
        ),
        (Level.SHADOW, [MISMATCH] + [MATCH] * 20, Level.SHADOW, "1 more matches for suggest (20 − 1)"),
        (Level.SHADOW, [MISMATCH] + [MATCH] * 21, Level.SUGGEST, None),
        (Level.SUGGEST, [GOOD] * 29, Level.SUGGEST, "1 more outcomes for auto"),
        (Level.SUGGEST, [GOOD] * 30, Level.AUTO, ""),
        (
            Level.SUGGEST,
            [BAD] + [GOOD] * 43,
            Level.SUGGEST,
            "a lower bound above 0.90 (43 of 44 fixed: 0.899) for auto",
        ),
        (Level.SUGGEST, [BAD] + [GOOD] * 45, Level.AUTO, ""),
        (Level.AUTO, [], Level.AUTO, ""),
        (Level.AUTO, [BAD] * 50, Level.AUTO, ""),
        (Level.AUTO, [GOOD] * 100 + [HARMFUL], Level.SUGGEST, None),
        (Level.AUTO, [HARMFUL, HARMFUL], Level.SHADOW, "20 more matches for suggest (0 − 0)"),
        (Level.AUTO, [HARMFUL, HARMFUL, HARMFUL], Level.SHADOW, None),
        (Level.AUTO, [HARMFUL] + [GOOD] * 29, Level.SUGGEST, "1 more outcomes for auto"),
        (Level.AUTO, [HARMFUL] + [GOOD] * 30, Level.AUTO, ""),
        (Level.SHADOW, [MATCH] * 20 + [GOOD] * 30, Level.AUTO, ""),
        (Level.SHADOW, [GOOD] * 30, Level.AUTO, ""),
    ],
)
def test_levels(start, marks, level, missing):
    """Twenty net matches suggest, thirty outcomes with a bound above 0.9 act, any harm costs a level and the past."""
    found = compute_autonomy(make_evidence(*marks), start, AUTONOMY_SETTINGS)
    assert found.level(CAUSE, ACTION) is level
    if marks and missing is not None:
        assert found.find_record(CAUSE, ACTION).promotion_blocker == missing


@pytest.mark.parametrize(
    ("good", "outcomes", "bound"), [(30, 30, 0.9079), (29, 29, 0.9050), (44, 45, 0.9010), (0, 30, 0.0017), (0, 0, 0.05)]
)
def test_the_bound(good, outcomes, bound):
    """The one-sided 95 % lower bound from a flat prior, as the published table has it."""
    assert success_lower_bound(good, outcomes) == pytest.approx(bound, abs=1e-4)


def test_a_rate_above_one_is_refused():
    """More good outcomes than outcomes is a mistake of the caller, not trust."""
    with pytest.raises(ValueError, match="3 successes of 2 outcomes"):
        success_lower_bound(3, 2)


def test_settings_move_the_thresholds():
    """Every number of the section decides something."""
    assert compute_record(Level.SHADOW, *[MATCH] * 5, rules=AutonomySettings(suggest_matches=5)).level is Level.SUGGEST
    easy = AutonomySettings(auto_outcomes=3, auto_min_success=0.3)
    assert compute_record(Level.SUGGEST, *[GOOD] * 3, rules=easy).level is Level.AUTO
    assert (
        compute_record(Level.SUGGEST, *[GOOD] * 30, rules=AutonomySettings(auto_min_success=0.95)).level
        is Level.SUGGEST
    )
    assert compute_record(Level.SUGGEST, *[GOOD] * 30, rules=AutonomySettings(auto_outcomes=31)).level is Level.SUGGEST


def test_a_pin_holds_whatever_is_earned():
    """The first pin that fits decides, for one pair, for one cause, or for everything."""
    exact = LevelOverrideSettings(level=Level.SHADOW, cause=CAUSE, action=ACTION)
    rules = AutonomySettings(overrides=(exact, LevelOverrideSettings(level=Level.SUGGEST, cause=CAUSE)))
    found = compute_autonomy(make_evidence(*[GOOD] * 100), Level.AUTO, rules)
    assert found.level(CAUSE, ACTION) is Level.SHADOW
    assert found.level(CAUSE, ActionType.RESTART_SERVICE) is Level.SUGGEST
    assert found.level(Cause.OVERLOAD, ActionType.RESTART_SERVICE) is Level.AUTO


def test_changes_are_told():
    """Who rose and who fell, compared with the time before."""
    rows = make_evidence(*[GOOD] * 30, HARMFUL)
    before, risen, fallen = (compute_autonomy(rows[:n], Level.SUGGEST, AUTONOMY_SETTINGS) for n in (29, 30, 31))
    assert level_changes(before, risen) == ("SCALE_UP against validation_latency rose from suggest to auto",)
    assert level_changes(risen, fallen) == ("SCALE_UP against validation_latency fell from auto to suggest",)
    assert level_changes(before, before) == ()


@given(st.lists(st.sampled_from(list(EvidenceKind)), max_size=120), st.sampled_from(list(Level)))
def test_harm_never_raises_and_good_never_lowers(marks, start):
    """Whatever came before, harm ends at a lower level (or shadow), and nothing else takes a level away."""
    known = AutonomyRecord(cause=CAUSE, action=ACTION, level=start)
    for one in make_evidence(*marks):
        following = apply_evidence(known, one, AUTONOMY_SETTINGS)
        if one.kind is HARMFUL:
            assert following.level is known.level.demoted
            assert following.outcomes == following.matches == 0
        else:
            assert following.level.rank >= known.level.rank
        known = following

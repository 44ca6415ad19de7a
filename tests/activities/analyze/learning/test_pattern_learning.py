"""The calibration of patterns by outcomes."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.analyze.diagnose import diagnose
from activities.analyze.learning.pattern_learning import (
    PRIOR_PSEUDO_COUNT,
    LabelledPattern,
    apply_curve,
    fit_curves,
    label_patterns,
)
from activities.analyze.settings import AnalyzeSettings
from activities.model.outcome import EffectClass
from activities.model.pattern import Evidence, Pattern, PatternBasis, PatternKind
from tests.activities.analyze.test_diagnose import make_bad_policy
from tests.support.analysis_inputs import make_analysis_input
from tests.support.model_builders import make_outcome

SETTINGS = AnalyzeSettings()
ALGORITHMS = SETTINGS.algorithms
COUNTED_KINDS = (PatternKind.TEMPORAL, PatternKind.SPATIAL, PatternKind.CAUSAL, PatternKind.FREQUENCY)
PATTERN_BASES = (
    PatternBasis(kind=PatternKind.TEMPORAL, strength=0.5),
    PatternBasis(kind=PatternKind.FREQUENCY, strength=0.1),
)


def make_pattern(kind: PatternKind = PatternKind.TEMPORAL, count: int = 3) -> Pattern:
    """Return a pattern with the default prior of temporal patterns."""
    evidence = Evidence(start=0.0, end=60.0, count=count, summary="counted")
    return Pattern(kind=kind, components=("gateway",), confidence=0.85, evidence=evidence)


def compute_confidence(
    examples: Sequence[LabelledPattern], kind: PatternKind = PatternKind.TEMPORAL, count: int = 3
) -> float:
    """Return the confidence of a pattern, calibrated by the examples."""
    return apply_curve(make_pattern(kind, count), ALGORITHMS, fit_curves(examples, ALGORITHMS)).confidence


@pytest.mark.parametrize(
    ("outcome", "effect", "before", "is_true_positive"),
    [
        ("fixed", EffectClass.SUCCESS, 3, True),
        ("no_effect", EffectClass.INEFFECTIVE, 3, True),
        ("rolled_back", EffectClass.DEGRADATION, 3, True),
        ("worse", EffectClass.DEGRADATION, 0, None),
        ("recovered", EffectClass.UNKNOWN, 0, False),
        ("inconclusive", EffectClass.UNKNOWN, 3, None),
        ("rejected", EffectClass.UNKNOWN, 0, None),
        ("stale", EffectClass.UNKNOWN, 0, None),
    ],
)
def test_outcome_labels_patterns(outcome: str, effect: EffectClass, before: int, is_true_positive: bool | None) -> None:
    """A violation present when the plan was applied is a true positive; an unobserved one gives no label."""
    recorded = make_outcome(outcome=outcome, type=effect, before=before, value=None, evidence_patterns=PATTERN_BASES)
    expected = (
        []
        if is_true_positive is None
        else [LabelledPattern(basis.kind, basis.strength, is_true_positive) for basis in PATTERN_BASES]
    )
    assert sorted(label_patterns([recorded])) == sorted(expected)


def test_recovery_during_an_approval_gives_no_label() -> None:
    """The violation persisted at the next observation, and an operator may have ended it during the approval."""
    outcome = make_outcome(
        outcome="recovered", type=EffectClass.UNKNOWN, problem_persisted=True, evidence_patterns=PATTERN_BASES
    )
    assert list(label_patterns([outcome])) == []


def test_strongest_pattern_of_a_kind_is_labelled_once() -> None:
    """Of several patterns of one kind only the strongest is labelled."""
    bursts = tuple(PatternBasis(kind=PatternKind.TEMPORAL, strength=strength) for strength in (0.1, 0.7, 0.3))
    assert list(label_patterns([make_outcome(evidence_patterns=bursts)])) == [
        LabelledPattern(PatternKind.TEMPORAL, 0.7, True)
    ]


def test_patterns_keep_their_prior_without_outcomes() -> None:
    """A pattern has its analyzer's prior and the strength of its evidence."""
    diagnosis = diagnose(make_analysis_input(make_bad_policy("gateway")), SETTINGS)
    priors = {kind: getattr(ALGORITHMS, kind.value).sensitivity for kind in COUNTED_KINDS}
    assert {p.kind: p.confidence for p in diagnosis.patterns} == {p.kind: priors[p.kind] for p in diagnosis.patterns}
    assert all(p.evidence.strength is not None and p.evidence.strength >= 0.0 for p in diagnosis.patterns)


@pytest.mark.parametrize("kind", COUNTED_KINDS)
def test_outcomes_pull_the_prior_towards_their_share(kind: PatternKind) -> None:
    """As many outcomes as the pseudo count pull the prior half way; many more nearly replace it."""
    prior = getattr(ALGORITHMS, kind.value).sensitivity
    false_positives = [LabelledPattern(kind, 0.0, False)] * int(PRIOR_PSEUDO_COUNT)
    assert compute_confidence(false_positives, kind, count=min_count(kind)) == pytest.approx(prior / 2, abs=0.01)
    assert compute_confidence(false_positives * 30, kind, count=min_count(kind)) < 0.05


def min_count(kind: PatternKind) -> int:
    """Return the count at which the strength is 0."""
    return {PatternKind.TEMPORAL: 3, PatternKind.SPATIAL: 3, PatternKind.CAUSAL: 2, PatternKind.FREQUENCY: 8}[kind]


def test_stronger_evidence_has_higher_confidence() -> None:
    """If weak patterns were false and strong ones true, the confidence rises with the strength."""
    examples = [LabelledPattern(PatternKind.TEMPORAL, 0.0, False)] * 30 + [
        LabelledPattern(PatternKind.TEMPORAL, 2.0, True)
    ] * 30
    assert compute_confidence(examples, count=3) < 0.5 < 0.9 < compute_confidence(examples, count=24)


def test_stronger_evidence_never_has_lower_confidence() -> None:
    """If strong patterns were false by chance, the strength is ignored."""
    examples = [LabelledPattern(PatternKind.TEMPORAL, 0.0, True)] * 10 + [
        LabelledPattern(PatternKind.TEMPORAL, 2.0, False)
    ] * 10
    assert compute_confidence(examples, count=3) == compute_confidence(examples, count=24)


@given(
    st.lists(st.tuples(st.floats(0.0, 4.0), st.booleans()), min_size=1, max_size=60),
    st.integers(1, 400),
    st.integers(1, 400),
)
def test_confidence_is_a_probability_that_rises_with_the_count(
    labels: list[tuple[float, bool]], first: int, second: int
) -> None:
    """With any outcomes the confidence is 0.01 to 0.99, and more violations never lower it."""
    examples = [LabelledPattern(PatternKind.FREQUENCY, strength, is_true) for strength, is_true in labels]
    few, many = (compute_confidence(examples, PatternKind.FREQUENCY, count) for count in sorted((first, second)))
    assert 0.01 <= few <= many <= 0.99


def test_calibration_changes_evidence_and_cause() -> None:
    """A cause with mostly false patterns has a lower confidence, and the evidence names their share."""
    kinds = [kind for kind in COUNTED_KINDS for _ in range(60)]
    curves = fit_curves([LabelledPattern(kind, 0.5, number % 10 == 0) for number, kind in enumerate(kinds)], ALGORITHMS)
    analysis_input = make_analysis_input(make_bad_policy("gateway"))
    before, after = (
        diagnose(s, SETTINGS)
        for s in (analysis_input, analysis_input.model_copy(update={"calibration_curves": curves}))
    )
    assert after.root_causes[0].confidence < before.root_causes[0].confidence
    assert all("of 60 such patterns were true" in p.evidence.summary for p in after.patterns)

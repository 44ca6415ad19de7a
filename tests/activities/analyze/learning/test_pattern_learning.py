"""What outcomes teach of patterns, and how sure a pattern is afterwards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.analyze.diagnose import diagnose
from activities.analyze.learning.pattern_learning import PRIOR_WORTH, Lesson, curves, lessons, weighed
from activities.analyze.settings import AnalyzeSettings
from activities.model.outcome import OutcomeType
from activities.model.pattern import Evidence, Ground, Pattern, PatternKind
from tests.activities.analyze.test_diagnose import bad_policy
from tests.support.analysis_inputs import scene
from tests.support.model_builders import outcome

SETTINGS = AnalyzeSettings()
ALGORITHMS = SETTINGS.algorithms
KINDS = (PatternKind.TEMPORAL, PatternKind.SPATIAL, PatternKind.CAUSAL, PatternKind.FREQUENCY)
GROUNDS = (Ground(kind=PatternKind.TEMPORAL, strength=0.5), Ground(kind=PatternKind.FREQUENCY, strength=0.1))


def pattern(kind=PatternKind.TEMPORAL, count=3, confidence=0.85):
    """A counted pattern."""
    evidence = Evidence(start=0.0, end=60.0, count=count, text="counted")
    return Pattern(kind=kind, components=("gateway",), confidence=confidence, evidence=evidence)


def sure(taught, kind=PatternKind.TEMPORAL, count=3):
    """Return how sure a pattern is after lessons."""
    return weighed(pattern(kind, count), ALGORITHMS, curves(taught, ALGORITHMS)).confidence


@pytest.mark.parametrize(
    ("ending", "kind", "before", "real"),
    [
        ("fixed", OutcomeType.SUCCESS, 3, True),
        ("no_effect", OutcomeType.INEFFECTIVE, 3, True),
        ("rolled_back", OutcomeType.DEGRADATION, 3, True),
        ("worse", OutcomeType.DEGRADATION, 0, None),
        ("recovered", OutcomeType.UNKNOWN, 0, False),
        ("inconclusive", OutcomeType.UNKNOWN, 3, None),
        ("rejected", OutcomeType.UNKNOWN, 0, None),
        ("stale", OutcomeType.UNKNOWN, 0, None),
    ],
)
def test_what_an_ending_teaches(ending, kind, before, real):
    """Real is what was still there when it was to be remedied; what nobody saw teaches nothing."""
    ended = outcome(ending=ending, type=kind, before=before, value=None, grounds=GROUNDS)
    expected = [] if real is None else [Lesson(ground.kind, ground.strength, real) for ground in GROUNDS]
    assert sorted(lessons([ended])) == sorted(expected)


def test_what_went_away_while_a_person_thought_it_over_teaches_nothing():
    """It had outlasted the look again, and whoever was asked may have mended it."""
    assert list(lessons([outcome(ending="recovered", type=OutcomeType.UNKNOWN, outlasted=True, grounds=GROUNDS)])) == []


def test_one_trouble_is_one_lesson_of_a_kind():
    """Of five bursts in one cascade the strongest is remembered."""
    bursts = tuple(Ground(kind=PatternKind.TEMPORAL, strength=strength) for strength in (0.1, 0.7, 0.3))
    assert list(lessons([outcome(grounds=bursts)])) == [Lesson(PatternKind.TEMPORAL, 0.7, True)]


def test_without_outcomes_the_constants_stand():
    """A pattern keeps its analyzer's constant, and says how strong it is."""
    found = diagnose(scene(bad_policy("gateway")), SETTINGS)
    constants = {kind: getattr(ALGORITHMS, kind.value).sensitivity for kind in KINDS}
    assert {p.kind: p.confidence for p in found.patterns} == {p.kind: constants[p.kind] for p in found.patterns}
    assert all(p.evidence.strength is not None and p.evidence.strength >= 0.0 for p in found.patterns)


@pytest.mark.parametrize("kind", KINDS)
def test_outcomes_pull_a_constant_towards_their_share(kind):
    """As many outcomes as the constant is worth pull it half way; many more, nearly all of it."""
    prior = getattr(ALGORITHMS, kind.value).sensitivity
    half = [Lesson(kind, 0.0, False)] * int(PRIOR_WORTH)
    assert sure(half, kind, count=least_count(kind)) == pytest.approx(prior / 2, abs=0.01)
    assert sure(half * 30, kind, count=least_count(kind)) < 0.05


def least_count(kind):
    """Return the count at which strength is 0."""
    return {PatternKind.TEMPORAL: 3, PatternKind.SPATIAL: 3, PatternKind.CAUSAL: 2, PatternKind.FREQUENCY: 8}[kind]


def test_stronger_evidence_is_surer_where_outcomes_show_it():
    """Where the weak ones went away and the strong ones lasted, strength tells them apart."""
    taught = [Lesson(PatternKind.TEMPORAL, 0.0, False)] * 30 + [Lesson(PatternKind.TEMPORAL, 2.0, True)] * 30
    assert sure(taught, count=3) < 0.5 < 0.9 < sure(taught, count=24)


def test_stronger_evidence_is_never_less_sure():
    """Where by chance the strong ones went away, strength is not believed."""
    taught = [Lesson(PatternKind.TEMPORAL, 0.0, True)] * 10 + [Lesson(PatternKind.TEMPORAL, 2.0, False)] * 10
    assert sure(taught, count=3) == sure(taught, count=24)


@given(
    st.lists(st.tuples(st.floats(0.0, 4.0), st.booleans()), min_size=1, max_size=60),
    st.integers(1, 400),
    st.integers(1, 400),
)
def test_confidence_is_a_probability_that_rises_with_the_count(taught, first, second):
    """Whatever the outcomes were: within 0.01 to 0.99, and more violations never make it less sure."""
    known = [Lesson(PatternKind.FREQUENCY, strength, real) for strength, real in taught]
    few, many = (sure(known, PatternKind.FREQUENCY, count) for count in sorted((first, second)))
    assert 0.01 <= few <= many <= 0.99


def test_what_was_learned_is_in_the_evidence_and_in_the_cause():
    """A pattern whose like mostly went away by itself makes less sure of the cause it supports."""
    kinds = [kind for kind in KINDS for _ in range(60)]
    known = curves([Lesson(kind, 0.5, number % 10 == 0) for number, kind in enumerate(kinds)], ALGORITHMS)
    source = scene(bad_policy("gateway"))
    before, after = (diagnose(s, SETTINGS) for s in (source, source.model_copy(update={"curves": known})))
    assert after.root_causes[0].confidence < before.root_causes[0].confidence
    assert all("of 60 such were real" in p.evidence.text for p in after.patterns)

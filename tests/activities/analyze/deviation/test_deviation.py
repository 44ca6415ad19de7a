"""Root causes among components that depart from their own past."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.analyze.deviation.ranking import rank_suspects
from activities.analyze.diagnose import diagnose
from activities.analyze.learning.calibration import Calibration
from activities.analyze.settings import AnalyzeSettings
from activities.model.diagnosis import Cause
from activities.model.pattern import PatternKind
from activities.model.violation import BreachSide
from activities.monitor.judgement import judge
from tests.activities.analyze.deviation.deviation_inputs import make_deviating_input

SETTINGS = AnalyzeSettings()
HIGH_DEVIATIONS = (9.0, 9.0, 9.0)
CALL_CHAIN = (("front", "shop"), ("shop", "stock"))


def find_root_component(deviations, edges=CALL_CHAIN, step=60.0):
    """Return the component named first, None if nothing is."""
    source = make_deviating_input(deviations, edges, step=step)
    trouble = rank_suspects(judge(source), source.topology)
    return trouble and trouble.root.component


@pytest.mark.parametrize(
    ("last", "step", "named"),
    [
        ((9.0, 9.0, 9.0), 60.0, True),
        ((3.6, 3.6, 3.6), 60.0, True),
        ((3.3, 3.3, 3.3), 60.0, False),
        ((50.0, 0.0, 0.0), 60.0, False),
        ((0.0, 0.0, 50.0), 60.0, False),
        ((9.0, None, 9.0, 9.0), 60.0, True),
        ((9.0, 9.0, None), 60.0, False),
        ((6.1,), 300.0, True),
        ((5.9,), 300.0, False),
        ((-9.0, -9.0, -9.0), 60.0, False),
    ],
)
def test_a_deviation_has_to_last(last, step, named):
    """Three samples a minute apart or one over five minutes; a spike or an improvement is nothing."""
    assert (find_root_component({("front", "cpu"): last}, step=step) == "front") is named


@pytest.mark.parametrize(
    ("deviations", "named"),
    [
        (
            {("front", "p99"): HIGH_DEVIATIONS, ("shop", "p99"): HIGH_DEVIATIONS, ("stock", "p99"): HIGH_DEVIATIONS},
            "stock",
        ),
        ({("front", "p99"): (30.0,) * 3, ("shop", "p99"): HIGH_DEVIATIONS}, "front"),
        ({("front", "p99"): HIGH_DEVIATIONS, ("shop", "p99"): (5.0,) * 3}, "shop"),
        ({("a->b", "edge"): HIGH_DEVIATIONS, ("c->b", "edge"): HIGH_DEVIATIONS, ("c->d", "edge"): (0.0,) * 3}, "b"),
    ],
)
def test_trouble_travels_up(deviations, named):
    """A callee that deviates at least half as strongly explains its caller; an edge speaks for both its ends."""
    assert find_root_component(deviations, (*CALL_CHAIN, ("a", "b"), ("c", "b"), ("c", "d"))) == named


def test_an_end_point_is_only_what_its_caller_sees():
    """It comes after a component that speaks for itself, and alone it has to last twice as long."""
    edges = (("front", "shop"), ("shop", "stock"), ("front", "far"))
    far, shop = (20.0,) * 3, (7.0,) * 3
    assert (
        find_root_component({("far", "p99"): far, ("shop", "p99"): shop, ("stock", "p99"): (0.0,) * 3}, edges) == "shop"
    )
    assert find_root_component({("far", "p99"): far}, edges) is None
    assert find_root_component({("far", "p99"): (20.0,) * 6}, edges) == "far"


@given(
    shift=st.floats(0.0, 20.0),
    others=st.lists(st.floats(0.0, 20.0), min_size=2, max_size=2),
)
def test_more_deviation_never_clears_a_suspect(shift, others):
    """If a component is named as the only one, it is still named somewhere when it deviates more."""
    rest = {("front", "p99"): (others[0],) * 3, ("shop", "p99"): (others[1],) * 3}
    source = make_deviating_input({**rest, ("stock", "p99"): (7.0 + shift,) * 3}, ())
    trouble = rank_suspects(judge(source), source.topology)
    assert trouble is not None
    assert "stock" in {suspect.component for suspect in trouble.suspects}


@pytest.mark.parametrize("edges", [(("a", "a"),), (("a", "b"), ("b", "a")), (("ghost", "a"), ("b", "nobody"))])
def test_any_topology_is_borne(edges):
    """Cycles, self-calls and unknown names end in an answer."""
    assert find_root_component({("a", "p99"): HIGH_DEVIATIONS, ("b", "p99"): HIGH_DEVIATIONS}, edges) in ("a", "b")


def test_the_diagnosis_tells_what_a_person_can_check():
    """Cause, patterns with evidence, violations with the limit that was passed, and the doubt of a tie."""
    source = make_deviating_input({("shop", "p99"): HIGH_DEVIATIONS, ("shop2", "p99"): HIGH_DEVIATIONS}, ())
    found = diagnose(source, SETTINGS)
    first = found.root_causes[0]
    assert (first.cause, first.component, first.violated_pairs) == (Cause.DEVIATION, "shop", (("shop", "p99"),))
    assert first.reason == "p99 of shop is 9.0 spreads from its baseline (19, limit 14), strength 15.6; shop2 is as likely"
    assert {violation.limit for violation in found.violations} == {14.0}
    assert [pattern.kind for pattern in found.patterns] == [PatternKind.FREQUENCY]
    assert len(found.patterns[0].evidence.features) == len(SETTINGS.calibration.weights)


def test_confidence_is_the_calibrations():
    """Patterns and the first cause carry what the calibration makes of the evidence; further suspects less."""
    settings = AnalyzeSettings(calibration=Calibration(intercept=0.0, weights=(0.0, 0.0, 0.0)))
    edges = (("front", "shop"), ("shop", "stock"))
    found = diagnose(
        make_deviating_input(
            {("front", "p99"): HIGH_DEVIATIONS, ("shop", "p99"): HIGH_DEVIATIONS, ("stock", "p99"): HIGH_DEVIATIONS},
            edges,
        ),
        settings,
    )
    kinds = {pattern.kind: pattern.components for pattern in found.patterns}
    assert kinds == {
        PatternKind.FREQUENCY: ("stock",),
        PatternKind.CAUSAL: ("shop", "stock"),
        PatternKind.SPATIAL: ("front", "shop", "stock"),
    }
    assert {pattern.confidence for pattern in found.patterns} == {0.5}
    assert [cause.confidence for cause in found.root_causes] == [0.5, 0.25, 0.125]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_lying_series_is_never_acted_upon(value):
    """A value that is no number makes its component blind, not guilty."""
    source = make_deviating_input({("shop", "p99"): (9.0, 9.0, value)}, (), breach=BreachSide.EITHER)
    found = diagnose(source, SETTINGS)
    assert found.root_causes == ()
    assert [spot.component for spot in found.blind] == ["shop"]

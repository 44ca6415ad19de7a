"""Root causes among components that deviate from their baseline."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.analyze.deviation.ranking import rank_suspects
from activities.analyze.diagnose import diagnose
from activities.analyze.learning.calibration import Calibration
from activities.analyze.settings import AnalyzeSettings
from activities.model.diagnosis import Cause
from activities.model.pattern import PatternKind
from activities.model.types import MetricKey
from activities.model.violation import BreachSide
from activities.monitor.judgement import judge
from tests.activities.analyze.deviation.deviation_inputs import make_deviating_input

Deviations = Mapping[MetricKey, Sequence[float | None]]
Edges = tuple[tuple[str, str], ...]

SETTINGS = AnalyzeSettings()
HIGH_DEVIATIONS = (9.0, 9.0, 9.0)
CALL_CHAIN = (("front", "shop"), ("shop", "stock"))


def find_root_component(deviations: Deviations, edges: Edges = CALL_CHAIN, step: float = 60.0) -> str | None:
    """Return the most likely suspect, None without one."""
    analysis_input = make_deviating_input(deviations, edges, step=step)
    ranking = rank_suspects(judge(analysis_input), analysis_input.topology)
    return ranking.root.component if ranking else None


@pytest.mark.parametrize(
    ("latest", "step", "is_suspect"),
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
def test_deviation_must_last(latest: tuple[float | None, ...], step: float, is_suspect: bool) -> None:
    """Three samples a minute apart or one in five minutes are a deviation; a spike or an improvement is not."""
    assert (find_root_component({("front", "cpu"): latest}, step=step) == "front") is is_suspect


@pytest.mark.parametrize(
    ("deviations", "root"),
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
def test_callee_explains_its_caller(deviations: Deviations, root: str) -> None:
    """A callee that deviates at least half as strongly explains its caller; an edge is evidence for both ends."""
    assert find_root_component(deviations, (*CALL_CHAIN, ("a", "b"), ("c", "b"), ("c", "d"))) == root


def test_leaf_component_is_weak_evidence() -> None:
    """A leaf ranks after a component with metrics of its own, and alone it must deviate twice as long."""
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
def test_more_deviation_never_removes_a_suspect(shift: float, others: list[float]) -> None:
    """A suspect remains a suspect when it deviates more."""
    other_deviations = {("front", "p99"): (others[0],) * 3, ("shop", "p99"): (others[1],) * 3}
    analysis_input = make_deviating_input({**other_deviations, ("stock", "p99"): (7.0 + shift,) * 3}, ())
    ranking = rank_suspects(judge(analysis_input), analysis_input.topology)
    assert ranking is not None
    assert "stock" in {suspect.component for suspect in ranking.suspects}


@pytest.mark.parametrize("edges", [(("a", "a"),), (("a", "b"), ("b", "a")), (("unknown", "a"), ("b", "unknown2"))])
def test_any_topology_is_accepted(edges: Edges) -> None:
    """Cycles, self-calls and unknown names give an answer."""
    assert find_root_component({("a", "p99"): HIGH_DEVIATIONS, ("b", "p99"): HIGH_DEVIATIONS}, edges) in ("a", "b")


def test_diagnosis_can_be_checked() -> None:
    """The diagnosis has cause, evidence, limit and the alternative of a tie."""
    analysis_input = make_deviating_input({("shop", "p99"): HIGH_DEVIATIONS, ("shop2", "p99"): HIGH_DEVIATIONS}, ())
    diagnosis = diagnose(analysis_input, SETTINGS)
    first = diagnosis.root_causes[0]
    assert (first.cause, first.component, first.violated_pairs) == (Cause.DEVIATION, "shop", (("shop", "p99"),))
    assert first.reason == (
        "p99 of shop is 9.0 spreads from its baseline (19, limit 14), strength 15.6; shop2 is as likely"
    )
    assert {violation.limit for violation in diagnosis.violations} == {14.0}
    assert [pattern.kind for pattern in diagnosis.patterns] == [PatternKind.FREQUENCY]
    assert len(diagnosis.patterns[0].evidence.features) == len(SETTINGS.calibration.weights)


def test_confidence_is_that_of_the_calibration() -> None:
    """Patterns and the first cause have the calibrated confidence; further suspects have less."""
    settings = AnalyzeSettings(calibration=Calibration(intercept=0.0, weights=(0.0, 0.0, 0.0)))
    edges = (("front", "shop"), ("shop", "stock"))
    diagnosis = diagnose(
        make_deviating_input(
            {("front", "p99"): HIGH_DEVIATIONS, ("shop", "p99"): HIGH_DEVIATIONS, ("stock", "p99"): HIGH_DEVIATIONS},
            edges,
        ),
        settings,
    )
    kinds = {pattern.kind: pattern.components for pattern in diagnosis.patterns}
    assert kinds == {
        PatternKind.FREQUENCY: ("stock",),
        PatternKind.CAUSAL: ("shop", "stock"),
        PatternKind.SPATIAL: ("front", "shop", "stock"),
    }
    assert {pattern.confidence for pattern in diagnosis.patterns} == {0.5}
    assert [cause.confidence for cause in diagnosis.root_causes] == [0.5, 0.25, 0.125]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_non_finite_series_has_no_cause(value: float) -> None:
    """A value that is not finite makes its component blind, not a suspect."""
    analysis_input = make_deviating_input({("shop", "p99"): (9.0, 9.0, value)}, (), breach=BreachSide.EITHER)
    diagnosis = diagnose(analysis_input, SETTINGS)
    assert diagnosis.root_causes == ()
    assert [spot.component for spot in diagnosis.blind] == ["shop"]

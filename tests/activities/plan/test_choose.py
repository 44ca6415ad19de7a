"""The decision: outcomes, reasons, and what never happens."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from activities.model.action import ActionType
from activities.model.blindspot import BlindSpot, BlindSpotKind
from activities.model.diagnosis import Cause
from activities.model.experience import ActionStats, Experience
from activities.model.guard_state import GuardState, KnobGuard, UnsettledPlan
from activities.model.incident import Incident, Rung
from activities.model.mode import LoopMode, Mode
from activities.plan.choose import choose
from activities.plan.settings import KnownPolicy, PlanSettings
from tests.activities.plan.builders import make_committee, make_context, make_root_cause
from tests.activities.plan.situations import STORMY_SITUATION, Situation, draw_situations


def make_used_rungs(*rungs: tuple[int, str]) -> GuardState:
    """Return a guard state with these (rung, outcome) against the committee's latency in one open incident."""
    used = tuple(
        Rung(rung=rung, plan_id=f"p{rung}", cause=Cause.VALIDATION_LATENCY, component="committee", outcome=outcome)
        for rung, outcome in rungs
    )
    incident = Incident(
        incident_id="1234", charter="charter", knob="committee", onset=800.0, opened_at=810.0, rungs=used
    )
    return GuardState(incidents=(incident,))


def make_cooling_knob() -> GuardState:
    """Return a guard state with the committee cooling down."""
    return GuardState(knobs=(KnobGuard(knob="committee", cool_down_until=1240.0, cool_down_reason="fixed"),))


def test_planned_with_values() -> None:
    """The headline holds the actions, their score, the cause and its confidence."""
    decision = choose(make_context(make_root_cause("validation_latency")))
    assert decision.outcome == "planned"
    assert decision.headline == (
        "planned SCALE_UP committee (replicas 6): score +0.48; validation_latency on committee 0.85"
    )
    assert [c.rejected_by for c in decision.candidates] == ["", "ladder", "ladder"]
    assert [c.propensity for c in decision.candidates] == [1.0, 0.0, 0.0]


def test_after_a_rung_without_effect_comes_the_next() -> None:
    """The candidate on the used rung holds its outcome."""
    decision = choose(make_context(make_root_cause("validation_latency"), guards=make_used_rungs((0, "no_effect"))))
    assert [p.knob for p in decision.plans] == ["update-configuration.policy-engine"]
    assert decision.plans[0].rung == 1
    assert "rung 0 was tried: no_effect" in {c.rung: c.reason for c in decision.candidates}[0]


def test_without_a_rung_left_the_decision_is_escalated() -> None:
    """The headline names the cause."""
    decision = choose(
        make_context(
            make_root_cause("validation_latency"),
            guards=make_used_rungs((0, "worse"), (1, "no_effect"), (2, "expired")),
        )
    )
    assert (decision.outcome, decision.plans) == ("escalated", ())
    assert "no rung left against validation_latency on committee" in decision.headline


def test_mode_observe_shows_the_plan_as_a_shadow() -> None:
    """The same plan as in mode act is in `shadow`, and nothing is planned."""
    acting = choose(make_context(make_root_cause("overload", "gateway")))
    observing = choose(make_context(make_root_cause("overload", "gateway"), mode=LoopMode.OBSERVE))
    assert (observing.outcome, observing.plans) == ("observed", ())
    assert [p.plan_id for p in observing.shadow] == [p.plan_id for p in acting.plans]
    assert observing.headline.startswith("observed REBALANCE_LOAD rebalance-load.gateway")


def test_mode_stopped_plans_nothing() -> None:
    """There is not even a shadow."""
    decision = choose(make_context(make_root_cause("overload", "gateway"), mode=LoopMode.STOPPED))
    assert (decision.outcome, decision.plans, decision.shadow) == ("blocked", (), ())


def test_a_cool_down_blocks_a_rung_without_using_it() -> None:
    """A passing block does not climb the ladder."""
    decision = choose(make_context(make_root_cause("validation_latency"), guards=make_cooling_knob()))
    assert (decision.outcome, decision.plans) == ("blocked", ())
    assert decision.headline == (
        "blocked by cool-down: SCALE_UP committee (replicas 6): cools down for another 240 s: fixed"
    )
    assert [b.rule for b in decision.blocks] == ["cool-down"]


def test_a_block_that_skips_the_rung_leads_to_the_next() -> None:
    """At the maximum size SCALE_UP is never allowed: the next rung is planned immediately."""
    full = choose(make_context(make_root_cause("validation_latency"), committee=make_committee(15)))
    assert [p.rung for p in full.plans] == [1]
    assert "replicas 16 > 15" in {c.rung: c.reason for c in full.candidates}[0]


@pytest.mark.parametrize(
    ("overall", "prior", "outcome"), [(0.59, 0.9, "unknown"), (0.6, 0.6, "planned"), (0.9, 0.59, "unknown")]
)
def test_too_little_confidence_is_unknown(overall: float, prior: float, outcome: str) -> None:
    """Below the limit, of the diagnosis or of the cause, nothing is planned, and the block says why."""
    decision = choose(make_context(make_root_cause("validation_latency", confidence=prior), confidence=overall))
    assert decision.outcome == outcome
    assert outcome == "planned" or decision.blocks[0].rule == "confidence"


def test_no_named_cause_is_unknown() -> None:
    """Violations without a cause are unknown; the headline holds their number."""
    decision = choose(make_context(make_root_cause("unknown", "gateway")))
    assert (decision.outcome, decision.candidates) == ("unknown", ())
    assert decision.headline == "unknown cause behind 1 violations: confidence 0.90"


@pytest.mark.parametrize("remote", ["charter", "prometheus"])
def test_an_unreadable_remote_blocks(remote: str) -> None:
    """Nothing acts without Charter, Prometheus or the committee."""
    spot = BlindSpot(component=remote, signal="all", kind=BlindSpotKind.UNREACHABLE)
    decision = choose(make_context(make_root_cause("overload"), blind=(spot,)))
    assert (decision.outcome, decision.headline) == ("blocked", f"blocked: {remote} cannot be read")
    assert choose(make_context(make_root_cause("overload"), committee=None)).outcome == "blocked"


def test_each_knob_gets_one_plan() -> None:
    """Of two causes with a remedy on the committee the better score gets it; the other candidate names the winner."""
    decision = choose(
        make_context(make_root_cause("validation_latency"), make_root_cause("unhealthy_member", "validator-2"))
    )
    assert [p.cause for p in decision.plans] == [Cause.VALIDATION_LATENCY]
    stopped = next(c for c in decision.candidates if c.rejected_by == "knob-taken")
    assert stopped.reason == "validation_latency takes committee: score +0.480 ≥ +0.337"


def test_two_knobs_get_two_plans() -> None:
    """Causes with nothing in common are remedied in the same cycle."""
    decision = choose(make_context(make_root_cause("validation_latency"), make_root_cause("overload", "gateway")))
    assert [p.knob for p in decision.plans] == ["committee", "rebalance-load.gateway"]
    assert decision.headline.endswith("(and 1 more)")


def test_the_same_violations_get_one_remedy() -> None:
    """A second explanation of the same violations waits: otherwise it would be unknown which remedy helped."""
    pairs = (("gateway", "failure_rate"),)
    decision = choose(
        make_context(
            make_root_cause("validation_latency", pairs=pairs), make_root_cause("overload", "gateway", pairs=pairs)
        )
    )
    assert [p.knob for p in decision.plans] == ["committee"]
    assert "outscored" in {c.rejected_by for c in decision.candidates if c.cause is Cause.OVERLOAD}


def test_the_better_alternative_wins_its_rung() -> None:
    """Of equal alternatives the first by name wins, the others are outscored."""
    known = (KnownPolicy(name="b"), KnownPolicy(name="a"))
    decision = choose(
        make_context(make_root_cause("policy_misconfiguration", "gateway"), settings=PlanSettings(known_policies=known))
    )
    assert [p.knob for p in decision.plans] == ["a"]
    assert {c.knob: c.rejected_by for c in decision.candidates if c.rung == 0} == {"a": "", "b": "outscored"}


def test_candidates_per_cause_are_bounded() -> None:
    """At most `max_policies_per_analysis` are considered for one cause."""
    known = tuple(KnownPolicy(name=f"p{i}") for i in range(9))
    settings = PlanSettings(known_policies=known, max_policies_per_analysis=3)
    assert (
        len(choose(make_context(make_root_cause("policy_misconfiguration", "gateway"), settings=settings)).candidates)
        == 3
    )


def test_a_useless_action_is_passed_over() -> None:
    """An action that never helped scores at most zero, is rejected by `score`, and the next rung is taken."""
    learned = ActionStats(action=ActionType.SCALE_UP, cause=Cause.VALIDATION_LATENCY, count=30, total=0.0)
    decision = choose(
        make_context(make_root_cause("validation_latency"), experience=Experience(action_stats=(learned,)))
    )
    assert [p.rung for p in decision.plans] == [1]
    stopped = next(c for c in decision.candidates if c.rung == 0)
    assert (stopped.rejected_by, stopped.reason) == ("score", "benefit 0.000 − cost 0.200 = -0.200 ≤ 0")


@given(situation=draw_situations())
def test_every_decision_is_explained(situation: Situation) -> None:
    """Each rejected candidate has a rule and a reason; each open one is a plan; scores are above zero; knobs differ."""
    decision = choose(situation.to_context())
    assert all(c.reason for c in decision.candidates if c.rejected_by)
    open_candidates = [c for c in decision.candidates if not c.rejected_by]
    assert [c.actions for c in open_candidates] == [p.actions for p in decision.plans]
    assert all(p.score > 0 and p.confidence >= 0.6 for p in decision.plans)
    assert len({p.knob for p in decision.plans}) == len(decision.plans)
    assert len({(p.cause, p.component) for p in decision.plans}) == len(decision.plans)
    assert (decision.outcome == "planned") == bool(decision.plans)
    assert decision == choose(situation.to_context())


@given(situation=draw_situations(), knob_number=st.integers(0, 20), quarantined=st.booleans())
@example(situation=STORMY_SITUATION, knob_number=0, quarantined=False)
def test_a_further_guard_never_adds_a_plan(situation: Situation, knob_number: int, quarantined: bool) -> None:
    """A cool-down, a quarantine or mode observe only takes plans away.

    In mode observe the shadows are the plans of mode act, or its shadows: a storm holds the plans back in both.
    """
    free = situation.to_context()
    before = choose(free)
    assert not (before.plans and before.shadow)
    knobs = sorted({candidate.knob for candidate in before.candidates} | {"committee"})
    knob = knobs[knob_number % len(knobs)]
    guard = KnobGuard(knob=knob, quarantined=quarantined, cool_down_until=0.0 if quarantined else 2000.0)
    guarded = choose(replace(free, guards=free.guards.model_copy(update={"knobs": (guard,)})))
    assert [p.plan_id for p in guarded.plans] == [p.plan_id for p in before.plans if p.knob != knob]
    observed = choose(replace(free, mode=Mode(loop="charter", name=LoopMode.OBSERVE)))
    assert (observed.plans, observed.shadow) == ((), before.plans + before.shadow)


def test_a_storm_holds_back_the_plans_in_every_mode() -> None:
    """The stormy example has shadows and no plan, in mode act as in mode observe."""
    free = STORMY_SITUATION.to_context()
    decisions = [choose(replace(free, mode=Mode(loop="charter", name=name))) for name in LoopMode]
    assert [(decision.outcome, decision.plans) for decision in decisions] == [("observed", ())] * 3
    assert all(decision.storm is not None and decision.shadow for decision in decisions)


def test_an_unsettled_knob_is_busy() -> None:
    """Nothing is planned on top of a change that may be rolled back; the headline says why."""
    cause = make_root_cause("overload", "committee")
    (free,) = choose(make_context(cause)).plans
    guards = GuardState(unsettled=(UnsettledPlan(knob=free.knob, plan_id="a" * 12, since=960.0),))
    decision = choose(make_context(cause, guards=guards))
    assert (decision.outcome, decision.plans) == ("busy", ())
    assert [block.rule for block in decision.blocks] == ["unsettled"]
    assert "is not settled" in decision.headline

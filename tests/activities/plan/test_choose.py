"""The decision: outcomes, reasons, and what never happens."""

from dataclasses import replace

import pytest
from hypothesis import given
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

COMPONENTS = ("gateway", "policy-engine", "audit-log", "validator-1", "validator-2", "committee")
OUTCOMES = ("", "fixed", "no_effect", "worse", "rejected", "stale")


def make_used_rungs(*rungs, cause=Cause.VALIDATION_LATENCY, component="committee", knob="committee"):
    """Return a guard state with these (rung, ending) in one open incident."""
    listed = tuple(Rung(rung=r, plan_id=f"p{r}", cause=cause, component=component, outcome=e) for r, e in rungs)
    incident = Incident(incident_id="1234", charter="charter", knob=knob, onset=800.0, opened_at=810.0, rungs=listed)
    return GuardState(incidents=(incident,))


def make_cooling_knob(knob="committee"):
    """Return a guard state with the knob cooling down."""
    return GuardState(knobs=(KnobGuard(knob=knob, cooldown_until=1240.0, cooldown_reason="fixed"),))


def test_planned_with_values(make_root_cause, make_context):
    """The headline says what, at which score, against what, and how sure."""
    decision = choose(make_context(make_root_cause("validation_latency")))
    assert decision.outcome == "planned"
    assert decision.headline == (
        "planned SCALE_UP committee (replicas 6): score +0.48; validation_latency on committee 0.85"
    )
    assert [c.rejected_by for c in decision.candidates] == ["", "ladder", "ladder"]
    assert [c.propensity for c in decision.candidates] == [1.0, 0.0, 0.0]


def test_the_ladder_is_climbed(make_root_cause, make_context):
    """After a rung without effect comes the next; what was tried says how it ended."""
    decision = choose(make_context(make_root_cause("validation_latency"), guards=make_used_rungs((0, "no_effect"))))
    assert [p.knob for p in decision.plans] == ["update-configuration.policy-engine"]
    assert decision.plans[0].rung == 1
    assert "rung 0 was tried: no_effect" in {c.rung: c.reason for c in decision.candidates}[0]


def test_the_last_rung_is_a_person(make_root_cause, make_context):
    """When every rung is used up the decision is escalated, with the cause."""
    decision = choose(
        make_context(
            make_root_cause("validation_latency"),
            guards=make_used_rungs((0, "worse"), (1, "no_effect"), (2, "expired")),
        )
    )
    assert (decision.outcome, decision.plans) == ("escalated", ())
    assert "no rung left against validation_latency on committee" in decision.headline


def test_observe_shows_what_would_be_done(make_root_cause, make_context):
    """In mode observe the same plan is in `shadow`, and nothing is planned."""
    acting = choose(make_context(make_root_cause("overload", "gateway")))
    watching = choose(make_context(make_root_cause("overload", "gateway"), mode=LoopMode.OBSERVE))
    assert (watching.outcome, watching.plans) == ("observed", ())
    assert [p.plan_id for p in watching.shadow] == [p.plan_id for p in acting.plans]
    assert watching.headline.startswith("observed REBALANCE_LOAD rebalance-load.gateway")


def test_stopped_plans_nothing(make_root_cause, make_context):
    """In mode stopped there is not even a shadow."""
    decision = choose(make_context(make_root_cause("overload", "gateway"), mode=LoopMode.STOPPED))
    assert (decision.outcome, decision.plans, decision.shadow) == ("blocked", (), ())


def test_a_resting_knob_blocks_its_rung_and_does_not_use_it_up(make_root_cause, make_context):
    """A cool-down means "not now": the ladder is not climbed because of it."""
    decision = choose(make_context(make_root_cause("validation_latency"), guards=make_cooling_knob()))
    assert (decision.outcome, decision.plans) == ("blocked", ())
    assert decision.headline == (
        "blocked by cool-down: SCALE_UP committee (replicas 6): rests for another 240 s: fixed"
    )
    assert [b.rule for b in decision.blocks] == ["cool-down"]


def test_a_lasting_block_passes_the_rung_over(make_root_cause, make_context, make_committee):
    """At full size, SCALE_UP can never be: the next rung is taken at once."""
    full = choose(make_context(make_root_cause("validation_latency"), committee=make_committee(15)))
    assert [p.rung for p in full.plans] == [1]
    assert "replicas 16 > 15" in {c.rung: c.reason for c in full.candidates}[0]


@pytest.mark.parametrize(
    ("overall", "own", "outcome"), [(0.59, 0.9, "unknown"), (0.6, 0.6, "planned"), (0.9, 0.59, "unknown")]
)
def test_too_little_confidence_is_unknown(overall, own, outcome, make_root_cause, make_context):
    """Below the limit, of the whole or of the cause, nothing is done, and the candidate says why."""
    decision = choose(make_context(make_root_cause("validation_latency", confidence=own), confidence=overall))
    assert decision.outcome == outcome
    assert outcome == "planned" or decision.blocks[0].rule == "confidence"


def test_no_named_cause_is_unknown(make_root_cause, make_context):
    """Violations without a cause are unknown and go to a person, with their number."""
    decision = choose(make_context(make_root_cause("unknown", "gateway")))
    assert (decision.outcome, decision.candidates) == ("unknown", ())
    assert decision.headline == "unknown cause behind 1 violations: confidence 0.90"


@pytest.mark.parametrize("remote", ["charter", "prometheus"])
def test_a_blind_remote_blocks(remote, make_root_cause, make_context):
    """Nothing acts upon what cannot be seen."""
    spot = BlindSpot(component=remote, signal="all", kind=BlindSpotKind.UNREACHABLE)
    decision = choose(make_context(make_root_cause("overload"), blind=(spot,)))
    assert (decision.outcome, decision.headline) == ("blocked", f"blocked: {remote} cannot be read")
    assert choose(make_context(make_root_cause("overload"), committee=None)).outcome == "blocked"


def test_one_plan_a_knob(make_root_cause, make_context):
    """Two causes that want the committee: the better score takes it, the other says who did."""
    decision = choose(
        make_context(make_root_cause("validation_latency"), make_root_cause("unhealthy_member", "validator-2"))
    )
    assert [p.cause for p in decision.plans] == [Cause.VALIDATION_LATENCY]
    stopped = next(c for c in decision.candidates if c.rejected_by == "knob-taken")
    assert stopped.reason == "validation_latency takes committee: score +0.480 ≥ +0.337"


def test_two_knobs_two_plans(make_root_cause, make_context):
    """Troubles that have nothing in common are remedied in the same cycle."""
    decision = choose(make_context(make_root_cause("validation_latency"), make_root_cause("overload", "gateway")))
    assert [p.knob for p in decision.plans] == ["committee", "rebalance-load.gateway"]
    assert decision.headline.endswith("(and 1 more)")


def test_the_same_violations_get_one_remedy(make_root_cause, make_context):
    """A second explanation of the same violations waits: else nobody could tell which remedy helped."""
    pairs = (("gateway", "failure_rate"),)
    decision = choose(
        make_context(
            make_root_cause("validation_latency", pairs=pairs), make_root_cause("overload", "gateway", pairs=pairs)
        )
    )
    assert [p.knob for p in decision.plans] == ["committee"]
    assert "outscored" in {c.rejected_by for c in decision.candidates if c.cause is Cause.OVERLOAD}


def test_the_better_alternative_wins_its_rung(make_root_cause, make_context):
    """Of equal alternatives the first by name is taken, the others are outscored."""
    known = (KnownPolicy(name="b"), KnownPolicy(name="a"))
    decision = choose(
        make_context(make_root_cause("policy_misconfiguration", "gateway"), settings=PlanSettings(known_policies=known))
    )
    assert [p.knob for p in decision.plans] == ["a"]
    assert {c.knob: c.rejected_by for c in decision.candidates if c.rung == 0} == {"a": "", "b": "outscored"}


def test_candidates_per_cause_are_bounded(make_root_cause, make_context):
    """At most `max_policies_per_analysis` are considered for one cause."""
    known = tuple(KnownPolicy(name=f"p{i}") for i in range(9))
    settings = PlanSettings(known_policies=known, max_policies_per_analysis=3)
    assert (
        len(choose(make_context(make_root_cause("policy_misconfiguration", "gateway"), settings=settings)).candidates)
        == 3
    )


def test_what_was_learned_to_be_useless_is_passed_over(make_root_cause, make_context):
    """An action that never helped scores at most zero, is rejected by `score`, and the next rung is taken."""
    learned = ActionStats(action=ActionType.SCALE_UP, cause=Cause.VALIDATION_LATENCY, count=30, total=0.0)
    decision = choose(
        make_context(make_root_cause("validation_latency"), experience=Experience(action_stats=(learned,)))
    )
    assert [p.rung for p in decision.plans] == [1]
    stopped = next(c for c in decision.candidates if c.rung == 0)
    assert (stopped.rejected_by, stopped.reason) == ("score", "benefit 0.000 − cost 0.200 = -0.200 ≤ 0")


@st.composite
def draw_situations(draw):
    """Draw root causes, tried rungs, experience and confidence."""
    picks = draw(
        st.lists(
            st.tuples(st.sampled_from(list(Cause)), st.sampled_from(COMPONENTS), st.floats(0, 1)),
            min_size=1,
            max_size=4,
            unique_by=lambda pick: pick[:2],
        )
    )
    rungs = draw(st.lists(st.tuples(st.integers(0, len(picks) - 1), st.integers(0, 2), st.sampled_from(OUTCOMES))))
    learned = draw(st.lists(st.tuples(st.sampled_from(list(ActionType)), st.integers(0, 40), st.floats(0, 1))))
    return picks, rungs, learned, draw(st.floats(0, 1)), draw(st.sampled_from([(), ("validator-2",)]))


def make_situation_context(drawn, root, context, committee):
    """Return the context of drawn troubles."""
    picks, rungs, learned, confidence, ill = drawn
    roots = tuple(root(cause, component, sure) for cause, component, sure in picks)
    tried = tuple(
        Rung(rung=rung, plan_id=f"p{i}", cause=picks[i][0], component=picks[i][1], outcome=ending)
        for i, rung, ending in rungs
    )
    incident = Incident(incident_id="1", charter="charter", knob="other", onset=1.0, opened_at=1.0, rungs=tried)
    records = {action: (n, n * mean) for action, n, mean in learned}
    experience = Experience(
        action_stats=tuple(
            ActionStats(action=a, cause=c, count=n, total=t)
            for a, (n, t) in records.items()
            for c in {p[0] for p in picks}
        )
    )
    return context(
        *roots,
        committee=committee(5, ill),
        confidence=confidence,
        experience=experience,
        guards=GuardState(incidents=(incident,)),
    )


@given(drawn=draw_situations())
def test_every_decision_is_explained(drawn, make_root_cause, make_context, make_committee):
    """Each rejected candidate has a rule and a reason; each open one is a plan; gain is above zero; knobs differ."""
    decision = choose(make_situation_context(drawn, make_root_cause, make_context, make_committee))
    assert all(c.reason for c in decision.candidates if c.rejected_by)
    opened = [c for c in decision.candidates if not c.rejected_by]
    assert [c.actions for c in opened] == [p.actions for p in decision.plans]
    assert all(p.score > 0 and p.confidence >= 0.6 for p in decision.plans)
    assert len({p.knob for p in decision.plans}) == len(decision.plans)
    assert len({(p.cause, p.component) for p in decision.plans}) == len(decision.plans)
    assert (decision.outcome == "planned") == bool(decision.plans)
    assert decision == choose(make_situation_context(drawn, make_root_cause, make_context, make_committee))


@given(drawn=draw_situations(), data=st.data())
def test_a_further_guard_never_adds_a_plan(drawn, data, make_root_cause, make_context, make_committee):
    """Resting or quarantining any knob, or leaving mode act, only ever takes plans away."""
    free = make_situation_context(drawn, make_root_cause, make_context, make_committee)
    before = choose(free)
    knobs = sorted({c.knob for c in before.candidates} | {"committee"})
    knob = data.draw(st.sampled_from(knobs))
    guard = data.draw(
        st.sampled_from([KnobGuard(knob=knob, cooldown_until=2000.0), KnobGuard(knob=knob, quarantined=True)])
    )
    held = choose(replace(free, guards=free.guards.model_copy(update={"knobs": (guard,)})))
    assert [p.plan_id for p in held.plans] == [p.plan_id for p in before.plans if p.knob != knob]
    watching = choose(replace(free, mode=Mode(loop="charter", name=LoopMode.OBSERVE)))
    assert (watching.plans, watching.shadow) == ((), before.plans)


def test_a_knob_that_is_not_settled_is_busy(make_root_cause, make_context):
    """Nothing is planned upon what may have to be taken back, and the cycle says why."""
    cause = make_root_cause("overload", "committee")
    (free,) = choose(make_context(cause)).plans
    standing = GuardState(unsettled=(UnsettledPlan(knob=free.knob, plan_id="a" * 12, since=960.0),))
    found = choose(make_context(cause, guards=standing))
    assert (found.outcome, found.plans) == ("busy", ())
    assert [block.rule for block in found.blocks] == ["unsettled"]
    assert "is not settled" in found.headline

"""What trust lets a plan do: shadow, suggest, auto; asked when it is chosen and again before it is applied."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.model.action import COMMITTEE, Action, ActionType
from activities.model.autonomy import Autonomy, AutonomyRecord, Level, LevelOverride
from activities.model.charter import Committee, Member
from activities.model.diagnosis import Cause, RootCause
from activities.model.topology import Topology
from activities.plan.autonomy import AUTONOMY_PAIRS, build_shadow_decision, lowest_level
from activities.plan.choose import choose
from activities.plan.settings import PlanSettings
from activities.plan.strategies import StrategyContext, build_ladder

REBALANCE_AUTONOMY = Autonomy(
    start=Level.AUTO,
    records=(
        AutonomyRecord(
            cause=Cause.OVERLOAD,
            action=ActionType.REBALANCE_LOAD,
            level=Level.SHADOW,
            promotion_blocker="3 more matches",
        ),
    ),
)


def test_a_shadow_is_decided_and_not_planned(make_root_cause, make_context):
    """The same plan as at auto is held back, and the block says what is missing."""
    acting = choose(make_context(make_root_cause("overload", "gateway")))
    held = choose(make_context(make_root_cause("overload", "gateway"), autonomy=REBALANCE_AUTONOMY))
    assert (held.outcome, held.plans) == ("observed", ())
    assert [plan.plan_id for plan in held.shadow] == [plan.plan_id for plan in acting.plans]
    (block,) = held.blocks
    assert block.rule == "autonomy"
    assert block.reason == "REBALANCE_LOAD against overload is at shadow: 3 more matches"


def test_a_suggestion_asks_a_person(make_root_cause, make_context):
    """At suggest the plan is planned, and needs approval although its risk would not."""
    suggested = choose(make_context(make_root_cause("overload", "gateway"), autonomy=Autonomy(start=Level.SUGGEST)))
    acting = choose(make_context(make_root_cause("overload", "gateway")))
    assert (suggested.outcome, [p.needs_approval for p in suggested.plans]) == ("planned", [True])
    assert [p.needs_approval for p in acting.plans] == [False]
    assert suggested.plans[0].plan_id == acting.plans[0].plan_id


def test_a_pin_comes_first(make_root_cause, make_context):
    """A person's pin to shadow holds an action back that earned auto, and says so."""
    pinned = Autonomy(
        start=Level.AUTO, overrides=(LevelOverride(level=Level.SHADOW, action=ActionType.REBALANCE_LOAD),)
    )
    held = choose(make_context(make_root_cause("overload", "gateway"), autonomy=pinned))
    assert held.blocks[0].reason.endswith("is at shadow: pinned")


def test_a_plan_is_trusted_as_its_least_trusted_action():
    """Two actions in one plan: the lower level counts."""
    actions = tuple(Action(type=kind) for kind in (ActionType.SCALE_UP, ActionType.RESTART_SERVICE))
    autonomy = Autonomy(
        start=Level.AUTO, overrides=(LevelOverride(level=Level.SUGGEST, action=ActionType.RESTART_SERVICE),)
    )
    assert lowest_level(Cause.VALIDATION_LATENCY, actions, autonomy) is Level.SUGGEST


def test_a_shadow_is_due_when_a_remedy_would_have_been_judged(make_root_cause, make_context):
    """Settle, delay and all samples after the decision."""
    (plan,) = choose(make_context(make_root_cause("overload", "gateway"))).plans
    shadow = build_shadow_decision(plan, 1000.0)
    verify = plan.verification
    assert shadow.due_at == 1000.0 + plan.settle + verify.delay + verify.samples * verify.interval
    assert (shadow.targets, shadow.knob, shadow.generation) == (verify.targets, plan.knob, plan.generation)


@given(st.lists(st.sampled_from(list(Level)), min_size=4, max_size=4))
def test_less_trust_never_adds_an_action(make_root_cause, make_context, levels):
    """Whatever is pinned, what is started is among what full trust starts."""
    kinds = (ActionType.REBALANCE_LOAD, ActionType.RESTART_SERVICE, ActionType.SCALE_UP, ActionType.THROTTLE_REQUESTS)
    pins = tuple(LevelOverride(level=level, action=kind) for level, kind in zip(levels, kinds, strict=True))
    roots = (
        make_root_cause("overload", "gateway"),
        make_root_cause("validation_latency"),
        make_root_cause("cascade", "audit-log"),
    )
    free = {plan.plan_id for plan in choose(make_context(*roots)).plans}
    bound = {
        plan.plan_id for plan in choose(make_context(*roots, autonomy=Autonomy(start=Level.AUTO, overrides=pins))).plans
    }
    assert bound <= free


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.UNKNOWN])
def test_every_answer_has_a_level(cause):
    """The table `mapek autonomy` shows names exactly the actions the ladders can hold."""
    members = tuple(Member(name=f"validator-{i}", leader=i == 1, healthy=i != 2) for i in range(1, 6))
    committee = Committee(replicas=5, healthy_nodes=4, generation=1, members=members)
    topology = Topology(edges=(("gateway", "policy-engine"), ("policy-engine", COMMITTEE)))
    found = set()
    for component in ("gateway", "validator-2", COMMITTEE):
        cause_there = RootCause(cause=cause, component=component, confidence=0.9, violated_pairs=((component, "p99"),))
        for rung in build_ladder(StrategyContext(cause_there, committee, topology, PlanSettings())):
            found |= {action.type for actions in rung for action in actions}
    assert found == set(AUTONOMY_PAIRS[cause])

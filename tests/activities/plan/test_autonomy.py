"""The consequences of autonomy when a plan is chosen: shadow, suggest, auto."""

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
from tests.activities.plan.builders import make_context, make_root_cause

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


def test_at_level_shadow_a_plan_is_held_back() -> None:
    """It is the plan of level auto, and the block says which evidence is missing."""
    acting = choose(make_context(make_root_cause("overload", "gateway")))
    shadow = choose(make_context(make_root_cause("overload", "gateway"), autonomy=REBALANCE_AUTONOMY))
    assert (shadow.outcome, shadow.plans) == ("observed", ())
    assert [plan.plan_id for plan in shadow.shadow] == [plan.plan_id for plan in acting.plans]
    (block,) = shadow.blocks
    assert block.rule == "autonomy"
    assert block.reason == "REBALANCE_LOAD against overload is at shadow: 3 more matches"


def test_at_level_suggest_a_plan_needs_approval() -> None:
    """It is planned, and needs approval although its risk does not require it."""
    suggested = choose(make_context(make_root_cause("overload", "gateway"), autonomy=Autonomy(start=Level.SUGGEST)))
    acting = choose(make_context(make_root_cause("overload", "gateway")))
    assert (suggested.outcome, [p.needs_approval for p in suggested.plans]) == ("planned", [True])
    assert [p.needs_approval for p in acting.plans] == [False]
    assert suggested.plans[0].plan_id == acting.plans[0].plan_id


def test_an_override_comes_first() -> None:
    """An override to shadow holds back an action that would be at auto, and the block says so."""
    overridden = Autonomy(
        start=Level.AUTO, overrides=(LevelOverride(level=Level.SHADOW, action=ActionType.REBALANCE_LOAD),)
    )
    shadow = choose(make_context(make_root_cause("overload", "gateway"), autonomy=overridden))
    assert shadow.blocks[0].reason.endswith("is at shadow: fixed by an override")


def test_a_plan_has_the_level_of_its_least_trusted_action() -> None:
    """Of two actions the lower level counts."""
    actions = tuple(Action(type=kind) for kind in (ActionType.SCALE_UP, ActionType.RESTART_SERVICE))
    autonomy = Autonomy(
        start=Level.AUTO, overrides=(LevelOverride(level=Level.SUGGEST, action=ActionType.RESTART_SERVICE),)
    )
    assert lowest_level(Cause.VALIDATION_LATENCY, actions, autonomy) is Level.SUGGEST


def test_a_shadow_is_due_when_its_verification_would_end() -> None:
    """Settling, delay and all samples after the decision."""
    (plan,) = choose(make_context(make_root_cause("overload", "gateway"))).plans
    shadow = build_shadow_decision(plan, 1000.0)
    verify = plan.verification
    assert shadow.due_at == 1000.0 + plan.settle + verify.delay + verify.samples * verify.interval
    assert (shadow.targets, shadow.knob, shadow.generation) == (verify.targets, plan.knob, plan.generation)


@given(st.lists(st.sampled_from(list(Level)), min_size=4, max_size=4))
def test_less_trust_never_adds_an_action(levels: list[Level]) -> None:
    """With any overrides, the plans are among those of full trust."""
    kinds = (ActionType.REBALANCE_LOAD, ActionType.RESTART_SERVICE, ActionType.SCALE_UP, ActionType.THROTTLE_REQUESTS)
    overrides = tuple(LevelOverride(level=level, action=kind) for level, kind in zip(levels, kinds, strict=True))
    roots = (
        make_root_cause("overload", "gateway"),
        make_root_cause("validation_latency"),
        make_root_cause("cascade", "audit-log"),
    )
    free = {plan.plan_id for plan in choose(make_context(*roots)).plans}
    bound = {
        plan.plan_id
        for plan in choose(make_context(*roots, autonomy=Autonomy(start=Level.AUTO, overrides=overrides))).plans
    }
    assert bound <= free


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.UNKNOWN])
def test_every_action_on_a_ladder_has_a_level(cause: Cause) -> None:
    """`AUTONOMY_PAIRS` holds exactly the actions that the ladder of each cause can hold."""
    members = tuple(Member(name=f"validator-{i}", leader=i == 1, healthy=i != 2) for i in range(1, 6))
    committee = Committee(replicas=5, healthy_nodes=4, generation=1, members=members)
    topology = Topology(edges=(("gateway", "policy-engine"), ("policy-engine", COMMITTEE)))
    action_types = set()
    for component in ("gateway", "validator-2", COMMITTEE):
        root = RootCause(cause=cause, component=component, confidence=0.9, violated_pairs=((component, "p99"),))
        for rung in build_ladder(StrategyContext(root, committee, topology, PlanSettings())):
            action_types |= {action.type for actions in rung for action in actions}
    assert action_types == set(AUTONOMY_PAIRS[cause])

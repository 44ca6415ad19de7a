"""The ladder of each cause."""

import pytest

from activities.model.action import ActionType
from activities.model.charter import Committee
from activities.model.diagnosis import Cause, RootCause
from activities.model.topology import Topology
from activities.plan.settings import KnownPolicy, PlanSettings
from activities.plan.strategies import LADDERS, StrategyContext, build_ladder, find_entry_component
from tests.activities.plan.builders import CALL_TOPOLOGY, make_committee, make_root_cause


def describe_rungs(
    root: RootCause,
    committee: Committee | None = None,
    topology: Topology = CALL_TOPOLOGY,
    settings: PlanSettings | None = None,
) -> list[list[str]]:
    """Return the remedies of the ladder as text, rung by rung."""
    context = StrategyContext(
        root=root,
        committee=committee or make_committee(),
        topology=topology,
        settings=settings or PlanSettings(),
    )
    return [[" + ".join(a.summary for a in actions) for actions in rung] for rung in build_ladder(context)]


@pytest.mark.parametrize(
    ("cause", "component", "expected"),
    [
        (
            "validation_latency",
            "committee",
            [
                ["SCALE_UP committee (replicas 6)"],
                ["UPDATE_CONFIGURATION update-configuration.policy-engine (batch_size 64, parallelism 8, timeout 5)"],
                ["THROTTLE_REQUESTS throttle-requests.gateway (rate_limit 300.0)"],
            ],
        ),
        (
            "policy_misconfiguration",
            "gateway",
            [
                ["APPLY_POLICY admission (ruleset strict-v1)"],
                ["BYPASS_VALIDATION bypass-validation.gateway (duration 300.0)"],
            ],
        ),
        (
            "cascade",
            "audit-log",
            [
                ["THROTTLE_REQUESTS throttle-requests.audit-log (rate_limit 300.0)"],
                ["ACTIVATE_EMERGENCY_OVERRIDE activate-emergency-override (duration 300.0)"],
            ],
        ),
        (
            "overload",
            "policy-engine",
            [
                ["REBALANCE_LOAD rebalance-load.policy-engine (strategy least_loaded)"],
                ["RESTART_SERVICE committee (graceful True, member policy-engine, timeout 30)"],
            ],
        ),
        (
            "unhealthy_member",
            "validator-2",
            [
                ["RESTART_SERVICE committee (graceful True, member validator-2, timeout 30)"],
                ["REBALANCE_LOAD rebalance-load.validator-2 (strategy least_loaded)"],
            ],
        ),
        ("unknown", "gateway", []),
    ],
)
def test_ladders(cause: str, component: str, expected: list[list[str]]) -> None:
    """Each cause has its documented remedies, the mildest first; the unknown cause has none."""
    assert describe_rungs(make_root_cause(cause, component)) == expected


def test_every_cause_has_a_ladder() -> None:
    """No cause is without a ladder."""
    assert set(LADDERS) == set(Cause)


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.UNKNOWN])
def test_a_remedy_changes_one_knob_and_never_scales_down(cause: Cause) -> None:
    """Every remedy has one knob, no irreversible step before a reversible one, and no SCALE_DOWN."""
    context = StrategyContext(
        make_root_cause(cause, "validator-2"),
        make_committee(unhealthy=("validator-3",)),
        Topology(edges=()),
        PlanSettings(),
    )
    for actions in (actions for rung in build_ladder(context) for actions in rung):
        assert len({a.knob for a in actions}) == 1
        assert all(a.inverse != "none" for a in actions[:-1])
        assert ActionType.SCALE_DOWN not in {a.type for a in actions}


def test_an_unhealthy_member_is_restarted_after_scaling_up() -> None:
    """SCALE_UP is followed by the restart of one unhealthy member on the same knob; of several not the leader first."""
    committee = make_committee(unhealthy=("validator-1", "validator-4"), leader="validator-1")
    (first, *_) = describe_rungs(make_root_cause("validation_latency"), committee=committee)
    assert first == [
        "SCALE_UP committee (replicas 6) + RESTART_SERVICE committee (graceful True, member validator-4, timeout 30)"
    ]


def test_only_policies_that_govern_the_component_are_alternatives() -> None:
    """Several known policies are alternatives of one rung; a policy for another component is not one of them."""
    known = (
        KnownPolicy(name="all", parameters={"a": 1}),
        KnownPolicy(name="mine", components=("gateway",)),
        KnownPolicy(name="other", components=("audit-log",)),
    )
    first = describe_rungs(
        make_root_cause("policy_misconfiguration", "gateway"), settings=PlanSettings(known_policies=known)
    )[0]
    assert first == ["APPLY_POLICY all (a 1)", "APPLY_POLICY mine"]


def test_rungs_that_cannot_be_built_are_empty() -> None:
    """Without callers of the committee nothing can be configured or throttled; the committee itself cannot restart."""
    assert [len(r) for r in describe_rungs(make_root_cause("validation_latency"), topology=Topology())] == [1, 0, 0]
    assert [len(r) for r in describe_rungs(make_root_cause("overload", "committee"))] == [1, 0]
    assert [len(r) for r in describe_rungs(make_root_cause("cascade", "committee", pairs=()))] == [0, 1]


@pytest.mark.parametrize(
    ("edges", "affected", "expected"),
    [
        ((("a", "b"), ("b", "c")), {"b", "c"}, "b"),
        ((("a", "b"), ("b", "c")), {"a", "c"}, "a"),
        ((("a", "b"), ("b", "a")), {"a", "b"}, None),
        ((("a", "a"),), {"a"}, None),
        ((), {"x", "y"}, "x"),
        ((), set(), None),
    ],
)
def test_load_enters_at_the_first_affected_component(
    edges: tuple[tuple[str, str], ...], affected: set[str], expected: str | None
) -> None:
    """It is the first one that no affected component calls; a circle has none."""
    assert find_entry_component(Topology(edges=edges), frozenset(affected)) == expected


def test_a_cascade_in_the_committee_is_throttled_where_it_is_called() -> None:
    """The callers of the committee call its members: load enters an affected policy engine before them."""
    pairs = (("audit-log", "failure_rate"), ("policy-engine", "failure_rate"), ("validator-2", "failure_rate"))
    first = describe_rungs(make_root_cause("cascade", "validator-2", pairs=pairs))[0]
    assert first == ["THROTTLE_REQUESTS throttle-requests.policy-engine (rate_limit 300.0)"]


def test_a_circle_of_callers_has_nothing_to_throttle() -> None:
    """Callers of the committee that call each other have no entry, and the search ends."""
    circle = Topology(edges=(("a", "b"), ("b", "a"), ("b", "committee")))
    assert [len(r) for r in describe_rungs(make_root_cause("validation_latency"), topology=circle)] == [1, 1, 0]

"""Storm mode: how it starts, goes on and ends."""

import pytest

from activities.model.blindspot import BlindSpot, BlindSpotKind
from activities.model.storm import Storm
from activities.model.topology import Topology
from activities.plan.choose import choose
from activities.plan.guards.settings import StormSettings
from activities.plan.guards.storm import (
    TroubleScope,
    build_trouble_scope,
    derive_storm,
    storm_guard,
)
from tests.activities.plan.builders import CALL_TOPOLOGY, make_context, make_root_cause
from tests.activities.plan.guards.guard_inputs import NOW, SCALE_UP_ACTIONS, make_guard_input

MEMBERS = frozenset(f"validator-{number}" for number in range(1, 6))
SERVICES = frozenset({"gateway", "policy-engine", "audit-log"})
SIX_COMPONENTS = frozenset("abcdef")
TEN_COMPONENTS = frozenset("abcdefghij")
TWENTY_COMPONENTS = frozenset("abcdefghijklmnopqrst")
FIFTEEN_COMPONENTS = frozenset("abcdefghijklmno")
CURRENT_STORM = Storm(loop="charter", since=NOW - 900, reason="75% in trouble or blind")


def make_trouble_scope(
    troubled: frozenset[str] | set[str] = frozenset(),
    blind: frozenset[str] | set[str] = frozenset(),
    explained: str = "committee",
    components: frozenset[str] = SERVICES | MEMBERS,
    topology: Topology = CALL_TOPOLOGY,
) -> TroubleScope:
    """Return the scope of the services and five members, with this trouble."""
    return TroubleScope(
        components=components,
        members=MEMBERS,
        violated=frozenset(troubled),
        blind=frozenset(blind),
        explained=frozenset({explained} if explained else ()),
        topology=topology,
    )


def make_unconnected_scope(troubled: str, components: frozenset[str], explained: str = "a") -> TroubleScope:
    """Return the scope of components without calls; each letter of `troubled` is one in trouble."""
    return make_trouble_scope(set(troubled), components=components, explained=explained, topology=Topology())


def make_star_scope(troubled: str) -> TroubleScope:
    """Return a scope of ten components in which the explained one, a, calls all others."""
    star = Topology(edges=tuple(("a", component) for component in sorted(TEN_COMPONENTS)))
    return make_trouble_scope(set(troubled), components=TEN_COMPONENTS, explained="a", topology=star)


@pytest.mark.parametrize(
    ("scope", "starts"),
    [
        (make_trouble_scope(), False),
        (make_trouble_scope(MEMBERS), False),
        (make_trouble_scope({*MEMBERS, "policy-engine"}), False),
        (make_trouble_scope(SERVICES, explained="gateway"), False),
        (make_trouble_scope({*MEMBERS, "policy-engine", "gateway"}), True),
        (make_trouble_scope({*MEMBERS, "gateway"}, explained="gateway"), True),
        (make_trouble_scope({"validator-1", "validator-2", "gateway"}, explained="gateway"), False),
        (make_trouble_scope({"validator-1"}, blind={*MEMBERS, *SERVICES} - {"validator-1"}), True),
        (make_trouble_scope(blind={"prometheus", "charter"}), False),
        (make_unconnected_scope("abc", SIX_COMPONENTS), False),
        (make_unconnected_scope("abcd", SIX_COMPONENTS), True),
        (make_unconnected_scope("abcd", TEN_COMPONENTS), True),
        (make_unconnected_scope("abc", TEN_COMPONENTS), False),
        (make_unconnected_scope("abcd", FIFTEEN_COMPONENTS), False),
        (make_unconnected_scope("a", frozenset("a")), False),
        (make_star_scope("abcdef"), False),
        (make_star_scope("abcdefg"), True),
        (make_unconnected_scope("abc", TEN_COMPONENTS, explained=""), True),
        (make_trouble_scope(components=frozenset()), False),
    ],
)
def test_a_storm_starts(scope: TroubleScope, starts: bool) -> None:
    """More than 20 % and three that the leading cause does not explain, or more than 60 % in trouble or blind."""
    assert (derive_storm(None, scope, "charter", NOW, StormSettings()) is not None) == starts


def test_a_storm_ends_with_hysteresis() -> None:
    """Both fractions stay below half of their limits for five minutes; a higher one restarts the wait."""
    stormy, between, calm = (
        make_unconnected_scope(troubled, TWENTY_COMPONENTS) for troubled in ("abcdef", "abcd", "a")
    )
    assert derive_storm(None, between, "charter", NOW, StormSettings()) is None
    settings = StormSettings()
    started = derive_storm(None, stormy, "charter", NOW, settings)
    assert started is not None
    assert started.reason.startswith("5 components (25%) in trouble that the leading cause does not explain, 30%")
    going_on = derive_storm(started, between, "charter", NOW + 600, settings)
    assert going_on is not None
    assert (going_on.since, going_on.calm_since) == (NOW, None)
    assert going_on.reason.startswith("3 components (15%) in trouble")
    calming = derive_storm(started, calm, "charter", NOW + 600, settings)
    assert calming is not None
    assert calming.calm_since == NOW + 600
    assert calming.reason.startswith("0 components (0%) in trouble")
    assert derive_storm(calming, calm, "charter", NOW + 899, settings) == calming
    assert derive_storm(calming, calm, "charter", NOW + 900, settings) is None
    restarted = derive_storm(calming, between, "charter", NOW + 800, settings)
    assert restarted is not None
    assert restarted.calm_since is None


def test_an_incomplete_observation_neither_starts_nor_ends_a_storm() -> None:
    """Without a scope there is no new storm, and the wait for the end of the current one restarts."""
    calming = CURRENT_STORM.model_copy(update={"calm_since": NOW - 3600})
    assert derive_storm(None, None, "charter", NOW, StormSettings()) is None
    assert derive_storm(calming, None, "charter", NOW, StormSettings()) == CURRENT_STORM


def test_an_observation_without_committee_or_remote_is_incomplete() -> None:
    """The scope is None without the committee, and while Prometheus or Charter cannot be read."""
    blind = BlindSpot(component="prometheus", signal="all", kind=BlindSpotKind.UNREACHABLE)
    contexts = (
        make_context(make_root_cause("overload")),
        make_context(make_root_cause("overload"), committee=None),
        make_context(make_root_cause("overload"), blind=(blind,)),
    )
    scopes = [build_trouble_scope(context.analysis, context.diagnosis) for context in contexts]
    assert [scope is not None for scope in scopes] == [True, False, False]


@pytest.mark.parametrize("troubled", ["", "a", "b", "bc"])
def test_trouble_that_starts_no_storm_at_the_exit_limits_ends_one(troubled: str) -> None:
    """One of three components is 33 %: it starts no storm, so it does not keep one going."""
    scope = make_unconnected_scope(troubled, frozenset("abc"), explained="")
    settings = StormSettings()
    assert derive_storm(None, scope, "charter", NOW, settings) is None
    calming = CURRENT_STORM.model_copy(update={"calm_since": NOW - settings.exit_hold})
    assert derive_storm(calming, scope, "charter", NOW, settings) is None


def test_explained_trouble_does_not_keep_a_storm_going() -> None:
    """A storm ends by the knowledge that starts one: trouble that the diagnosis explains counts in neither."""
    explained, unexplained = (
        make_trouble_scope(components=TEN_COMPONENTS, troubled={"a"}, explained=root, topology=Topology())
        for root in ("a", "")
    )
    settings = StormSettings(unexplained_fraction=0.1, min_components=1)
    calming = CURRENT_STORM.model_copy(update={"calm_since": NOW - 300})
    assert derive_storm(None, explained, "charter", NOW, settings) is None
    assert derive_storm(calming, explained, "charter", NOW, settings) is None
    going_on = derive_storm(calming, unexplained, "charter", NOW, settings)
    assert going_on is not None
    assert (going_on.since, going_on.calm_since) == (CURRENT_STORM.since, None)


def test_a_storm_refuses_with_its_numbers() -> None:
    """Without a storm nothing is refused."""
    assert not storm_guard(SCALE_UP_ACTIONS, make_guard_input())
    reason = storm_guard(SCALE_UP_ACTIONS, make_guard_input(storm=CURRENT_STORM))
    assert reason == "storm for 900 s, only observed: 75% in trouble or blind"


def test_a_current_storm_holds_back_the_plan_and_shows_it() -> None:
    """In a storm the plan is a shadow, and the decision carries the storm on."""
    context = make_context(make_root_cause("overload", "gateway"))
    storm = CURRENT_STORM.model_copy(update={"since": 100.0})
    decision = choose(
        make_context(
            make_root_cause("overload", "gateway"), guards=context.guards.model_copy(update={"storms": (storm,)})
        )
    )
    assert (decision.outcome, decision.plans) == ("observed", ())
    assert [plan.plan_id for plan in decision.shadow] == [plan.plan_id for plan in choose(context).plans]
    assert decision.storm is not None

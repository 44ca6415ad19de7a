"""Rates, oscillation, storms and windows: just inside, just outside, and where what a rule asks is missing."""

from datetime import UTC, date, datetime

import pytest
from pydantic import ValidationError

from activities.model.action import Action, ActionType
from activities.model.charter import Change, Policy
from activities.model.guard_state import GuardState, KnobGuard
from activities.model.history import RemediationRecord
from activities.model.mode import LoopMode, Mode
from activities.model.storm import Storm
from activities.model.timeseries import Sample
from activities.model.topology import Topology
from activities.plan.guards.base import GuardInput
from activities.plan.guards.core import quorum_guard
from activities.plan.guards.oscillation import foreign_writer_guard, freeze_guard
from activities.plan.guards.rates import (
    budget_guard,
    concurrency_guard,
    error_budget_requires_approval,
    lowest_value,
    reversal_guard,
)
from activities.plan.guards.settings import (
    ErrorBudgetSettings,
    FreezeDates,
    OscillationSettings,
    RateSettings,
    StormSettings,
    Window,
)
from activities.plan.guards.storm import TroubleScope, measure_storm, next_storm, storm_guard
from activities.plan.guards.windows import freeze_date_guard, window_end, window_guard
from activities.plan.settings import PlanSettings

NOW = 1_000_000.0
SCALE_UP_ACTIONS = (Action(type=ActionType.SCALE_UP, parameters={"replicas": 6}),)
SCALE_DOWN_ACTIONS = (Action(type=ActionType.SCALE_DOWN, parameters={"replicas": 4}),)
CONFIGURE_ACTIONS = (Action(type=ActionType.UPDATE_CONFIGURATION, component="gateway"),)
POLICY_ACTIONS = (Action(type=ActionType.APPLY_POLICY, policy="admission"),)
REVERT_ACTIONS = (Action(type=ActionType.UPDATE_CONFIGURATION, component="gateway", rollback_of="policy_1"),)
LATENCY_PAIR = ("validation_latency", "committee")


def make_remediation_record(seconds_ago: float, outcome: str = "fixed", **changes: object) -> RemediationRecord:
    """Return a remediation of the committee that began so many seconds ago and took one minute; "" still runs."""
    usual = {
        "plan_id": f"p{seconds_ago:.0f}",
        "loop": "charter",
        "knob": "committee",
        "cause": LATENCY_PAIR[0],
        "component": LATENCY_PAIR[1],
        "knob_direction": 1,
        "affected_components": ("committee",),
        "started_at": NOW - seconds_ago,
        "ended_at": NOW - seconds_ago + 60.0 if outcome else None,
        "outcome": outcome,
        "rolled_back": outcome in ("rolled_back", "worse"),
    }
    return RemediationRecord.model_validate(usual | changes)


def make_guard_input(
    *remediations: RemediationRecord, knobs: tuple[KnobGuard, ...] = (), **changes: object
) -> GuardInput:
    """Return what the rules look at, with these remediations in the past."""
    usual = {
        "at": NOW,
        "mode": Mode(loop="charter", name=LoopMode.ACT),
        "guards": GuardState(recent_remediations=remediations, knobs=knobs),
        "committee": None,
        "settings": PlanSettings(),
        "loop": "charter",
        "component_count": 8,
        "cause_key": LATENCY_PAIR,
    }
    return GuardInput(**(usual | changes))


def block_reason(block: object) -> str:
    """Return why it is blocked, empty if it is not."""
    return getattr(block, "reason", "")


OTHER_KNOB = {"knob": "throttle-requests.gateway", "affected_components": ("gateway",)}


@pytest.mark.parametrize(
    ("remembered", "refused"),
    [
        ((), ""),
        ((make_remediation_record(10), make_remediation_record(20)), ""),
        (
            (make_remediation_record(10), make_remediation_record(20), make_remediation_record(3599)),
            "3 remediations of committee in the last hour, at most 3; one more in 1 s",
        ),
        ((make_remediation_record(10), make_remediation_record(20), make_remediation_record(3600)), ""),
        (tuple(make_remediation_record(4000 + 60 * n) for n in range(9)), ""),
        (
            tuple(make_remediation_record(4000 + 60 * n) for n in range(10)),
            "10 remediations of committee in the last day, at most 10",
        ),
        ((*(make_remediation_record(4000 + 60 * n) for n in range(9)), make_remediation_record(86400)), ""),
        (tuple(make_remediation_record(10 + n, **OTHER_KNOB) for n in range(9)), ""),
        (
            tuple(make_remediation_record(10 + n, **OTHER_KNOB) for n in range(10)),
            "10 remediations of loop charter in the last hour",
        ),
        (tuple(make_remediation_record(10 + n, loop="other", **OTHER_KNOB) for n in range(10)), ""),
        (
            (make_remediation_record(10), make_remediation_record(20), make_remediation_record(30, loop="other")),
            "3 remediations of committee",
        ),
        (
            (make_remediation_record(10), make_remediation_record(20), make_remediation_record(-5)),
            "3 remediations of committee",
        ),
    ],
)
def test_budget(remembered, refused):
    """Three an hour and ten a day of a knob, ten an hour of a loop; a worker whose clock is off counts too."""
    block = budget_guard(SCALE_UP_ACTIONS, make_guard_input(*remembered))
    assert (block is None) == (not refused)
    assert refused in block_reason(block)


def test_a_plans_own_beginning_does_not_count():
    """Between its steps a plan is not held against itself."""
    assert (
        budget_guard(
            SCALE_UP_ACTIONS,
            make_guard_input(
                make_remediation_record(10), make_remediation_record(20), make_remediation_record(30), plan_id="p30"
            ),
        )
        is None
    )


def test_a_budget_of_nothing_allows_nothing():
    """Zero is a budget too, and its reason is said without a time."""
    none = PlanSettings(rates=RateSettings(knob_per_hour=0))
    assert (
        block_reason(budget_guard(SCALE_UP_ACTIONS, make_guard_input(settings=none)))
        == "0 remediations of committee in the last hour, at most 0"
    )


RUNNING_REMEDIATION = make_remediation_record(100, "", **OTHER_KNOB)


@pytest.mark.parametrize(
    ("remembered", "actions", "components", "refused"),
    [
        ((), SCALE_UP_ACTIONS, 8, ""),
        ((), POLICY_ACTIONS, 8, ""),
        ((make_remediation_record(100, **OTHER_KNOB),), SCALE_UP_ACTIONS, 8, ""),
        (
            (RUNNING_REMEDIATION,),
            SCALE_UP_ACTIONS,
            8,
            "2 of 8 components at once, at most 1: throttle-requests.gateway runs",
        ),
        ((RUNNING_REMEDIATION,), SCALE_UP_ACTIONS, 19, "2 of 19"),
        ((RUNNING_REMEDIATION,), SCALE_UP_ACTIONS, 20, ""),
        ((RUNNING_REMEDIATION,), CONFIGURE_ACTIONS, 8, ""),
        ((RUNNING_REMEDIATION,), POLICY_ACTIONS, 20, "20 of 20 components at once, at most 2"),
        ((make_remediation_record(3599, "", **OTHER_KNOB),), SCALE_UP_ACTIONS, 8, "2 of 8"),
        ((make_remediation_record(3600, "", **OTHER_KNOB),), SCALE_UP_ACTIONS, 8, ""),
        ((RUNNING_REMEDIATION,), SCALE_UP_ACTIONS, 0, "2 of 1"),
    ],
)
def test_concurrency(remembered, actions, components, refused):
    """A tenth of the components at once but always one place; what never ended is forgotten after an hour."""
    block = concurrency_guard(actions, make_guard_input(*remembered, component_count=components))
    assert (block is None) == (not refused)
    assert refused in block_reason(block)


TUNED_KNOB = {"knob": "update-configuration.gateway", "affected_components": ("gateway",)}


@pytest.mark.parametrize(
    ("remembered", "actions", "refused"),
    [
        ((), SCALE_DOWN_ACTIONS, ""),
        (
            (make_remediation_record(899),),
            SCALE_DOWN_ACTIONS,
            "turned 899 s ago, turning it back waits 900 s: another 1 s",
        ),
        ((make_remediation_record(900),), SCALE_DOWN_ACTIONS, ""),
        (
            (make_remediation_record(299, knob_direction=-1),),
            SCALE_DOWN_ACTIONS,
            "a step away from safety waits 300 s: another 1 s",
        ),
        ((make_remediation_record(300, knob_direction=-1),), SCALE_DOWN_ACTIONS, ""),
        ((make_remediation_record(10, knob_direction=-1),), SCALE_UP_ACTIONS, ""),
        ((make_remediation_record(899, **TUNED_KNOB),), REVERT_ACTIONS, "turning it back waits 900 s"),
        ((make_remediation_record(899, **TUNED_KNOB),), CONFIGURE_ACTIONS, ""),
        (
            (make_remediation_record(950, "worse", **TUNED_KNOB),),
            CONFIGURE_ACTIONS,
            "turned 890 s ago, turning it back",
        ),
        ((make_remediation_record(960, "worse", **TUNED_KNOB),), CONFIGURE_ACTIONS, ""),
        ((make_remediation_record(10, "failed", applied=False),), SCALE_DOWN_ACTIONS, ""),
        ((make_remediation_record(10, knob_direction=0),), SCALE_DOWN_ACTIONS, ""),
    ],
)
def test_reverse(remembered, actions, refused):
    """Back, and away from safety, has to wait; towards safety, or after nothing that was turned, it does not."""
    block = reversal_guard(actions, make_guard_input(*remembered))
    assert (block is None) == (not refused)
    assert refused in block_reason(block)


@pytest.mark.parametrize(
    ("remembered", "refused"),
    [
        ((), ""),
        ((make_remediation_record(1800, "rolled_back"), make_remediation_record(900, "fixed")), ""),
        (
            (make_remediation_record(1500, "rolled_back"), make_remediation_record(900, "rolled_back")),
            "3 reversals in 1800 s, at most 2",
        ),
        ((make_remediation_record(2701, "rolled_back"), make_remediation_record(900, "rolled_back")), ""),
        ((make_remediation_record(2659, "rolled_back"), make_remediation_record(900, "rolled_back")), "3 reversals"),
        ((make_remediation_record(5040, "rolled_back"), make_remediation_record(4440, "rolled_back")), ""),
        (
            (make_remediation_record(4259, "rolled_back"), make_remediation_record(3659, "rolled_back")),
            "frozen for another 1 s: 3 reversals",
        ),
        ((make_remediation_record(4260, "rolled_back"), make_remediation_record(3660, "rolled_back")), ""),
    ],
)
def test_frozen_by_reversals(remembered, refused):
    """A third turn the other way within half an hour freezes the knob for an hour from then on."""
    block = freeze_guard(SCALE_UP_ACTIONS, make_guard_input(*remembered, cause_key=("other", "gateway")))
    assert (block is None) == (not refused)
    assert refused in block_reason(block)


@pytest.mark.parametrize(
    ("endings", "refused"),
    [
        (("failed", "failed"), ""),
        (("failed", "rolled_back", "worse"), "3 remediations failed in a row (failed, rolled_back, worse)"),
        (("failed", "failed", "no_effect"), ""),
        (("failed", "stopped", "failed", "failed"), "3 remediations failed in a row"),
        (("failed", "fixed", "failed", "failed"), ""),
        (("failed", "failed", "failed", "improved"), ""),
        (("failed", "failed", ""), ""),
    ],
)
def test_frozen_by_failures(endings, refused):
    """Three that failed or were taken back in a row freeze; one that helped ends the row, no effect is neither."""
    remembered = [make_remediation_record(20000 - 4000 * n, ending, knob_direction=0) for n, ending in enumerate(endings)]
    settings = PlanSettings(oscillation=OscillationSettings(freeze_seconds=20000))
    block = freeze_guard(SCALE_UP_ACTIONS, make_guard_input(*remembered, settings=settings))
    assert (block is None) == (not refused)
    assert refused in block_reason(block)


@pytest.mark.parametrize(
    ("remembered", "refused"),
    [
        ((make_remediation_record(2000), make_remediation_record(1000)), ""),
        (
            (make_remediation_record(3000), make_remediation_record(2000), make_remediation_record(1000)),
            "validation_latency on committee came back after 3 remedies in 14400 s",
        ),
        (
            (make_remediation_record(3000), make_remediation_record(2000), make_remediation_record(1000, "improved")),
            "came back",
        ),
        (
            (
                make_remediation_record(3000),
                make_remediation_record(2000),
                make_remediation_record(1000, component="gateway"),
            ),
            "",
        ),
        ((make_remediation_record(16000), make_remediation_record(2000), make_remediation_record(1000)), ""),
        ((make_remediation_record(15399), make_remediation_record(2000), make_remediation_record(1000)), "came back"),
        ((make_remediation_record(15400), make_remediation_record(2000), make_remediation_record(1000)), ""),
        (
            (make_remediation_record(9000), make_remediation_record(8000), make_remediation_record(3659)),
            "frozen for another 1 s",
        ),
        ((make_remediation_record(9000), make_remediation_record(8000), make_remediation_record(3660)), ""),
    ],
)
def test_frozen_by_relapses(remembered, refused):
    """Three cures of the same trouble that did not last are none: the fourth waits an hour."""
    block = freeze_guard(SCALE_UP_ACTIONS, make_guard_input(*remembered))
    assert (block is None) == (not refused)
    assert refused in block_reason(block)


def test_a_person_may_release_a_frozen_knob():
    """What was done before the release freezes no more, what comes after counts again."""
    remembered = (make_remediation_record(3000), make_remediation_record(2000), make_remediation_record(1000))
    for released, held in ((NOW - 3001, True), (NOW - 2500, False), (NOW, False)):
        knobs = (KnobGuard(knob="committee", released_at=released),)
        assert (freeze_guard(SCALE_UP_ACTIONS, make_guard_input(*remembered, knobs=knobs)) is not None) == held


def make_committee_at(committee, generation, key=None, restart=None):
    """Return the committee at a generation, last changed under `key`, or restarted under `restart`."""
    change = Change(key=key, generation=generation if restart is None else generation - 1)
    again = None if restart is None else Change(key=restart, generation=generation)
    return committee(generation=generation).model_copy(update={"last_change": change, "last_restart": again})


@pytest.mark.parametrize(
    ("remembered", "generation", "key", "refused"),
    [
        ((), 9, None, ""),
        ((make_remediation_record(1000, generation=8),), 8, None, ""),
        ((make_remediation_record(1000, generation=8),), 9, None, "generation 8 → 9 by somebody else since plan p1000"),
        ((make_remediation_record(1000, generation=8),), 9, "deploy-17", "by deploy-17"),
        ((make_remediation_record(1000, generation=8),), 9, "p1000-1-do", ""),
        ((make_remediation_record(1000),), 9, None, ""),
        ((make_remediation_record(1000, "", generation=8),), 9, None, ""),
        ((make_remediation_record(3659, generation=8),), 9, None, "left alone for another 1 s"),
        ((make_remediation_record(3660, generation=8),), 9, None, ""),
    ],
)
def test_foreign_writer(remembered, generation, key, refused, make_committee):
    """A knob that moved without us since we turned it is left alone; our own late changes are not foreign."""
    block = foreign_writer_guard(
        SCALE_UP_ACTIONS, make_guard_input(*remembered, committee=make_committee_at(make_committee, generation, key))
    )
    assert (block is None) == (not refused)
    assert refused in block_reason(block)


def test_foreign_writer_of_a_policy_and_by_restart(make_committee):
    """Policies are told apart by name, a restart of ours is not foreign, without Charter nothing is told."""
    mine = make_remediation_record(1000, knob="admission", generation=2)
    policies = (
        Policy(id="1", name="admission", generation=3, last_change=Change(generation=3)),
        Policy(id="2", name="other", generation=9, last_change=Change(generation=9)),
    )
    found = make_guard_input(mine, committee=make_committee(), policies=policies)
    assert "generation 2 → 3 by somebody else" in block_reason(foreign_writer_guard(POLICY_ACTIONS, found))
    restarted = make_guard_input(
        make_remediation_record(1000, generation=8), committee=make_committee_at(make_committee, 9, "x", "p1000-1-do")
    )
    assert foreign_writer_guard(SCALE_UP_ACTIONS, restarted) is None
    assert foreign_writer_guard(SCALE_UP_ACTIONS, make_guard_input(make_remediation_record(1000, generation=8))) is None


def test_quorum_without_a_committee_refuses():
    """Who does not know the committee does not know its majority."""
    assert (
        block_reason(quorum_guard(SCALE_UP_ACTIONS, make_guard_input()))
        == "the committee is not known, so its majority is not either"
    )


MEMBERS = frozenset(f"validator-{n}" for n in range(1, 6))
SERVICES = frozenset({"gateway", "policy-engine", "audit-log"})
CALL_TOPOLOGY = Topology(
    edges=(("gateway", "policy-engine"), ("policy-engine", "audit-log"), ("policy-engine", "committee"))
)


def make_trouble_scope(
    troubled=(), blind=(), explained=("committee",), components=SERVICES | MEMBERS, topology=CALL_TOPOLOGY
):
    """Return the services and five members, with this trouble."""
    return TroubleScope(
        components=frozenset(components),
        members=MEMBERS,
        violated=frozenset(troubled),
        blind=frozenset(blind),
        explained=frozenset(explained),
        topology=topology,
    )


SIX_COMPONENTS = frozenset({"a", "b", "c", "d", "e", "f"})
TEN_COMPONENTS = SIX_COMPONENTS | {"g", "h", "i", "j"}
SINGLE_COMPONENT = {"topology": Topology(), "explained": ("a",)}


@pytest.mark.parametrize(
    ("found", "entered"),
    [
        (make_trouble_scope(), False),
        (make_trouble_scope(MEMBERS), False),
        (make_trouble_scope({*MEMBERS, "policy-engine"}), False),
        (make_trouble_scope(SERVICES, explained=("gateway",)), False),
        (make_trouble_scope({*MEMBERS, "policy-engine", "gateway"}), True),
        (make_trouble_scope({*MEMBERS, "gateway"}, explained=("gateway",)), True),
        (make_trouble_scope({"validator-1", "validator-2", "gateway"}, explained=("gateway",)), False),
        (make_trouble_scope({"validator-1"}, blind={*MEMBERS, *SERVICES} - {"validator-1"}), True),
        (make_trouble_scope(blind={"prometheus", "charter"}), False),
        (make_trouble_scope({"a", "b", "c"}, components=SIX_COMPONENTS, **SINGLE_COMPONENT), False),
        (make_trouble_scope({"a", "b", "c", "d"}, components=SIX_COMPONENTS, **SINGLE_COMPONENT), True),
        (make_trouble_scope({"a", "b", "c", "d"}, components=TEN_COMPONENTS, **SINGLE_COMPONENT), True),
        (make_trouble_scope({"a", "b", "c"}, components=TEN_COMPONENTS, **SINGLE_COMPONENT), False),
        (
            make_trouble_scope(
                {"a", "b", "c", "d"}, components={*TEN_COMPONENTS, "k", "l", "m", "n", "o"}, **SINGLE_COMPONENT
            ),
            False,
        ),
        (make_trouble_scope({"a"}, components={"a"}, **SINGLE_COMPONENT), False),
        (
            make_trouble_scope(
                SIX_COMPONENTS,
                components=TEN_COMPONENTS,
                topology=Topology(edges=tuple(("a", x) for x in SIX_COMPONENTS)),
                explained=("a",),
            ),
            False,
        ),
        (
            make_trouble_scope(
                {*SIX_COMPONENTS, "g"},
                components=TEN_COMPONENTS,
                topology=Topology(edges=tuple(("a", x) for x in TEN_COMPONENTS)),
                explained=("a",),
            ),
            True,
        ),
        (make_trouble_scope({"a", "b", "c"}, components=TEN_COMPONENTS, topology=Topology(), explained=()), True),
        (make_trouble_scope(components=()), False),
    ],
)
def test_storm_is_entered(found, entered):
    """By more than 20 % and three that the leading cause does not explain, or more than 60 % in trouble or blind."""
    assert (next_storm(None, measure_storm(found), "charter", NOW, StormSettings()) is not None) == entered


def test_storm_is_left_with_hysteresis():
    """Below half of both limits for five minutes, seen all along; anything above starts the wait anew."""
    much, less, little = (
        measure_storm(make_trouble_scope(t, components=TEN_COMPONENTS, **SINGLE_COMPONENT))
        for t in (SIX_COMPONENTS, {"a", "b", "c"}, {"a"})
    )
    settings = StormSettings()
    entered = next_storm(None, much, "charter", NOW, settings)
    assert entered is not None
    assert entered.reason.startswith("5 components (50%) in trouble that the leading cause does not explain, 60%")
    assert next_storm(entered, less, "charter", NOW + 600, settings) == entered
    calm = next_storm(entered, little, "charter", NOW + 600, settings)
    assert calm is not None
    assert calm.calm_since == NOW + 600
    assert next_storm(calm, little, "charter", NOW + 899, settings) == calm
    assert next_storm(calm, little, "charter", NOW + 900, settings) is None
    again = next_storm(calm, less, "charter", NOW + 800, settings)
    assert again is not None
    assert again.calm_since is None


def test_storm_refuses_with_its_numbers():
    """Without a storm nothing is refused."""
    assert storm_guard(SCALE_UP_ACTIONS, make_guard_input()) is None
    block = storm_guard(
        SCALE_UP_ACTIONS,
        make_guard_input(storm=Storm(loop="charter", since=NOW - 90, reason="75% in trouble or blind")),
    )
    assert block_reason(block) == "storm for 90 s, only observed: 75% in trouble or blind"


def parse_utc(text: str) -> float:
    """Return UTC text as unix seconds."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


NIGHT_WINDOW = Window(name="nightly", cron="0 22 * * *", duration_seconds=7200, timezone="Europe/Berlin")
CHANGE_WINDOW = Window(
    name="changes", cron="0 9 * * MON", duration_seconds=3600, actions=(ActionType.SCALE_UP,), mode="allow"
)


@pytest.mark.parametrize(
    ("windows", "at", "actions", "refused"),
    [
        ((), "2026-01-15T21:00:00", SCALE_UP_ACTIONS, ""),
        ((NIGHT_WINDOW,), "2026-01-15T20:59:59", SCALE_UP_ACTIONS, ""),
        (
            (NIGHT_WINDOW,),
            "2026-01-15T21:00:00",
            SCALE_UP_ACTIONS,
            "closed by window nightly until 2026-01-16 00:00 Europe/Berlin",
        ),
        ((NIGHT_WINDOW,), "2026-01-15T22:59:59", SCALE_UP_ACTIONS, "nightly"),
        ((NIGHT_WINDOW,), "2026-01-15T23:00:00", SCALE_UP_ACTIONS, ""),
        ((NIGHT_WINDOW,), "2026-07-15T20:00:00", SCALE_UP_ACTIONS, "nightly"),
        (
            (NIGHT_WINDOW.model_copy(update={"actions": (ActionType.SCALE_UP,)}),),
            "2026-01-15T21:00:00",
            CONFIGURE_ACTIONS,
            "",
        ),
        ((CHANGE_WINDOW,), "2026-01-12T09:30:00", SCALE_UP_ACTIONS, ""),
        (
            (CHANGE_WINDOW,),
            "2026-01-12T10:00:00",
            SCALE_UP_ACTIONS,
            "only done in windows that are closed now: changes",
        ),
        ((CHANGE_WINDOW,), "2026-01-12T10:00:00", CONFIGURE_ACTIONS, ""),
        (
            (CHANGE_WINDOW, NIGHT_WINDOW.model_copy(update={"timezone": "UTC", "cron": "0 9 * * *"})),
            "2026-01-12T09:30:00",
            SCALE_UP_ACTIONS,
            "closed",
        ),
    ],
)
def test_windows(windows, at, actions, refused):
    """A window covers its duration, its end excluded, in its zone; closing beats opening; each is about its actions."""
    block = window_guard(actions, make_guard_input(at=parse_utc(at), settings=PlanSettings(windows=windows)))
    assert (block is None) == (not refused)
    assert refused in block_reason(block)


def test_a_window_that_never_comes_is_never_on():
    """The 30th of February is no day, and a second between two starts belongs to the one before."""
    never = Window(name="never", cron="0 0 29 2 *", duration_seconds=60)
    assert window_end(never, parse_utc("2026-01-15T21:00:00")) is None
    often = Window(name="often", cron="*/5 * * * *", duration_seconds=600)
    assert window_end(often, parse_utc("2026-01-15T21:02:00")) is not None


@pytest.mark.parametrize(
    ("at", "actions", "refused"),
    [
        ("2026-12-23T22:59:59", SCALE_UP_ACTIONS, ""),
        (
            "2026-12-23T23:00:00",
            SCALE_UP_ACTIONS,
            "SCALE_UP is frozen from 2026-12-24 to 2026-12-26 (Europe/Berlin): holidays",
        ),
        ("2026-12-26T22:59:59", SCALE_UP_ACTIONS, "holidays"),
        ("2026-12-26T23:00:00", SCALE_UP_ACTIONS, ""),
        ("2026-12-25T12:00:00", CONFIGURE_ACTIONS, ""),
    ],
)
def test_freeze_dates(at, actions, refused):
    """Days are whole days of the freeze's own time zone, both ends included, and may be about some actions only."""
    holidays = FreezeDates(
        name="holidays",
        first=date(2026, 12, 24),
        last=date(2026, 12, 26),
        timezone="Europe/Berlin",
        actions=(ActionType.SCALE_UP,),
    )
    block = freeze_date_guard(
        actions, make_guard_input(at=parse_utc(at), settings=PlanSettings(freeze_dates=(holidays,)))
    )
    assert (block is None) == (not refused)
    assert refused in block_reason(block)
    assert freeze_date_guard(actions, make_guard_input(at=parse_utc(at))) is None


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        (Window, {"name": "w", "cron": "every day", "duration_seconds": 60}, "must be a cron expression"),
        (Window, {"name": "w", "cron": "0 22 * * *", "duration_seconds": 60, "timezone": "Mars/Base"}, "name of a time zone"),
        (Window, {"name": "w", "cron": "0 22 * * *", "duration_seconds": 0}, "greater than 0"),
        (FreezeDates, {"name": "f", "first": date(2026, 2, 2), "last": date(2026, 2, 1)}, "is before first"),
        (ErrorBudgetSettings, {"min_remaining": 1.5}, "less than or equal to 1"),
    ],
)
def test_settings_that_cannot_be_meant(kind, values, said):
    """A window that would never be on, or nowhere, is refused when it is read."""
    with pytest.raises(ValidationError, match=said):
        kind(**values)


@pytest.mark.parametrize(
    ("actions", "left", "asked"),
    [
        (CONFIGURE_ACTIONS, None, False),
        (CONFIGURE_ACTIONS, 0.10, False),
        (CONFIGURE_ACTIONS, 0.0999, True),
        (CONFIGURE_ACTIONS, 0.0, True),
        (SCALE_UP_ACTIONS, 0.0, False),
        (POLICY_ACTIONS, 0.0, False),
        (SCALE_DOWN_ACTIONS, 0.05, True),
    ],
)
def test_little_error_budget_asks_a_person(actions, left, asked):
    """With less than a tenth left only steps towards safety need nobody; where it is not asked nothing changes."""
    assert error_budget_requires_approval(actions, left, ErrorBudgetSettings()) == asked


@pytest.mark.parametrize(
    ("values", "left"),
    [((), 0.0), ((0.5,), 0.5), ((0.5, 0.2), 0.2), ((0.5, float("nan")), 0.0), ((float("inf"),), 0.0)],
)
def test_an_error_budget_nobody_knows_is_spent(values, left):
    """Of several series the lowest counts; none, or one that is no number, is none left."""
    assert lowest_value(Sample(labels={}, value=value, at=NOW) for value in values) == left

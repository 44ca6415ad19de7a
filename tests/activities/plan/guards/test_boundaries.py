"""Rates, oscillation, storms and windows: just inside, just outside, and where what a rule asks is missing."""

from datetime import UTC, date, datetime

import pytest
from pydantic import ValidationError

from activities.model.action import Action, ActionType
from activities.model.charter import Change, Policy
from activities.model.guards import GuardState, KnobGuard
from activities.model.history import PastRemediation
from activities.model.mode import Mode, ModeName
from activities.model.storm import Storm
from activities.model.timeseries import Sample
from activities.model.topology import Topology
from activities.plan.guards.base import Conditions
from activities.plan.guards.core import quorum
from activities.plan.guards.oscillation import foreign, frozen
from activities.plan.guards.rates import budget, careful, concurrency, lowest, reverse
from activities.plan.guards.settings import (
    ErrorBudgetSettings,
    FreezeDates,
    OscillationSettings,
    RateSettings,
    StormSettings,
    Window,
)
from activities.plan.guards.storm import Scene, following, storm, weigh
from activities.plan.guards.windows import freeze_date, open_until, window
from activities.plan.settings import PlanSettings

AT = 1_000_000.0
UP = (Action(type=ActionType.SCALE_UP, parameters={"replicas": 6}),)
DOWN = (Action(type=ActionType.SCALE_DOWN, parameters={"replicas": 4}),)
TUNE = (Action(type=ActionType.UPDATE_CONFIGURATION, component="gateway"),)
POLICY = (Action(type=ActionType.APPLY_POLICY, policy="admission"),)
BACK = (Action(type=ActionType.UPDATE_CONFIGURATION, component="gateway", rollback_of="policy_1"),)
LATENCY = ("validation_latency", "committee")


def past(ago: float, ending: str = "fixed", **changes: object) -> PastRemediation:
    """Return a remediation of the committee that began so many seconds ago and took one minute; "" still runs."""
    usual = {
        "plan_id": f"p{ago:.0f}",
        "loop": "charter",
        "knob": "committee",
        "cause": LATENCY[0],
        "component": LATENCY[1],
        "sense": 1,
        "touched": ("committee",),
        "began": AT - ago,
        "ended": AT - ago + 60.0 if ending else None,
        "ending": ending,
        "undone": ending in ("rolled_back", "worse"),
    }
    return PastRemediation.model_validate(usual | changes)


def seen(*remembered: PastRemediation, knobs: tuple[KnobGuard, ...] = (), **changes: object) -> Conditions:
    """Return what the rules look at, with these remediations in the past."""
    usual = {
        "at": AT,
        "mode": Mode(loop="charter", name=ModeName.ACT),
        "guards": GuardState(past=remembered, knobs=knobs),
        "committee": None,
        "settings": PlanSettings(),
        "loop": "charter",
        "components": 8,
        "trouble": LATENCY,
    }
    return Conditions(**(usual | changes))


def reason(block: object) -> str:
    """Return why it is blocked, empty if it is not."""
    return getattr(block, "reason", "")


OTHER = {"knob": "throttle-requests.gateway", "touched": ("gateway",)}


@pytest.mark.parametrize(
    ("remembered", "refused"),
    [
        ((), ""),
        ((past(10), past(20)), ""),
        ((past(10), past(20), past(3599)), "3 remediations of committee in the last hour, at most 3; one more in 1 s"),
        ((past(10), past(20), past(3600)), ""),
        (tuple(past(4000 + 60 * n) for n in range(9)), ""),
        (tuple(past(4000 + 60 * n) for n in range(10)), "10 remediations of committee in the last day, at most 10"),
        ((*(past(4000 + 60 * n) for n in range(9)), past(86400)), ""),
        (tuple(past(10 + n, **OTHER) for n in range(9)), ""),
        (tuple(past(10 + n, **OTHER) for n in range(10)), "10 remediations of loop charter in the last hour"),
        (tuple(past(10 + n, loop="other", **OTHER) for n in range(10)), ""),
        ((past(10), past(20), past(30, loop="other")), "3 remediations of committee"),
        ((past(10), past(20), past(-5)), "3 remediations of committee"),
    ],
)
def test_budget(remembered, refused):
    """Three an hour and ten a day of a knob, ten an hour of a loop; a worker whose clock is off counts too."""
    block = budget(UP, seen(*remembered))
    assert (block is None) == (not refused)
    assert refused in reason(block)


def test_a_plans_own_beginning_does_not_count():
    """Between its steps a plan is not held against itself."""
    assert budget(UP, seen(past(10), past(20), past(30), plan_id="p30")) is None


def test_a_budget_of_nothing_allows_nothing():
    """Zero is a budget too, and its reason is said without a time."""
    none = PlanSettings(rates=RateSettings(knob_per_hour=0))
    assert reason(budget(UP, seen(settings=none))) == "0 remediations of committee in the last hour, at most 0"


RUNNING = past(100, "", **OTHER)


@pytest.mark.parametrize(
    ("remembered", "actions", "components", "refused"),
    [
        ((), UP, 8, ""),
        ((), POLICY, 8, ""),
        ((past(100, **OTHER),), UP, 8, ""),
        ((RUNNING,), UP, 8, "2 of 8 components at once, at most 1: throttle-requests.gateway runs"),
        ((RUNNING,), UP, 19, "2 of 19"),
        ((RUNNING,), UP, 20, ""),
        ((RUNNING,), TUNE, 8, ""),
        ((RUNNING,), POLICY, 20, "20 of 20 components at once, at most 2"),
        ((past(3599, "", **OTHER),), UP, 8, "2 of 8"),
        ((past(3600, "", **OTHER),), UP, 8, ""),
        ((RUNNING,), UP, 0, "2 of 1"),
    ],
)
def test_concurrency(remembered, actions, components, refused):
    """A tenth of the components at once but always one place; what never ended is forgotten after an hour."""
    block = concurrency(actions, seen(*remembered, components=components))
    assert (block is None) == (not refused)
    assert refused in reason(block)


TUNED = {"knob": "update-configuration.gateway", "touched": ("gateway",)}


@pytest.mark.parametrize(
    ("remembered", "actions", "refused"),
    [
        ((), DOWN, ""),
        ((past(899),), DOWN, "turned 899 s ago, turning it back waits 900 s: another 1 s"),
        ((past(900),), DOWN, ""),
        ((past(299, sense=-1),), DOWN, "a step away from safety waits 300 s: another 1 s"),
        ((past(300, sense=-1),), DOWN, ""),
        ((past(10, sense=-1),), UP, ""),
        ((past(899, **TUNED),), BACK, "turning it back waits 900 s"),
        ((past(899, **TUNED),), TUNE, ""),
        ((past(950, "worse", **TUNED),), TUNE, "turned 890 s ago, turning it back"),
        ((past(960, "worse", **TUNED),), TUNE, ""),
        ((past(10, "failed", applied=False),), DOWN, ""),
        ((past(10, sense=0),), DOWN, ""),
    ],
)
def test_reverse(remembered, actions, refused):
    """Back, and away from safety, has to wait; towards safety, or after nothing that was turned, it does not."""
    block = reverse(actions, seen(*remembered))
    assert (block is None) == (not refused)
    assert refused in reason(block)


@pytest.mark.parametrize(
    ("remembered", "refused"),
    [
        ((), ""),
        ((past(1800, "rolled_back"), past(900, "fixed")), ""),
        ((past(1500, "rolled_back"), past(900, "rolled_back")), "3 reversals in 1800 s, at most 2"),
        ((past(2701, "rolled_back"), past(900, "rolled_back")), ""),
        ((past(2659, "rolled_back"), past(900, "rolled_back")), "3 reversals"),
        ((past(5040, "rolled_back"), past(4440, "rolled_back")), ""),
        ((past(4259, "rolled_back"), past(3659, "rolled_back")), "frozen for another 1 s: 3 reversals"),
        ((past(4260, "rolled_back"), past(3660, "rolled_back")), ""),
    ],
)
def test_frozen_by_reversals(remembered, refused):
    """A third turn the other way within half an hour freezes the knob for an hour from then on."""
    block = frozen(UP, seen(*remembered, trouble=("other", "gateway")))
    assert (block is None) == (not refused)
    assert refused in reason(block)


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
    remembered = [past(20000 - 4000 * n, ending, sense=0) for n, ending in enumerate(endings)]
    settings = PlanSettings(oscillation=OscillationSettings(freeze_seconds=20000))
    block = frozen(UP, seen(*remembered, settings=settings))
    assert (block is None) == (not refused)
    assert refused in reason(block)


@pytest.mark.parametrize(
    ("remembered", "refused"),
    [
        ((past(2000), past(1000)), ""),
        ((past(3000), past(2000), past(1000)), "validation_latency on committee came back after 3 remedies in 14400 s"),
        ((past(3000), past(2000), past(1000, "improved")), "came back"),
        ((past(3000), past(2000), past(1000, component="gateway")), ""),
        ((past(16000), past(2000), past(1000)), ""),
        ((past(15399), past(2000), past(1000)), "came back"),
        ((past(15400), past(2000), past(1000)), ""),
        ((past(9000), past(8000), past(3659)), "frozen for another 1 s"),
        ((past(9000), past(8000), past(3660)), ""),
    ],
)
def test_frozen_by_relapses(remembered, refused):
    """Three cures of the same trouble that did not last are none: the fourth waits an hour."""
    block = frozen(UP, seen(*remembered))
    assert (block is None) == (not refused)
    assert refused in reason(block)


def test_a_person_may_release_a_frozen_knob():
    """What was done before the release freezes no more, what comes after counts again."""
    remembered = (past(3000), past(2000), past(1000))
    for released, held in ((AT - 3001, True), (AT - 2500, False), (AT, False)):
        knobs = (KnobGuard(knob="committee", released_at=released),)
        assert (frozen(UP, seen(*remembered, knobs=knobs)) is not None) == held


def committee_at(committee, generation, key=None, restart=None):
    """Return the committee at a generation, last changed under `key`, or restarted under `restart`."""
    change = Change(key=key, generation=generation if restart is None else generation - 1)
    again = None if restart is None else Change(key=restart, generation=generation)
    return committee(generation=generation).model_copy(update={"last_change": change, "last_restart": again})


@pytest.mark.parametrize(
    ("remembered", "generation", "key", "refused"),
    [
        ((), 9, None, ""),
        ((past(1000, generation=8),), 8, None, ""),
        ((past(1000, generation=8),), 9, None, "generation 8 → 9 by somebody else since plan p1000"),
        ((past(1000, generation=8),), 9, "deploy-17", "by deploy-17"),
        ((past(1000, generation=8),), 9, "p1000-1-do", ""),
        ((past(1000),), 9, None, ""),
        ((past(1000, "", generation=8),), 9, None, ""),
        ((past(3659, generation=8),), 9, None, "left alone for another 1 s"),
        ((past(3660, generation=8),), 9, None, ""),
    ],
)
def test_foreign_writer(remembered, generation, key, refused, committee):
    """A knob that moved without us since we turned it is left alone; our own late changes are not foreign."""
    block = foreign(UP, seen(*remembered, committee=committee_at(committee, generation, key)))
    assert (block is None) == (not refused)
    assert refused in reason(block)


def test_foreign_writer_of_a_policy_and_by_restart(committee):
    """Policies are told apart by name, a restart of ours is not foreign, without Charter nothing is told."""
    mine = past(1000, knob="admission", generation=2)
    policies = (
        Policy(id="1", name="admission", generation=3, last_change=Change(generation=3)),
        Policy(id="2", name="other", generation=9, last_change=Change(generation=9)),
    )
    found = seen(mine, committee=committee(), policies=policies)
    assert "generation 2 → 3 by somebody else" in reason(foreign(POLICY, found))
    restarted = seen(past(1000, generation=8), committee=committee_at(committee, 9, "x", "p1000-1-do"))
    assert foreign(UP, restarted) is None
    assert foreign(UP, seen(past(1000, generation=8))) is None


def test_quorum_without_a_committee_refuses():
    """Who does not know the committee does not know its majority."""
    assert reason(quorum(UP, seen())) == "the committee is not known, so its majority is not either"


MEMBERS = frozenset(f"validator-{n}" for n in range(1, 6))
SERVICES = frozenset({"gateway", "policy-engine", "audit-log"})
CALLS = Topology(edges=(("gateway", "policy-engine"), ("policy-engine", "audit-log"), ("policy-engine", "committee")))


def scene(troubled=(), blind=(), leading=("committee",), components=SERVICES | MEMBERS, topology=CALLS):
    """Return the services and five members, with this trouble."""
    return Scene(
        components=frozenset(components),
        members=MEMBERS,
        troubled=frozenset(troubled),
        blind=frozenset(blind),
        leading=frozenset(leading),
        topology=topology,
    )


SIX = frozenset({"a", "b", "c", "d", "e", "f"})
TEN = SIX | {"g", "h", "i", "j"}
ALONE = {"topology": Topology(), "leading": ("a",)}


@pytest.mark.parametrize(
    ("found", "entered"),
    [
        (scene(), False),
        (scene(MEMBERS), False),
        (scene({*MEMBERS, "policy-engine"}), False),
        (scene(SERVICES, leading=("gateway",)), False),
        (scene({*MEMBERS, "policy-engine", "gateway"}), True),
        (scene({*MEMBERS, "gateway"}, leading=("gateway",)), True),
        (scene({"validator-1", "validator-2", "gateway"}, leading=("gateway",)), False),
        (scene({"validator-1"}, blind={*MEMBERS, *SERVICES} - {"validator-1"}), True),
        (scene(blind={"prometheus", "charter"}), False),
        (scene({"a", "b", "c"}, components=SIX, **ALONE), False),
        (scene({"a", "b", "c", "d"}, components=SIX, **ALONE), True),
        (scene({"a", "b", "c", "d"}, components=TEN, **ALONE), True),
        (scene({"a", "b", "c"}, components=TEN, **ALONE), False),
        (scene({"a", "b", "c", "d"}, components={*TEN, "k", "l", "m", "n", "o"}, **ALONE), False),
        (scene({"a"}, components={"a"}, **ALONE), False),
        (scene(SIX, components=TEN, topology=Topology(edges=tuple(("a", x) for x in SIX)), leading=("a",)), False),
        (
            scene({*SIX, "g"}, components=TEN, topology=Topology(edges=tuple(("a", x) for x in TEN)), leading=("a",)),
            True,
        ),
        (scene({"a", "b", "c"}, components=TEN, topology=Topology(), leading=()), True),
        (scene(components=()), False),
    ],
)
def test_storm_is_entered(found, entered):
    """By more than 20 % and three that the leading cause does not explain, or more than 60 % in trouble or blind."""
    assert (following(None, weigh(found), "charter", AT, StormSettings()) is not None) == entered


def test_storm_is_left_with_hysteresis():
    """Below half of both limits for five minutes, seen all along; anything above starts the wait anew."""
    much, less, little = (weigh(scene(t, components=TEN, **ALONE)) for t in (SIX, {"a", "b", "c"}, {"a"}))
    settings = StormSettings()
    entered = following(None, much, "charter", AT, settings)
    assert entered is not None
    assert entered.why.startswith("5 components (50%) in trouble that the leading cause does not explain, 60%")
    assert following(entered, less, "charter", AT + 600, settings) == entered
    calm = following(entered, little, "charter", AT + 600, settings)
    assert calm is not None
    assert calm.calm_since == AT + 600
    assert following(calm, little, "charter", AT + 899, settings) == calm
    assert following(calm, little, "charter", AT + 900, settings) is None
    again = following(calm, less, "charter", AT + 800, settings)
    assert again is not None
    assert again.calm_since is None


def test_storm_refuses_with_its_numbers():
    """Without a storm nothing is refused."""
    assert storm(UP, seen()) is None
    block = storm(UP, seen(storm=Storm(loop="charter", since=AT - 90, why="75% in trouble or blind")))
    assert reason(block) == "storm for 90 s, only observed: 75% in trouble or blind"


def clock(text: str) -> float:
    """Return UTC text as unix seconds."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


NIGHT = Window(name="nightly", cron="0 22 * * *", duration_seconds=7200, timezone="Europe/Berlin")
CHANGES = Window(name="changes", cron="0 9 * * MON", duration_seconds=3600, actions=(ActionType.SCALE_UP,), opens=True)


@pytest.mark.parametrize(
    ("windows", "at", "actions", "refused"),
    [
        ((), "2026-01-15T21:00:00", UP, ""),
        ((NIGHT,), "2026-01-15T20:59:59", UP, ""),
        ((NIGHT,), "2026-01-15T21:00:00", UP, "closed by window nightly until 2026-01-16 00:00 Europe/Berlin"),
        ((NIGHT,), "2026-01-15T22:59:59", UP, "nightly"),
        ((NIGHT,), "2026-01-15T23:00:00", UP, ""),
        ((NIGHT,), "2026-07-15T20:00:00", UP, "nightly"),
        ((NIGHT.model_copy(update={"actions": (ActionType.SCALE_UP,)}),), "2026-01-15T21:00:00", TUNE, ""),
        ((CHANGES,), "2026-01-12T09:30:00", UP, ""),
        ((CHANGES,), "2026-01-12T10:00:00", UP, "only done in windows that are closed now: changes"),
        ((CHANGES,), "2026-01-12T10:00:00", TUNE, ""),
        (
            (CHANGES, NIGHT.model_copy(update={"timezone": "UTC", "cron": "0 9 * * *"})),
            "2026-01-12T09:30:00",
            UP,
            "closed",
        ),
    ],
)
def test_windows(windows, at, actions, refused):
    """A window covers its duration, its end excluded, in its zone; closing beats opening; each is about its actions."""
    block = window(actions, seen(at=clock(at), settings=PlanSettings(windows=windows)))
    assert (block is None) == (not refused)
    assert refused in reason(block)


def test_a_window_that_never_comes_is_never_on():
    """The 30th of February is no day, and a second between two starts belongs to the one before."""
    never = Window(name="never", cron="0 0 29 2 *", duration_seconds=60)
    assert open_until(never, clock("2026-01-15T21:00:00")) is None
    often = Window(name="often", cron="*/5 * * * *", duration_seconds=600)
    assert open_until(often, clock("2026-01-15T21:02:00")) is not None


@pytest.mark.parametrize(
    ("at", "actions", "refused"),
    [
        ("2026-12-23T22:59:59", UP, ""),
        ("2026-12-23T23:00:00", UP, "SCALE_UP is frozen from 2026-12-24 to 2026-12-26 (Europe/Berlin): holidays"),
        ("2026-12-26T22:59:59", UP, "holidays"),
        ("2026-12-26T23:00:00", UP, ""),
        ("2026-12-25T12:00:00", TUNE, ""),
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
    block = freeze_date(actions, seen(at=clock(at), settings=PlanSettings(freeze_dates=(holidays,))))
    assert (block is None) == (not refused)
    assert refused in reason(block)
    assert freeze_date(actions, seen(at=clock(at))) is None


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        (Window, {"name": "w", "cron": "every day", "duration_seconds": 60}, "no cron expression"),
        (Window, {"name": "w", "cron": "0 22 * * *", "duration_seconds": 60, "timezone": "Mars/Base"}, "no time zone"),
        (Window, {"name": "w", "cron": "0 22 * * *", "duration_seconds": 0}, "greater than 0"),
        (FreezeDates, {"name": "f", "first": date(2026, 2, 2), "last": date(2026, 2, 1)}, "before it begins"),
        (ErrorBudgetSettings, {"least": 1.5}, "less than or equal to 1"),
    ],
)
def test_settings_that_cannot_be_meant(kind, values, said):
    """A window that would never be on, or nowhere, is refused when it is read."""
    with pytest.raises(ValidationError, match=said):
        kind(**values)


@pytest.mark.parametrize(
    ("actions", "left", "asked"),
    [
        (TUNE, None, False),
        (TUNE, 0.10, False),
        (TUNE, 0.0999, True),
        (TUNE, 0.0, True),
        (UP, 0.0, False),
        (POLICY, 0.0, False),
        (DOWN, 0.05, True),
    ],
)
def test_little_error_budget_asks_a_person(actions, left, asked):
    """With less than a tenth left only steps towards safety need nobody; where it is not asked nothing changes."""
    assert careful(actions, left, ErrorBudgetSettings()) == asked


@pytest.mark.parametrize(
    ("values", "left"),
    [((), 0.0), ((0.5,), 0.5), ((0.5, 0.2), 0.2), ((0.5, float("nan")), 0.0), ((float("inf"),), 0.0)],
)
def test_an_error_budget_nobody_knows_is_spent(values, left):
    """Of several series the lowest counts; none, or one that is no number, is none left."""
    assert lowest(Sample(labels={}, value=value, at=AT) for value in values) == left

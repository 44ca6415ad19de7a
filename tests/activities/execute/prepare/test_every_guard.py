"""Each guard stops a plan when it is chosen, when it is prepared and before it is sent, by its own name."""

from dataclasses import replace
from datetime import date

import pytest

from activities.execute.pre_apply import asking, begun
from activities.execute.prepare.preparation import Facts, check
from activities.execute.settings import ExecuteSettings
from activities.model.action import Action, ActionType
from activities.model.autonomy import Autonomy, Level
from activities.model.charter import Change, Committee, Member
from activities.model.guards import GuardState, KnobGuard, Unsettled
from activities.model.history import PastRemediation
from activities.model.mode import Mode, ModeName
from activities.model.storm import Storm
from activities.plan.guards.base import Conditions
from activities.plan.guards.core import PASSING, first_block
from activities.plan.guards.settings import FreezeDates, RateSettings, Window
from activities.plan.settings import PlanSettings

AT = 100_000.0
ACT = Mode(loop="charter", name=ModeName.ACT)
STORM = Storm(loop="charter", since=AT - 100, why="75% in trouble or blind")
MEMBERS = tuple(Member(name=f"validator-{i}", leader=i == 1) for i in range(1, 6))
COMMITTEE = Committee(
    replicas=5, healthy_nodes=5, generation=7, members=MEMBERS, last_change=Change(key="deploy-1", generation=7)
)
DOWN = Action(type=ActionType.SCALE_DOWN, parameters={"replicas": 4})


def past(ago, **changes):
    """Return a remediation of the committee by this loop that was fixed within a minute."""
    usual = {"plan_id": f"p{ago}", "loop": "charter", "knob": "committee", "sense": 1, "touched": ("committee",)}
    return PastRemediation(**(usual | {"began": AT - ago, "ended": AT - ago + 60, "ending": "fixed"} | changes))


def of(*remembered, knobs=()):
    """Return a guard state."""
    return {"guards": GuardState(past=remembered, knobs=knobs)}


ALWAYS = Window(name="always", cron="* * * * *", duration_seconds=120)
EVER = FreezeDates(name="ever", first=date(1970, 1, 1), last=date(1970, 1, 2))
RUNNING = past(90, knob="rebalance-load.gateway", touched=("gateway",), ended=None, ending="")

HELD = {
    "quarantine": of(knobs=(KnobGuard(knob="committee", quarantined=True),)),
    "unsettled": {"guards": GuardState(unsettled=(Unsettled(knob="committee", plan_id="other", since=AT - 100),))},
    "storm": {"guards": GuardState(storms=(STORM,))},
    "frozen": of(*(past(ago, ending="failed") for ago in (300, 4000, 8000))),
    "foreign-writer": of(past(600, generation=6, sense=0)),
    "cool-down": of(knobs=(KnobGuard(knob="committee", cooldown_until=AT + 5),)),
    "reverse": of(past(600, generation=7)),
    "budget": {"settings": PlanSettings(rates=RateSettings(loop_per_hour=0))},
    "concurrency": of(RUNNING),
    "freeze-date": {"settings": PlanSettings(freeze_dates=(EVER,))},
    "window": {"settings": PlanSettings(windows=(ALWAYS,))},
    "mode": {"mode": Mode(loop="charter", name=ModeName.OBSERVE)},
}
"""For each passing rule what it alone refuses a SCALE_DOWN by; everything else lets it through."""
BY_CHARTER = frozenset({"foreign-writer"})
"""Told by Charter's state, which is not read again before each step: there the knob's generation is the fence."""


def found(**changes):
    """Return where nothing is held back, with these changes."""
    usual = {"at": AT, "mode": ACT, "guards": GuardState(), "committee": COMMITTEE, "settings": PlanSettings()}
    return usual | changes


def conditions(name=""):
    """Return what the rules look at, with what one of them refuses."""
    seen = found(**HELD.get(name, {}))
    return Conditions(**seen, loop="charter", components=8, storm=seen["guards"].storm("charter"))


def facts(name=""):
    """Return what is seen just before the apply, with the same."""
    seen = found(**HELD.get(name, {}))
    return Facts(
        **seen,
        policies=(),
        components=8,
        violated=frozenset({("validator-1", "p99")}),
        blind=frozenset(),
        execute=ExecuteSettings(),
        autonomy=Autonomy(start=Level.AUTO),
        storm=seen["guards"].storm("charter"),
    )


def test_there_is_a_case_for_every_rule():
    """No rule is forgotten, and without any case nothing is refused."""
    names = {rule.__name__.replace("_", "-") for rule in PASSING}
    assert {"foreign" if name == "foreign-writer" else name for name in HELD} == names
    assert first_block(PASSING, (DOWN,), conditions()) is None


@pytest.mark.parametrize("name", HELD)
def test_stopped_when_it_is_chosen(name):
    """The planner's rules refuse it."""
    block = first_block(PASSING, (DOWN,), conditions(name))
    assert block is not None
    assert (block.rule, bool(block.reason)) == (name, True)


@pytest.mark.parametrize("name", HELD)
def test_stopped_when_it_is_prepared(name, plan):
    """What became true since the plan was made makes it stale, with the rule in its own field."""
    made = plan(DOWN, created_at=AT - 20)
    assert check(made, facts()).ending == ""
    prepared = check(made, facts(name))
    assert (prepared.ending, prepared.blocked_by, prepared.loop) == ("stale", name, "charter")
    assert prepared.headline.startswith(f"stale: {name}: ")


@pytest.mark.parametrize("name", HELD)
def test_stopped_before_it_is_sent(name, plan):
    """What became true since it was prepared stops the step."""
    made, seen = plan(DOWN, watched=8), found(**HELD[name])
    assert asking(made, ACT, PlanSettings(), AT)(GuardState()) is None
    block = asking(made, seen["mode"], seen["settings"], AT)(seen["guards"])
    assert (block.rule if block else "") == ("" if name in BY_CHARTER else name)


@pytest.mark.parametrize("name", sorted(set(HELD) - {"quarantine", "unsettled"}))
def test_a_persons_plan_is_not_held_back(name, plan):
    """What guards against the loop itself does not bind a person."""
    made = plan(DOWN, created_at=AT - 20, requested_by="ada", watched=8)
    assert check(made, facts(name)).ending == ""
    seen = found(**HELD[name])
    assert asking(made, seen["mode"], seen["settings"], AT)(seen["guards"]) is None


def test_a_pause_lets_what_has_begun_end(plan):
    """The mode stops a plan that has not begun, and none of which a step was sent already."""
    made, paused = plan(DOWN, watched=8), found(**HELD["mode"])["mode"]
    block = asking(made, paused, PlanSettings(), AT)(GuardState())
    assert block is not None
    assert block.rule == "mode"
    under_way = GuardState(past=(begun(made, AT - 5),))
    assert asking(made, paused, PlanSettings(), AT)(under_way) is None


def test_silenced_since_the_decision(plan):
    """A silence that came after the plan makes it stale too."""
    made = plan(DOWN, created_at=AT - 20)
    prepared = check(made, replace(facts(), silenced=("validator-1",)))
    assert (prepared.ending, prepared.blocked_by) == ("stale", "silenced")


def test_a_beginning_is_remembered_as_it_is(plan, actions):
    """What is noted says which knob is turned which way, for which trouble, and what is touched."""
    noted = begun(plan(actions["scale"], actions["restart"]), AT)
    assert (noted.knob, noted.sense, noted.touched) == ("committee", 1, ("committee", "validator-2"))
    assert (noted.cause, noted.component, noted.began, noted.ended) == ("validation_latency", "committee", AT, None)
    assert begun(plan(DOWN), AT).sense == -1

"""For each guard: an input just inside its limit, one just outside, and one with missing state."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from activities.model.action import Action, ActionType
from activities.model.autonomy import Autonomy, AutonomyRecord, Level
from activities.model.charter import Change, Committee, Member
from activities.model.diagnosis import Cause
from activities.model.guard_rule import GuardRule
from activities.model.guard_state import GuardState, KnobGuard, UnsettledPlan
from activities.model.mode import LoopMode, Mode, with_kill_switch
from activities.model.storm import Storm
from activities.plan.guards.base import Actions, GuardInput
from activities.plan.guards.settings import FreezeDates, RateSettings, Window
from activities.plan.settings import PlanSettings
from tests.activities.plan.guards.guard_inputs import (
    LATENCY_ROOT,
    NOW,
    SCALE_DOWN_ACTIONS,
    SCALE_UP_ACTIONS,
    make_guard_input,
    make_remediation_record,
)

ACT = Mode(loop="charter", name=LoopMode.ACT)
FIRST_DAY = date(1970, 1, 12)
"""The day of `NOW` in UTC."""


def make_committee(healthy: int = 5, generation: int = 7) -> Committee:
    """Return a committee of five, last changed by another writer."""
    members = tuple(
        Member(name=f"validator-{number}", leader=number == 1, healthy=number <= healthy) for number in range(1, 6)
    )
    change = Change(key="deploy-1", generation=generation)
    return Committee(replicas=5, healthy_nodes=healthy, generation=generation, members=members, last_change=change)


def make_case(*remediations: Any, **changes: Any) -> GuardInput:
    """Return an input that no guard refuses, with these changes."""
    return make_guard_input(*remediations, **({"committee": make_committee()} | changes))


def make_knob(**changes: Any) -> GuardInput:
    """Return an input with this state of the committee's knob."""
    return make_case(knobs=(KnobGuard(knob="committee", **changes),))


def make_running(component_count: int) -> GuardInput:
    """Return an input with a running remediation of another knob."""
    other = make_remediation_record(90, "", knob="rebalance-load.gateway", affected_components=("gateway",))
    return make_case(other, component_count=component_count)


def make_failures(count: int) -> GuardInput:
    """Return an input with so many failed remediations in a row."""
    return make_case(*(make_remediation_record(8000 - 4000 * n, "failed", knob_direction=0) for n in range(count)))


def make_window(mode: str, cron: str) -> GuardInput:
    """Return an input with one window of one minute."""
    window = Window.model_validate({"name": "w", "cron": cron, "duration_seconds": 60, "mode": mode})
    return make_case(settings=PlanSettings(windows=(window,)))


def make_freeze(first: date) -> GuardInput:
    """Return an input with a freeze from a day until that of `NOW`, or of that day alone if it is later."""
    freeze = FreezeDates(name="holidays", first=first, last=max(first, FIRST_DAY))
    return make_case(settings=PlanSettings(freeze_dates=(freeze,)))


def make_trust(level: Level) -> Autonomy:
    """Return an autonomy that starts at auto, with SCALE_DOWN at a level."""
    record = AutonomyRecord(cause=Cause.VALIDATION_LATENCY, action=ActionType.SCALE_DOWN, level=level)
    return Autonomy(start=Level.AUTO, records=(record,))


@dataclass(frozen=True)
class GuardCases:
    """`inside` lets the actions pass, `outside` refuses them; `missing` says whether `missing_refuses`."""

    inside: GuardInput
    outside: GuardInput
    missing: GuardInput
    missing_refuses: bool = False
    actions: Actions = SCALE_DOWN_ACTIONS
    missing_actions: Actions = SCALE_DOWN_ACTIONS


GUARD_CASES: Mapping[GuardRule, GuardCases] = {
    GuardRule.ALLOWED: GuardCases(
        inside=make_case(settings=PlanSettings(allowed_actions=(ActionType.SCALE_DOWN,))),
        outside=make_case(settings=PlanSettings(allowed_actions=(ActionType.SCALE_UP,))),
        missing=make_case(settings=PlanSettings(allowed_actions=())),
        missing_refuses=True,
    ),
    GuardRule.MAX_REPLICAS: GuardCases(
        inside=make_case(settings=PlanSettings(max_replicas=6)),
        outside=make_case(settings=PlanSettings(max_replicas=5)),
        missing=make_case(settings=PlanSettings(max_replicas=5)),
        actions=SCALE_UP_ACTIONS,
        missing_actions=(Action(type=ActionType.SCALE_UP),),
    ),
    GuardRule.QUORUM: GuardCases(
        inside=make_case(committee=make_committee(healthy=5)),
        outside=make_case(committee=make_committee(healthy=4)),
        missing=make_case(committee=None),
        missing_refuses=True,
    ),
    GuardRule.CONFIDENCE: GuardCases(
        inside=make_case(confidence=0.6),
        outside=make_case(confidence=0.599),
        missing=make_case(root=LATENCY_ROOT.model_copy(update={"confidence": 0.0})),
        missing_refuses=True,
    ),
    GuardRule.QUARANTINE: GuardCases(
        inside=make_knob(quarantined=False, quarantine_reason="released"),
        outside=make_knob(quarantined=True),
        missing=make_case(knobs=()),
    ),
    GuardRule.UNSETTLED: GuardCases(
        inside=make_case(guards=GuardState(unsettled=(UnsettledPlan(knob="admission", plan_id="other", since=NOW),))),
        outside=make_case(guards=GuardState(unsettled=(UnsettledPlan(knob="committee", plan_id="other", since=NOW),))),
        missing=make_case(guards=GuardState(unsettled=())),
    ),
    GuardRule.STORM: GuardCases(
        inside=make_case(guards=GuardState(storms=(Storm(loop="other", since=NOW, reason="75%"),))),
        outside=make_case(storm=Storm(loop="charter", since=NOW, reason="75% in trouble or blind")),
        missing=make_case(storm=None),
    ),
    GuardRule.FROZEN: GuardCases(inside=make_failures(2), outside=make_failures(3), missing=make_failures(0)),
    GuardRule.FOREIGN_WRITER: GuardCases(
        inside=make_case(make_remediation_record(600, generation=7, knob_direction=0)),
        outside=make_case(make_remediation_record(600, generation=6, knob_direction=0)),
        missing=make_case(make_remediation_record(600, knob_direction=0)),
    ),
    GuardRule.COOL_DOWN: GuardCases(
        inside=make_knob(cool_down_until=NOW),
        outside=make_knob(cool_down_until=NOW + 1),
        missing=make_case(knobs=()),
    ),
    GuardRule.REVERSE: GuardCases(
        inside=make_case(make_remediation_record(900, generation=7)),
        outside=make_case(make_remediation_record(899, generation=7)),
        missing=make_case(make_remediation_record(899, generation=7, applied=False)),
    ),
    GuardRule.BUDGET: GuardCases(
        inside=make_case(
            make_remediation_record(600, generation=7, knob_direction=0),
            settings=PlanSettings(rates=RateSettings(knob_per_hour=2)),
        ),
        outside=make_case(
            make_remediation_record(600, generation=7, knob_direction=0),
            settings=PlanSettings(rates=RateSettings(knob_per_hour=1)),
        ),
        missing=make_case(settings=PlanSettings(rates=RateSettings(knob_per_hour=0))),
        missing_refuses=True,
    ),
    GuardRule.CONCURRENCY: GuardCases(
        inside=make_running(20), outside=make_running(19), missing=make_running(0), missing_refuses=True
    ),
    GuardRule.FREEZE_DATE: GuardCases(
        inside=make_freeze(date(1970, 1, 13)),
        outside=make_freeze(FIRST_DAY),
        missing=make_case(settings=PlanSettings(freeze_dates=())),
    ),
    GuardRule.WINDOW: GuardCases(
        inside=make_window("block", "47 13 * * *"),
        outside=make_window("block", "46 13 * * *"),
        missing=make_window("allow", "0 0 29 2 *"),
        missing_refuses=True,
    ),
    GuardRule.KILL_SWITCH: GuardCases(
        inside=make_case(mode=with_kill_switch("", ACT)),
        outside=make_case(mode=with_kill_switch("kill switch: /k: ada", ACT)),
        missing=make_case(mode=ACT),
    ),
    GuardRule.MODE: GuardCases(
        inside=make_case(mode=ACT),
        outside=make_case(mode=Mode(loop="charter", name=LoopMode.OBSERVE)),
        missing=make_case(mode=Mode(loop="charter", name=LoopMode.STOPPED)),
        missing_refuses=True,
    ),
    GuardRule.SILENCED: GuardCases(
        inside=make_case(silenced=("gateway",)),
        outside=make_case(silenced=("committee",)),
        missing=make_case(silenced=("*",)),
        missing_refuses=True,
    ),
    GuardRule.AUTONOMY: GuardCases(
        inside=make_case(autonomy=make_trust(Level.SUGGEST)),
        outside=make_case(autonomy=make_trust(Level.SHADOW)),
        missing=make_case(autonomy=Autonomy()),
        missing_refuses=True,
    ),
}

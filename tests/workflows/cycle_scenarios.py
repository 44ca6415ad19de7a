"""Cycles as they can go: each scene plays one on a stage, with the remediations it starts or finds, and sees it end."""

from typing import Any

from tests.workflows import activity_results
from tests.workflows.activity_results import (
    make_blind_observation,
    make_decision,
    make_diagnosis,
    make_healthy_observation,
    make_plan_summary,
    make_prepare_result,
)
from tests.workflows.remediation_scenarios import WAITING_ANSWERS, Scenario
from tests.workflows.scripted_worker import HeldAnswer
from tests.workflows.workflow_env import ScriptedRun, WorkflowTestEnv


def make_observing_scenario(script: dict[str, Any]) -> Scenario:
    """A scene in which nothing is started."""

    async def play(stage: WorkflowTestEnv) -> ScriptedRun:
        run = await stage.start_cycle(script)
        await run.fetch_result()
        return run

    return play


def make_planning_scenario(count: int) -> Scenario:
    """A scene in which so many knobs are planned for, and all are free."""

    async def play(stage: WorkflowTestEnv) -> ScriptedRun:
        briefs = [make_plan_summary(stage.unique_name("knob")) for _ in range(count)]
        gates = [HeldAnswer(make_prepare_result()) for _ in briefs]
        for brief, gate in zip(briefs, gates, strict=True):
            stage.set_script(brief.workflow_id, activity_results.make_remediation_script(prepare=gate))
        run = await stage.start_cycle(activity_results.make_cycle_script(*briefs))
        await run.fetch_result()
        for brief, gate in zip(briefs, gates, strict=True):
            await gate.wait_for_arrival()
            gate.opened.set()
            await stage.expect_child(brief.workflow_id).fetch_result()
        return run

    return play


def make_locked_scenario(supersedes: str = "") -> Scenario:
    """A scene in which the knob's remediation waits for an approval; a plan that supersedes it asks it to yield."""

    async def play(stage: WorkflowTestEnv) -> ScriptedRun:
        knob = stage.unique_name("knob")
        waiting = await stage.start_remediation(knob=knob, prepare=WAITING_ANSWERS)
        await waiting.wait_until_handled("phase awaiting-approval")
        run = await stage.start_cycle(
            activity_results.make_cycle_script(make_plan_summary(knob, "0123456789ab", supersedes))
        )
        await run.fetch_result()
        return run

    return play


CYCLE_SCENARIOS: dict[str, Scenario] = {
    "healthy": make_observing_scenario({"monitor": make_healthy_observation()}),
    "healthy-at-a-closer-look": make_observing_scenario(
        activity_results.make_cycle_script(analyze=make_diagnosis("healthy"))
    ),
    "blind": make_observing_scenario({"monitor": make_blind_observation()}),
    "blind-at-a-closer-look": make_observing_scenario(
        activity_results.make_cycle_script(analyze=make_diagnosis("blind"))
    ),
    "blocked": make_observing_scenario(activity_results.make_cycle_script(plan=make_decision("blocked"))),
    "blocked-without-store": make_observing_scenario(
        activity_results.make_cycle_script(analyze=make_diagnosis("blocked"))
    ),
    "observed": make_observing_scenario(activity_results.make_cycle_script(plan=make_decision("observed"))),
    "unknown": make_observing_scenario(activity_results.make_cycle_script(plan=make_decision("unknown"))),
    "escalated": make_observing_scenario(activity_results.make_cycle_script(plan=make_decision("escalated"))),
    "planned": make_planning_scenario(1),
    "planned-two-knobs": make_planning_scenario(2),
    "busy": make_locked_scenario(),
    "busy-superseding": make_locked_scenario(supersedes=activity_results.PLAN_ID),
}

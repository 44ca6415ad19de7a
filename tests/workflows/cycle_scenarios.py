"""Scenarios of cycles: each plays one to its end, with the remediations that it starts or finds."""

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
    """Return a scenario that starts no remediation."""

    async def play(env: WorkflowTestEnv) -> ScriptedRun:
        run = await env.start_cycle(script)
        await run.fetch_result()
        return run

    return play


def make_planning_scenario(count: int) -> Scenario:
    """Return a scenario that plans for `count` free knobs."""

    async def play(env: WorkflowTestEnv) -> ScriptedRun:
        summaries = [make_plan_summary(env.unique_name("knob")) for _ in range(count)]
        gates = [HeldAnswer(make_prepare_result()) for _ in summaries]
        for summary, gate in zip(summaries, gates, strict=True):
            env.set_script(summary.workflow_id, activity_results.make_remediation_script(prepare=gate))
        run = await env.start_cycle(activity_results.make_cycle_script(*summaries))
        await run.fetch_result()
        for summary, gate in zip(summaries, gates, strict=True):
            await gate.wait_for_arrival()
            gate.opened.set()
            await env.expect_child(summary.workflow_id).fetch_result()
        return run

    return play


def make_locked_scenario(supersedes: str = "") -> Scenario:
    """Return a scenario with a remediation that waits for approval; a plan that supersedes it asks it to yield."""

    async def play(env: WorkflowTestEnv) -> ScriptedRun:
        knob = env.unique_name("knob")
        waiting = await env.start_remediation(knob=knob, prepare=WAITING_ANSWERS)
        await waiting.wait_until_handled("phase awaiting-approval")
        run = await env.start_cycle(
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

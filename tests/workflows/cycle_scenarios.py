"""Cycles as they can go: each scene plays one on a stage, with the remediations it starts or finds, and sees it end."""

from typing import Any

from tests.workflows import activity_results
from tests.workflows.activity_results import blind, decision, diagnosis, healthy, plan_brief, prepared
from tests.workflows.remediation_scenarios import WAITS, Scene
from tests.workflows.scripted_worker import Gate
from tests.workflows.workflow_env import Run, Stage


def looks(script: dict[str, Any]) -> Scene:
    """A scene in which nothing is started."""

    async def play(stage: Stage) -> Run:
        run = await stage.cycle(script)
        await run.result()
        return run

    return play


def plans(count: int) -> Scene:
    """A scene in which so many knobs are planned for, and all are free."""

    async def play(stage: Stage) -> Run:
        briefs = [plan_brief(stage.fresh("knob")) for _ in range(count)]
        gates = [Gate(prepared()) for _ in briefs]
        for brief, gate in zip(briefs, gates, strict=True):
            stage.lay_out(brief.workflow_id, activity_results.remediation(prepare=gate))
        run = await stage.cycle(activity_results.cycle(*briefs))
        await run.result()
        for brief, gate in zip(briefs, gates, strict=True):
            await gate.arrived()
            gate.opened.set()
            await stage.child(brief.workflow_id).result()
        return run

    return play


def finds_locked(supersedes: str = "") -> Scene:
    """A scene in which the knob's remediation waits for an approval; a plan that supersedes it asks it to yield."""

    async def play(stage: Stage) -> Run:
        knob = stage.fresh("knob")
        waiting = await stage.remediate(knob=knob, prepare=WAITS)
        await waiting.until("phase awaiting-approval")
        run = await stage.cycle(activity_results.cycle(plan_brief(knob, "0123456789ab", supersedes)))
        await run.result()
        return run

    return play


CYCLES: dict[str, Scene] = {
    "healthy": looks({"monitor": healthy()}),
    "healthy-at-a-closer-look": looks(activity_results.cycle(analyze=diagnosis("healthy"))),
    "blind": looks({"monitor": blind()}),
    "blind-at-a-closer-look": looks(activity_results.cycle(analyze=diagnosis("blind"))),
    "blocked": looks(activity_results.cycle(plan=decision("blocked"))),
    "blocked-without-store": looks(activity_results.cycle(analyze=diagnosis("blocked"))),
    "observed": looks(activity_results.cycle(plan=decision("observed"))),
    "unknown": looks(activity_results.cycle(plan=decision("unknown"))),
    "escalated": looks(activity_results.cycle(plan=decision("escalated"))),
    "planned": plans(1),
    "planned-two-knobs": plans(2),
    "busy": finds_locked(),
    "busy-superseding": finds_locked(supersedes=activity_results.PLAN),
}

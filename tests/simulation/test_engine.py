"""The simulated Temporal server keeps the promises of the real one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from activities.model.identifiers import SearchAttribute, WorkflowName
from activities.model.remediation import (
    ApplyRequest,
    PrepareRequest,
    RecordRequest,
    ReleaseRequest,
    RemediationRequest,
    UndoRequest,
    VerifyRequest,
)
from tests.simulation.activity_attempts import CURRENT_ATTEMPT
from tests.simulation.engine import Engine
from tests.simulation.virtual_time import run_in_virtual_time
from tests.simulation.workflow_run import WorkflowRun
from tests.workflows import activity_results
from tests.workflows.scripted_worker import ActivityScript
from workflows.remediation import MapekRemediation

REQUEST_TYPES: dict[str, type] = {
    "prepare": PrepareRequest,
    "apply": ApplyRequest,
    "undo": UndoRequest,
    "verify": VerifyRequest,
    "record": RecordRequest,
    "release": ReleaseRequest,
}


def make_engine(script: ActivityScript) -> Engine:
    """Return an engine whose activities take one second each and return the answers of a script."""

    def make_activity(name: str, request_type: type) -> Callable[[Any], Awaitable[Any]]:
        async def activity(request: Any) -> Any:
            await asyncio.sleep(1.0)
            return await script.play_answer(name, request)

        activity.__annotations__ = {"request": request_type}
        return activity

    activities = {name: make_activity(name, request_type) for name, request_type in REQUEST_TYPES.items()}
    return Engine({WorkflowName.REMEDIATION: MapekRemediation}, activities, lambda: 0.01)


def play_remediation(
    script: ActivityScript, intervene: Callable[[Engine], object] | None = None, after_seconds: float = 0.0
) -> WorkflowRun:
    """Play a remediation to its end and return its run. `intervene` gets the engine after `after_seconds`."""

    async def main() -> WorkflowRun:
        engine = make_engine(script)
        started = engine.start_workflow(
            WorkflowName.REMEDIATION,
            "mapek-fix:charter:k",
            RemediationRequest(loop="c", plan_id=activity_results.PLAN_ID),
        )
        await asyncio.sleep(after_seconds)
        if intervene:
            intervene(engine)
        await asyncio.sleep(10_000.0)
        return started

    return run_in_virtual_time(main())


def test_a_remediation_runs_to_its_end() -> None:
    """Activations alone run the product's workflow."""
    assert (
        play_remediation(ActivityScript(activity_results.make_remediation_script())).attributes[SearchAttribute.OUTCOME]
        == "fixed"
    )


def test_a_killed_worker_is_replayed() -> None:
    """After its worker was killed, the workflow continues; its replay issues the same commands."""
    for tenth in range(0, 45, 3):
        done = play_remediation(
            ActivityScript(activity_results.make_remediation_script(verify=activity_results.MADE_WORSE)),
            Engine.kill_worker,
            tenth / 10,
        )
        assert done.attributes[SearchAttribute.OUTCOME] == "rolled_back"
        assert not [event for event in done.history if event["event"] == "nondeterminism"]


def test_an_attempt_of_a_killed_worker_is_retried() -> None:
    """After the heartbeat timeout the activity gets another attempt."""
    script = ActivityScript(activity_results.make_remediation_script())
    done = play_remediation(script, Engine.kill_worker, 1.5)
    apply = next(event for event in done.history if event.get("name") == "apply")
    assert apply["attempt"] == 2
    assert len(script.requests_of("apply")) == 1


def test_a_cancelled_remediation_compensates() -> None:
    """After a cancellation in mid-step the step ends, is undone, and `stopped` is recorded."""
    script = ActivityScript(activity_results.make_remediation_script(undo=activity_results.UNDONE))
    play_remediation(script, lambda engine: engine.cancel("mapek-fix:charter:k"), 1.5)
    assert [name for name, _ in script.calls] == ["prepare", "apply", "undo", "verify", "record"]
    assert script.requests_of("record")[0].outcome == "stopped"


def test_a_reset_run_continues_after_the_given_task() -> None:
    """The activities after that task are scheduled again, and the run ends with the same outcome."""
    script = ActivityScript(activity_results.make_remediation_script())
    play_remediation(script, lambda engine: engine.reset("mapek-fix:charter:k", 1), 2.5)
    abandoned = ["prepare", "apply", "verify"]
    assert [name for name, _ in script.calls] == [*abandoned, "prepare", "apply", "verify", "record"]


def test_a_terminated_run_frees_its_id() -> None:
    """A terminated run schedules nothing more, and its workflow id is free."""

    def terminate(engine: Engine) -> None:
        engine.terminate("mapek-fix:charter:k")
        assert "mapek-fix:charter:k" not in engine.running

    done = play_remediation(ActivityScript(activity_results.make_remediation_script()), terminate, 1.5)
    assert done.status == "terminated"
    assert CURRENT_ATTEMPT.get() is None

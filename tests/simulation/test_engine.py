"""The engine behind the simulation keeps the promises it stands in for."""

import asyncio

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
from tests.workflows import activity_results
from tests.workflows.scripted_worker import ActivityScript
from workflows.remediation import MapekRemediation

REQUEST_TYPES = {
    "prepare": PrepareRequest,
    "apply": ApplyRequest,
    "undo": UndoRequest,
    "verify": VerifyRequest,
    "record": RecordRequest,
    "release": ReleaseRequest,
}


def make_engine(script):
    """An engine whose activities take a second each and answer from a script."""

    def scripted(name, kind):
        async def activity(request):
            await asyncio.sleep(1.0)
            return await script.play_answer(name, request)

        activity.__annotations__ = {"request": kind}
        return activity

    activities = {name: scripted(name, kind) for name, kind in REQUEST_TYPES.items()}
    return Engine({WorkflowName.REMEDIATION: MapekRemediation}, activities, lambda: 0.01)


def play_remediation(script, intervene=None, after_seconds=0.0):
    """Play a remediation to its end and return its run; `meddle` is called with the engine after `at` seconds."""

    async def main():
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
    """The product's workflow is carried out by activations alone."""
    assert (
        play_remediation(ActivityScript(activity_results.make_remediation_script())).attributes[SearchAttribute.OUTCOME]
        == "fixed"
    )


def test_a_killed_worker_is_replayed() -> None:
    """After a worker's death its workflow goes on where it was, and says on replay what it said before."""
    for tenth in range(0, 45, 3):
        done = play_remediation(
            ActivityScript(activity_results.make_remediation_script(verify=activity_results.MADE_WORSE)),
            Engine.kill_worker,
            tenth / 10,
        )
        assert done.attributes[SearchAttribute.OUTCOME] == "rolled_back"
        assert not [event for event in done.history if event["event"] == "nondeterminism"]


def test_a_dead_attempt_is_tried_again() -> None:
    """What died with its worker is another attempt, once its heartbeat was missed."""
    script = ActivityScript(activity_results.make_remediation_script())
    done = play_remediation(script, Engine.kill_worker, 1.5)
    apply = next(event for event in done.history if event.get("name") == "apply")
    assert apply["attempt"] == 2
    assert len(script.requests_of("apply")) == 1


def test_a_cancelled_remediation_compensates() -> None:
    """A cancellation while a step is in flight lets it end, undoes it and records that it was stopped."""
    script = ActivityScript(activity_results.make_remediation_script(undo=activity_results.UNDONE))
    play_remediation(script, lambda engine: engine.cancel("mapek-fix:charter:k"), 1.5)
    assert [name for name, _ in script.calls] == ["prepare", "apply", "undo", "verify", "record"]
    assert script.requests_of("record")[0].outcome == "stopped"


def test_a_reset_run_begins_again_where_it_was_sent_back_to() -> None:
    """What was done after that point is asked for again, by the same code, and ends as it would have."""
    script = ActivityScript(activity_results.make_remediation_script())
    play_remediation(script, lambda engine: engine.reset("mapek-fix:charter:k", 1), 2.5)
    zombie = ["prepare", "apply", "verify"]
    assert [name for name, _ in script.calls] == [*zombie, "prepare", "apply", "verify", "record"]


def test_a_terminated_run_frees_its_id() -> None:
    """Whoever is terminated does nothing more, and another one may hold the knob."""

    def terminate(engine):
        engine.terminate("mapek-fix:charter:k")
        assert "mapek-fix:charter:k" not in engine.running

    done = play_remediation(ActivityScript(activity_results.make_remediation_script()), terminate, 1.5)
    assert done.status == "terminated"
    assert CURRENT_ATTEMPT.get() is None

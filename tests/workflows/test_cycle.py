"""The outcomes of cycles, and the detached remediations that outlive them."""

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError

from activities.model.errors import NotFound
from tests.workflows import activity_results
from tests.workflows.activity_results import PLAN_ID, VIOLATION, make_decision, make_plan_summary, make_prepare_result
from tests.workflows.cycle_scenarios import CYCLE_SCENARIOS
from tests.workflows.history_summary import list_scheduled_activities
from tests.workflows.remediation_scenarios import WAITING_ANSWERS
from tests.workflows.scripted_worker import HeldAnswer
from tests.workflows.workflow_env import WorkflowTestEnv
from workflows import search_attributes

CLOSER_LOOK_ACTIVITIES = "monitor, analyze"
FULL_CYCLE_ACTIVITIES = "monitor, analyze, plan"
EXPECTED_ACTIVITIES = {
    "healthy": "monitor",
    "healthy-at-a-closer-look": CLOSER_LOOK_ACTIVITIES,
    "blind": "monitor",
    "blind-at-a-closer-look": CLOSER_LOOK_ACTIVITIES,
    "blocked": FULL_CYCLE_ACTIVITIES,
    "blocked-without-store": CLOSER_LOOK_ACTIVITIES,
    "observed": FULL_CYCLE_ACTIVITIES,
    "unknown": FULL_CYCLE_ACTIVITIES,
    "escalated": FULL_CYCLE_ACTIVITIES,
    "planned": FULL_CYCLE_ACTIVITIES,
    "planned-two-knobs": FULL_CYCLE_ACTIVITIES,
    "busy": FULL_CYCLE_ACTIVITIES,
    "busy-superseding": FULL_CYCLE_ACTIVITIES,
}


@pytest.mark.parametrize("name", CYCLE_SCENARIOS)
async def test_outcome(workflow_env: WorkflowTestEnv, name: str) -> None:
    """A cycle runs only the activities that it needs; its outcome is in the result and in the search attribute."""
    run = await CYCLE_SCENARIOS[name](workflow_env)
    outcome, result = name.split("-")[0], await run.fetch_result()
    assert result.outcome == outcome
    assert ", ".join(list_scheduled_activities(await run.fetch_history())) == EXPECTED_ACTIVITIES[name]
    assert await run.fetch_attribute(search_attributes.OUTCOME) == outcome
    assert result.headline


async def test_result_and_attributes_of_a_cycle(workflow_env: WorkflowTestEnv) -> None:
    """Violations, cause and plan of a cycle are in its result and in the search attributes."""
    run = await CYCLE_SCENARIOS["planned"](workflow_env)
    result = await run.fetch_result()
    assert (result.violations, result.root_cause, result.plans) == ((VIOLATION.summary,), "overload", (PLAN_ID,))
    assert await run.fetch_attribute(search_attributes.VIOLATIONS) == [VIOLATION.summary]
    assert await run.fetch_attribute(search_attributes.ROOT_CAUSE) == "overload"
    assert await run.fetch_attribute(search_attributes.PLAN) == PLAN_ID


async def test_result_of_a_blind_cycle(workflow_env: WorkflowTestEnv) -> None:
    """A blind spot is in the result; it is neither a violation nor health."""
    result = await (await CYCLE_SCENARIOS["blind"](workflow_env)).fetch_result()
    assert (result.blind, result.violations) == ((activity_results.BLIND_SPOT.summary,), ())


async def test_a_remediation_survives_its_cycle(workflow_env: WorkflowTestEnv) -> None:
    """The cycle ends soon after the start of the remediation, which continues to its own end."""
    summary, gate = make_plan_summary(workflow_env.unique_name("knob")), HeldAnswer(make_prepare_result())
    workflow_env.set_script(summary.workflow_id, activity_results.make_remediation_script(prepare=gate))
    cycle = await workflow_env.start_cycle(activity_results.make_cycle_script(summary))
    await cycle.fetch_result()
    child = workflow_env.expect_child(summary.workflow_id)
    description = await child.handle.describe()
    assert description.status is WorkflowExecutionStatus.RUNNING
    attributes = [
        description.typed_search_attributes.get(key)
        for key in (search_attributes.PHASE, search_attributes.KNOB, search_attributes.PLAN, search_attributes.SCORE)
    ]
    assert attributes == ["preparing", summary.knob, PLAN_ID, 0.42]
    gate.opened.set()
    assert (await child.fetch_result()).outcome == "fixed"


async def test_two_knobs_start_in_one_task(workflow_env: WorkflowTestEnv) -> None:
    """Both remediations are started in parallel: no start waits for the other."""
    events = await (await CYCLE_SCENARIOS["planned-two-knobs"](workflow_env)).summarize_history()
    assert events[events.index("child") :][:2] == ["child", "child"]
    assert events.count("child started") == 2


async def test_one_of_two_knobs_is_locked(workflow_env: WorkflowTestEnv) -> None:
    """A free knob is remediated although the other one is busy, and only its plan is named."""
    busy, free = workflow_env.unique_name("knob"), make_plan_summary(workflow_env.unique_name("knob"), "0123456789ab")
    await (await workflow_env.start_remediation(knob=busy, prepare=WAITING_ANSWERS)).wait_until_handled(
        "phase awaiting-approval"
    )
    workflow_env.set_script(free.workflow_id, activity_results.make_remediation_script())
    result = await (
        await workflow_env.start_cycle(activity_results.make_cycle_script(make_plan_summary(busy), free))
    ).fetch_result()
    assert (result.outcome, result.plans) == ("planned", ("0123456789ab",))


@pytest.mark.parametrize(
    ("supersedes", "outcome"), [(PLAN_ID, "superseded"), ("", "fixed")], ids=["lower-risk", "same"]
)
async def test_only_a_plan_of_lower_risk_asks_to_yield(
    workflow_env: WorkflowTestEnv, supersedes: str, outcome: str
) -> None:
    """With a locked knob, the waiting plan is asked to yield only if the new plan supersedes it."""
    knob = workflow_env.unique_name("knob")
    waiting = await workflow_env.start_remediation(knob=knob, prepare=WAITING_ANSWERS)
    await waiting.wait_until_handled("phase awaiting-approval")
    cycle = await workflow_env.start_cycle(
        activity_results.make_cycle_script(make_plan_summary(knob, "0123456789ab", supersedes))
    )
    result = await cycle.fetch_result()
    assert (result.outcome, result.headline) == ("busy", f"busy: {knob} is being remediated")
    assert ("signalled" in await cycle.summarize_history()) == bool(supersedes)
    if not supersedes:
        assert "signal yield" not in await waiting.summarize_history()
        await waiting.handle.execute_update("decide", {"plan": PLAN_ID, "approve": True, "actor": "ada"})
    assert (await waiting.fetch_result()).outcome == outcome


async def test_an_unconfigured_loop_fails(workflow_env: WorkflowTestEnv) -> None:
    """A technical error, such as an unconfigured loop, fails the workflow and is not a healthy outcome."""
    run = await workflow_env.start_cycle({"monitor": NotFound("no loop of this name is configured")})
    with pytest.raises(WorkflowFailureError):
        await run.fetch_result()


async def test_a_decision_without_plans_starts_nothing(workflow_env: WorkflowTestEnv) -> None:
    """A decision without plans starts no child."""
    run = await workflow_env.start_cycle(activity_results.make_cycle_script(plan=make_decision("observed")))
    await run.fetch_result()
    assert "child" not in await run.summarize_history()

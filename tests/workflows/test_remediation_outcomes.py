"""How remediations end that nobody stops: what they do in which order, what is findable meanwhile, what they return."""

import pytest

from activities.model.remediation import RemediationResult
from tests.workflows.activity_results import GENERATION, PLAN_ID
from tests.workflows.history_summary import has_attributes, list_phases, list_scheduled_activities
from tests.workflows.remediation_scenarios import APPROVED, OUTCOME_SCENARIOS, REJECTED
from tests.workflows.workflow_env import WorkflowTestEnv
from workflows import search_attributes

OUTCOME_CASES = [
    ("fixed", "prepare, apply 0, verify, record", "verifying, cooling-down, done"),
    ("fixed-after-settling", "prepare, apply 0, verify, record", "verifying, done"),
    ("fixed-in-two-steps", "prepare, apply 0, apply 1, verify, record", "verifying, done"),
    ("improved", "prepare, apply 0, verify, record", "verifying, done"),
    ("no_effect", "prepare, apply 0, verify, record", "verifying, done"),
    ("worse", "prepare, apply 0, verify, record", "verifying, done"),
    ("inconclusive", "prepare, apply 0, verify, record", "verifying, done"),
    (
        "rolled_back",
        "prepare, apply 0, verify, undo 0, verify rollback, record",
        "verifying, rolling-back, cooling-down, done",
    ),
    (
        "rolled_back-two-steps",
        "prepare, apply 0, apply 1, verify, undo 1, undo 0, verify rollback, record",
        "verifying, rolling-back, done",
    ),
    (
        "rolled_back-unverified",
        "prepare, apply 0, verify, undo 0, verify rollback, record",
        "verifying, rolling-back, done",
    ),
    ("inconclusive-unverified", "prepare, apply 0, verify, record", "verifying, done"),
    ("rolled_back-apply-unknown", "prepare, apply 0, undo 0, verify rollback, record", "rolling-back, done"),
    (
        "rolled_back-second-step-failed",
        "prepare, apply 0, apply 1, undo 1, undo 0, verify rollback, record",
        "rolling-back, done",
    ),
    ("fixed-by-the-first-step", "prepare, apply 0, apply 1, undo 1, verify, record", "verifying, done"),
    (
        "rolled_back-by-best-effort",
        "prepare, apply 0, apply 1, undo 1, undo 1, undo 0, verify rollback, record",
        "rolling-back, done",
    ),
    ("failed", "prepare, record", "done"),
    ("failed-refused", "prepare, apply 0, undo 0, record", "rolling-back, done"),
    ("stale", "prepare, apply 0, undo 0, record", "rolling-back, done"),
    ("stale-prepared", "prepare, record", "done"),
    ("stale-after-approval", "prepare, prepare answer, record", "awaiting-approval, applying, done"),
    ("rolled_back-after-reset", "prepare, undo 2, undo 0, verify rollback, record", "rolling-back, done"),
    ("rejected", "prepare, record", "awaiting-approval, done"),
    (
        "fixed-approved",
        "prepare, prepare answer, apply 0, verify, record",
        "awaiting-approval, applying, verifying, done",
    ),
    ("expired", "prepare, record", "awaiting-approval, done"),
    ("superseded", "prepare, record", "awaiting-approval, done"),
    ("recovered", "prepare, record", "awaiting-approval, done"),
    ("leftover", "prepare leftover, undo 2, undo 0, verify rollback, record", "rolling-back, done"),
    ("leftover-nothing-stands", "prepare leftover, record", "rolling-back, done"),
]


@pytest.mark.parametrize(("name", "order", "phases"), OUTCOME_CASES, ids=[row[0] for row in OUTCOME_CASES])
async def test_ending(workflow_env: WorkflowTestEnv, name: str, order: str, phases: str) -> None:
    """Each ending comes of its own steps in their order; phase, outcome, record and result tell the same."""
    run = await OUTCOME_SCENARIOS[name](workflow_env)
    outcome = "stopped" if name.startswith("leftover") else name.split("-")[0]
    history, result = await run.fetch_history(), await run.fetch_result()
    assert ", ".join(list_scheduled_activities(history)) == order
    assert ", ".join(list_phases(history)) == phases
    assert (result.outcome, result.plan, result.quarantined) == (outcome, PLAN_ID, False)
    assert [request.outcome for request in run.script.requests_of("record")] == [outcome]
    assert await run.fetch_attribute(search_attributes.OUTCOME) == outcome
    assert await run.fetch_attribute(search_attributes.PHASE) == "done"


def test_every_ending_is_in_the_table() -> None:
    """No scene of an ending goes unasserted; those of a quarantine have a file of their own."""
    assert {row[0] for row in OUTCOME_CASES} | {"quarantined", "released"} == set(OUTCOME_SCENARIOS)


async def test_what_is_recorded_is_told_apart_by_temporals_clock(workflow_env: WorkflowTestEnv) -> None:
    """Prepare says when it was asked, the record when it ended, and that the trouble outlasted the first look."""
    run = await OUTCOME_SCENARIOS["fixed"](workflow_env)
    (asked,), (recorded,) = run.script.requests_of("prepare"), run.script.requests_of("record")
    assert 0.0 < asked.requested_at < recorded.ended_at
    assert recorded.problem_persisted


async def test_what_had_gone_away_at_the_first_look_did_not_outlast_it(workflow_env: WorkflowTestEnv) -> None:
    """A plan that is not right any more when it is first looked at again says so."""
    run = await OUTCOME_SCENARIOS["stale-prepared"](workflow_env)
    assert not run.script.requests_of("record")[0].problem_persisted


async def test_steps_hand_the_fence_on(workflow_env: WorkflowTestEnv) -> None:
    """The first step is fenced by the generation `prepare` saw, the next by the one the first step left."""
    run = await OUTCOME_SCENARIOS["fixed-in-two-steps"](workflow_env)
    fences = [(request.step, request.generation) for request in run.script.requests_of("apply")]
    assert fences == [(0, GENERATION), (1, GENERATION + 1)]


async def test_the_result_names_what_was_applied_and_rolled_back(workflow_env: WorkflowTestEnv) -> None:
    """Of two steps the second failed: both are undone, only the first had been applied."""
    run = await OUTCOME_SCENARIOS["rolled_back-second-step-failed"](workflow_env)
    result = await run.fetch_result()
    assert isinstance(result, RemediationResult)
    assert (result.applied, result.rolled_back) == (("step 0",), ("step 1", "step 0"))
    assert result.headline.endswith("step 1 could not be applied: Rejected: 422: no such policy")


async def test_a_refused_step_that_changed_nothing_is_no_rollback(workflow_env: WorkflowTestEnv) -> None:
    """Nothing was undone, so the rollback is neither verified nor claimed."""
    run = await OUTCOME_SCENARIOS["failed-refused"](workflow_env)
    result = await run.fetch_result()
    assert (result.applied, result.rolled_back) == ((), ())


async def test_the_record_carries_the_figures(workflow_env: WorkflowTestEnv) -> None:
    """Verdict, violations before and after, and seconds since the apply reach Knowledge, as far as there are any."""
    (fixed,) = (await OUTCOME_SCENARIOS["improved"](workflow_env)).script.requests_of("record")
    assert (fixed.verdict, fixed.before, fixed.after) == ("improved", 2, 1)
    assert fixed.seconds is not None
    (failed,) = (await OUTCOME_SCENARIOS["failed"](workflow_env)).script.requests_of("record")
    assert (failed.verdict, failed.seconds, failed.plan_id) == (None, None, PLAN_ID)
    assert "no such plan" in failed.headline


async def test_samples_are_taken_since_the_effect(workflow_env: WorkflowTestEnv) -> None:
    """Judged is what came after the last apply, of a rollback what came after the undo, by the server's clock."""
    run = await OUTCOME_SCENARIOS["rolled_back-two-steps"](workflow_env)
    events = (await run.fetch_history()).events
    ends = [
        event.event_time.ToMicroseconds() / 1e6 for event in events if has_attributes(event, "activity_task_completed")
    ]
    _, _, applied, verified, _, undone, verified_again, _ = ends
    plan, rollback = run.script.requests_of("verify")
    assert (plan.rollback, rollback.rollback) == (False, True)
    assert applied <= plan.since <= verified
    assert undone <= rollback.since <= verified_again


async def test_a_decision_reaches_prepare_and_record(workflow_env: WorkflowTestEnv) -> None:
    """Who decided, and how, is told to the second look and to Knowledge."""
    approved = await OUTCOME_SCENARIOS["fixed-approved"](workflow_env)
    assert [request.answer for request in approved.script.requests_of("prepare")] == [None, APPROVED]
    (rejected,) = (await OUTCOME_SCENARIOS["rejected"](workflow_env)).script.requests_of("record")
    assert rejected.answer == REJECTED
    assert rejected.headline == "rejected by ada: not today"

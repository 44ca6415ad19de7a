"""Remediations without a cancellation: their steps in order, their search attributes and their results."""

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
async def test_steps_and_phases_of_an_outcome(
    workflow_env: WorkflowTestEnv, name: str, order: str, phases: str
) -> None:
    """Each outcome has its own steps in order; phase, outcome, record and result agree."""
    run = await OUTCOME_SCENARIOS[name](workflow_env)
    outcome = "stopped" if name.startswith("leftover") else name.split("-")[0]
    history, result = await run.fetch_history(), await run.fetch_result()
    assert ", ".join(list_scheduled_activities(history)) == order
    assert ", ".join(list_phases(history)) == phases
    assert (result.outcome, result.plan, result.quarantined) == (outcome, PLAN_ID, False)
    assert [request.outcome for request in run.script.requests_of("record")] == [outcome]
    assert await run.fetch_attribute(search_attributes.OUTCOME) == outcome
    assert await run.fetch_attribute(search_attributes.PHASE) == "done"


def test_every_outcome_scenario_is_in_the_table() -> None:
    """Every outcome scenario is tested; those of a quarantine have their own file."""
    assert {row[0] for row in OUTCOME_CASES} | {"quarantined", "released"} == set(OUTCOME_SCENARIOS)


async def test_the_record_has_server_times_and_the_persisting_problem(workflow_env: WorkflowTestEnv) -> None:
    """Prepare has the time of its request, and the record that of the end; the problem persisted at the first check."""
    run = await OUTCOME_SCENARIOS["fixed"](workflow_env)
    (prepare,), (record,) = run.script.requests_of("prepare"), run.script.requests_of("record")
    assert 0.0 < prepare.requested_at < record.ended_at
    assert record.problem_persisted


async def test_a_stale_plan_has_no_persisting_problem(workflow_env: WorkflowTestEnv) -> None:
    """A plan that is no longer right at the first check records no persisting problem."""
    run = await OUTCOME_SCENARIOS["stale-prepared"](workflow_env)
    assert not run.script.requests_of("record")[0].problem_persisted


async def test_each_step_is_fenced_by_the_one_before(workflow_env: WorkflowTestEnv) -> None:
    """The generation of `prepare` fences the first step; the result of each step fences the next."""
    run = await OUTCOME_SCENARIOS["fixed-in-two-steps"](workflow_env)
    fences = [(request.step, request.generation) for request in run.script.requests_of("apply")]
    assert fences == [(0, GENERATION), (1, GENERATION + 1)]


async def test_the_result_names_what_was_applied_and_rolled_back(workflow_env: WorkflowTestEnv) -> None:
    """The second of two steps failed: both are undone, and only the first was applied."""
    run = await OUTCOME_SCENARIOS["rolled_back-second-step-failed"](workflow_env)
    result = await run.fetch_result()
    assert isinstance(result, RemediationResult)
    assert (result.applied, result.rolled_back) == (("step 0",), ("step 1", "step 0"))
    assert result.headline.endswith("step 1 could not be applied: Rejected: 422: no such policy")


async def test_a_refused_step_without_effect_is_no_rollback(workflow_env: WorkflowTestEnv) -> None:
    """No step was undone, so the rollback is neither verified nor reported."""
    run = await OUTCOME_SCENARIOS["failed-refused"](workflow_env)
    result = await run.fetch_result()
    assert (result.applied, result.rolled_back) == ((), ())


async def test_the_record_carries_the_figures(workflow_env: WorkflowTestEnv) -> None:
    """Verdict, violations before and after, and seconds since the apply reach Knowledge, if there are any."""
    (fixed,) = (await OUTCOME_SCENARIOS["improved"](workflow_env)).script.requests_of("record")
    assert (fixed.verdict, fixed.before, fixed.after) == ("improved", 2, 1)
    assert fixed.seconds is not None
    (failed,) = (await OUTCOME_SCENARIOS["failed"](workflow_env)).script.requests_of("record")
    assert (failed.verdict, failed.seconds, failed.plan_id) == (None, None, PLAN_ID)
    assert "no such plan" in failed.headline


async def test_verification_starts_after_the_effect(workflow_env: WorkflowTestEnv) -> None:
    """Samples start after the last apply, those of a rollback after the undo, by the server's clock."""
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
    """The decision and its actor reach the second check and Knowledge."""
    approved = await OUTCOME_SCENARIOS["fixed-approved"](workflow_env)
    assert [request.answer for request in approved.script.requests_of("prepare")] == [None, APPROVED]
    (rejected,) = (await OUTCOME_SCENARIOS["rejected"](workflow_env)).script.requests_of("record")
    assert rejected.answer == REJECTED
    assert rejected.headline == "rejected by ada: not today"

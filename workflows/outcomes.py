"""How a remediation's ending is put into words. Part of the replay contract, so it stays tiny."""

from collections.abc import Sequence

from temporalio.exceptions import ActivityError, ApplicationError

from activities.model.remediation import RecordRequest, VerifyResult

OUTCOME_BY_ERROR = {"Stale": "stale", "Blocked": "stale", "Forbidden": "stopped"}
"""What a remediation ends as when a step fails with an error of this class; with any other it `failed`."""


def make_outcome(outcome: str, headline: str) -> RecordRequest:
    """Return an ending, still without the plan and the figures."""
    return RecordRequest(plan_id="", outcome=outcome, headline=headline[:400])


def outcome_after_rollback(
    outcome: RecordRequest, verify_result: VerifyResult | None, undone_steps: Sequence[str], failures: Sequence[str]
) -> RecordRequest:
    """Return the ending after a rollback of the steps `undone`, with what could not be undone in `failures`.

    What was undone is "rolled_back", whatever stopped the plan, unless a person did. Where nothing was, it is called
    what it is: the verdict, or what stopped the plan.
    """
    ending = outcome.outcome
    if undone_steps and ending in ("failed", "stale"):
        ending = "rolled_back"
    elif not undone_steps and ending == "rolled_back" and verify_result:
        ending = verify_result.verdict.value
    headline = f"rolled back {', '.join(undone_steps)}: {outcome.headline}" if undone_steps else outcome.headline
    if failures:
        headline = f"ROLLBACK FAILED: {'; '.join(failures)} (after: {outcome.headline})"
    return make_outcome(ending, headline).model_copy(update={"undo_failed": "; ".join(failures)[:400]})


def error_type(error: BaseException) -> str:
    """Return the class name, in our error family, of what made an activity fail."""
    cause = error.__cause__
    return (cause.type or "") if isinstance(cause, ApplicationError) else ""


def error_reason(error: BaseException) -> str:
    """Return what a person needs to know of a failure, in at most 200 characters."""
    cause = error.__cause__ if isinstance(error, ActivityError) and error.__cause__ else error
    return str(cause)[:200] or type(cause).__name__

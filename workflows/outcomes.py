"""The outcome of a remediation, by the error or the rollback that led to it.

Part of the replay contract, so it stays small.
"""

from collections.abc import Sequence

from temporalio.exceptions import ActivityError, ApplicationError

from activities.model.remediation import RecordRequest, VerifyResult
from activities.model.remediation_outcome import RemediationOutcome

OUTCOME_BY_ERROR = {
    "Stale": RemediationOutcome.STALE,
    "Blocked": RemediationOutcome.STALE,
    "KillSwitchActive": RemediationOutcome.STOPPED,
    "Forbidden": RemediationOutcome.STOPPED,  # KillSwitchActive in histories from before its class was renamed
}
"""The outcome when a step fails with an error of this class; any other class is `failed`."""


def make_outcome(outcome: str, headline: str) -> RecordRequest:
    """Return an outcome without plan and figures."""
    return RecordRequest(plan_id="", outcome=outcome, headline=headline[:400])


def outcome_after_rollback(
    outcome: RecordRequest, verify_result: VerifyResult | None, undone_steps: Sequence[str], failures: Sequence[str]
) -> RecordRequest:
    """Return the outcome after a rollback that undid `undone_steps`; `failures` says what could not be undone.

    If a step was undone, the outcome is rolled_back, unless an operator stopped the remediation. If none was undone, it
    is the verdict, or the reason for the rollback.
    """
    name = outcome.outcome
    if undone_steps and name in (RemediationOutcome.FAILED, RemediationOutcome.STALE):
        name = RemediationOutcome.ROLLED_BACK
    elif not undone_steps and name == RemediationOutcome.ROLLED_BACK and verify_result:
        name = verify_result.verdict.value
    headline = f"rolled back {', '.join(undone_steps)}: {outcome.headline}" if undone_steps else outcome.headline
    if failures:
        headline = f"ROLLBACK FAILED: {'; '.join(failures)} (after: {outcome.headline})"
    return make_outcome(name, headline).model_copy(update={"undo_failed": "; ".join(failures)[:400]})


def error_type(error: BaseException) -> str:
    """Return the class name, in our error family, of the error that failed an activity."""
    cause = error.__cause__
    return (cause.type or "") if isinstance(cause, ApplicationError) else ""


def error_reason(error: BaseException) -> str:
    """Return the reason of a failure for operators, at most 200 characters."""
    cause = error.__cause__ if isinstance(error, ActivityError) and error.__cause__ else error
    return str(cause)[:200] or type(cause).__name__

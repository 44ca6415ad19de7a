"""The outcome after a rollback."""

import pytest

from activities.model.outcome import Consequence, Verdict
from activities.model.remediation import VerifyResult
from workflows.outcomes import make_outcome, outcome_after_rollback

WORSE_RESULT = VerifyResult(headline="worse: 3 → 9", verdict=Verdict.WORSE, consequence=Consequence.ROLL_BACK)


@pytest.mark.parametrize(
    ("name", "verified", "undone", "failures", "expected"),
    [
        ("rolled_back", WORSE_RESULT, ("scale",), (), "rolled_back"),
        ("rolled_back", WORSE_RESULT, (), ("scale",), "worse"),
        ("failed", None, ("scale",), (), "rolled_back"),
        ("stale", None, ("scale",), (), "rolled_back"),
        ("failed", None, (), (), "failed"),
        ("stale", None, (), (), "stale"),
        ("stopped", None, ("scale",), (), "stopped"),
        ("stopped", None, (), ("scale",), "stopped"),
    ],
)
def test_outcome_after_a_rollback(
    name: str, verified: VerifyResult | None, undone: tuple[str, ...], failures: tuple[str, ...], expected: str
) -> None:
    """Only undone steps make it rolled_back; the reason stays in the headline, and failures come first."""
    outcome = outcome_after_rollback(make_outcome(name, "the reason"), verified, undone, failures)
    assert (outcome.outcome, bool(outcome.undo_failed)) == (expected, bool(failures))
    assert outcome.headline.endswith("the reason)" if failures else "the reason")
    assert outcome.headline.startswith("ROLLBACK FAILED") is bool(failures)

"""What a rollback's end is called."""

import pytest

from activities.model.outcome import Consequence, Verdict
from activities.model.remediation import VerifyResult
from workflows.outcomes import make_outcome, outcome_after_rollback

WORSE_RESULT = VerifyResult(headline="worse: 3 → 9", verdict=Verdict.WORSE, consequence=Consequence.ROLL_BACK)


@pytest.mark.parametrize(
    ("why", "verified", "undone", "failures", "ending"),
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
def test_an_ending_is_called_what_it_was(
    why: str, verified: VerifyResult | None, undone: tuple[str, ...], failures: tuple[str, ...], ending: str
) -> None:
    """Rolled back is only what was undone; the reason stays in the headline, and what failed is said first."""
    found = outcome_after_rollback(make_outcome(why, "the reason"), verified, undone, failures)
    assert (found.outcome, bool(found.undo_failed)) == (ending, bool(failures))
    assert found.headline.endswith("the reason)" if failures else "the reason")
    assert found.headline.startswith("ROLLBACK FAILED") is bool(failures)

"""What the load run calls broken."""

from tests.load.run import WEBHOOK_PATH, find_broken_limits

GOOD_ROW = {"requests": 10.0, "failures": 0.0, "per_second": 1.0, "p50": 100.0, "p95": 900.0}


def test_fine() -> None:
    """Quick answers without a failure are fine."""
    assert find_broken_limits({WEBHOOK_PATH: GOOD_ROW}) == []


def test_broken() -> None:
    """A failure, a late answer, and a webhook without a post are each reported."""
    rows = {"/ready": {**GOOD_ROW, "failures": 2.0}, WEBHOOK_PATH: {**GOOD_ROW, "p95": 5100.0}}
    assert find_broken_limits(rows) == ["/ready: 2 failed", f"{WEBHOOK_PATH}: p95 5100 ms"]
    assert find_broken_limits({"/ready": GOOD_ROW}) == [f"{WEBHOOK_PATH}: was never posted to"]

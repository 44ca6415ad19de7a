"""What the load run calls broken."""

from tests.load.run import WEBHOOK, broken

FINE = {"requests": 10.0, "failures": 0.0, "per_second": 1.0, "p50": 100.0, "p95": 900.0}


def test_fine() -> None:
    """Quick answers without a failure are fine."""
    assert broken({WEBHOOK: FINE}) == []


def test_broken() -> None:
    """A failure, an answer that is too late, and a webhook nobody posted to are each told."""
    rows = {"/ready": {**FINE, "failures": 2.0}, WEBHOOK: {**FINE, "p95": 5100.0}}
    assert broken(rows) == ["/ready: 2 failed", f"{WEBHOOK}: p95 5100 ms"]
    assert broken({"/ready": FINE}) == [f"{WEBHOOK}: was never posted to"]

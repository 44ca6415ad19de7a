"""Recognition of alerts that were delivered before."""

import pytest

from activities.model.alert import Alert
from worker.webhook import dedupe
from worker.webhook.dedupe import RecentAlerts


def make_alert(fingerprint: str, at: float = 1.0, firing: bool = True) -> Alert:
    return Alert(fingerprint=fingerprint, firing=firing, starts_at=at, name="A")


def test_a_repeated_alert_is_not_new() -> None:
    """The same state and an older state are not new; a resolved and a refired alert are."""
    recent = RecentAlerts()
    recent.remember([make_alert("x", 1.0)])
    assert recent.new_alerts([make_alert("x", 1.0)]) == ()
    assert len(recent.new_alerts([make_alert("x", 1.0, firing=False)])) == 1
    recent.remember([make_alert("x", 1.0, firing=False)])
    assert recent.new_alerts([make_alert("x", 1.0), make_alert("x", 0.5)]) == ()
    assert len(recent.new_alerts([make_alert("x", 2.0), make_alert("y")])) == 2


def test_the_latest_state_is_kept() -> None:
    """An older state that arrives late does not replace a newer one."""
    recent = RecentAlerts()
    recent.remember([make_alert("x", 2.0), make_alert("x", 1.0)])
    assert recent.new_alerts([make_alert("x", 2.0)]) == ()


def test_the_number_of_states_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The alert unchanged for longest is dropped first."""
    monkeypatch.setattr(dedupe, "MAX_RECENT_ALERTS", 2)
    recent = RecentAlerts()
    recent.remember([make_alert("x"), make_alert("y"), make_alert("x", 2.0), make_alert("z")])
    new = recent.new_alerts([make_alert("x", 2.0), make_alert("y"), make_alert("z")])
    assert [alert.fingerprint for alert in new] == ["y"]

"""What was handed over already."""

from activities.model.alert import Alert
from worker.webhook import dedupe as module
from worker.webhook.dedupe import RecentAlerts


def make_alert(fingerprint: str, at: float = 1.0, firing: bool = True) -> Alert:
    return Alert(fingerprint=fingerprint, firing=firing, starts_at=at, name="A")


def test_a_repeat_is_no_news() -> None:
    """The same state, and any that came before it, is no news; resolved, and firing anew, is."""
    seen = RecentAlerts()
    seen.remember([make_alert("x", 1.0)])
    assert seen.new_alerts([make_alert("x", 1.0)]) == ()
    assert len(seen.new_alerts([make_alert("x", 1.0, firing=False)])) == 1
    seen.remember([make_alert("x", 1.0, firing=False)])
    assert seen.new_alerts([make_alert("x", 1.0), make_alert("x", 0.5)]) == ()
    assert len(seen.new_alerts([make_alert("x", 2.0), make_alert("y")])) == 2


def test_the_newest_state_stays() -> None:
    """An old state noted late does not take the place of a newer one."""
    seen = RecentAlerts()
    seen.remember([make_alert("x", 2.0), make_alert("x", 1.0)])
    assert seen.new_alerts([make_alert("x", 2.0)]) == ()


def test_bounded(monkeypatch) -> None:
    """The longest unchanged is forgotten first."""
    monkeypatch.setattr(module, "MAX_RECENT_ALERTS", 2)
    seen = RecentAlerts()
    seen.remember([make_alert("x"), make_alert("y"), make_alert("x", 2.0), make_alert("z")])
    assert [one.fingerprint for one in seen.new_alerts([make_alert("x", 2.0), make_alert("y"), make_alert("z")])] == [
        "y"
    ]

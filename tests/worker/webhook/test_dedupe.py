"""Recognition of alerts that were delivered before."""

import pytest

from activities.model.alert import Alert
from worker.webhook import dedupe
from worker.webhook.dedupe import FutureStarts, RecentAlerts


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


NOW = 1000.0
HOUR = 3600.0


@pytest.mark.parametrize(
    ("start", "corrected"),
    [(NOW - HOUR, NOW - HOUR), (NOW, NOW), (NOW + 5.0, NOW + 5.0), (NOW + 5.1, NOW), (NOW + HOUR, NOW), (2.5e11, NOW)],
)
def test_a_start_in_the_future_is_the_time_of_receipt(start: float, corrected: float) -> None:
    """A start up to 5 s ahead is believed; a later one becomes the time of receipt."""
    (alert,) = FutureStarts().correct([make_alert("x", start)], NOW)
    assert alert.starts_at == corrected


def test_alerts_with_a_future_start_keep_their_order() -> None:
    """A repeat is not new, its end is, and a later firing with a true start is new too."""
    recent, starts = RecentAlerts(), FutureStarts()
    ahead = NOW + HOUR
    for at, alert, is_new in [
        (NOW, make_alert("x", ahead), True),
        (NOW + 60, make_alert("x", ahead), False),
        (NOW + 90, make_alert("x", ahead, firing=False), True),
        (NOW + 120, make_alert("x", NOW + 110), True),
        (NOW + 180, make_alert("x", NOW + 110, firing=False), True),
        (NOW + 240, make_alert("x", ahead), False),
        (NOW + HOUR + 60, make_alert("x", ahead), False),
        (NOW + 2 * HOUR, make_alert("x", NOW + 2 * HOUR - 60), True),
    ]:
        corrected = starts.correct([alert], at)
        assert (len(recent.new_alerts(corrected)) == 1) == is_new, (at, alert)
        recent.remember(corrected)


def test_the_number_of_future_starts_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest time of receipt is forgotten first: that alert looks new once more."""
    monkeypatch.setattr(dedupe, "MAX_RECENT_ALERTS", 2)
    starts = FutureStarts()
    starts.correct([make_alert(name, NOW + HOUR) for name in "xyz"], NOW)
    later = starts.correct([make_alert(name, NOW + HOUR) for name in "yzx"], NOW + 1)
    assert [alert.starts_at for alert in later] == [NOW, NOW, NOW + 1]

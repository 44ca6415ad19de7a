"""What the intake remembers of alerts: bounded, and right whatever the order."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.model import alert_state
from activities.model.alert import Alert, AlertBatch
from activities.model.alert_state import AlertState
from activities.model.loop_state import LoopState


def make_alert(fingerprint: str, at: float = 1.0, firing: bool = True, severity: str = "warning") -> Alert:
    return Alert(fingerprint=fingerprint, firing=firing, starts_at=at, name="A", severity=severity)


def merge_alerts(*alerts: Alert, alert_state: AlertState | None = None) -> AlertState:
    return (alert_state or AlertState()).merge(AlertBatch(alerts=alerts))


@pytest.mark.parametrize(
    ("history", "waiting", "repeated"),
    [
        ([make_alert("x")], 1, 0),
        ([make_alert("x"), make_alert("x")], 1, 1),
        ([make_alert("x"), make_alert("x", firing=False)], 1, 0),
        ([make_alert("x", firing=False)], 0, 0),
        ([make_alert("x", firing=False), make_alert("x")], 0, 1),
        ([make_alert("x"), make_alert("x", firing=False), make_alert("x")], 1, 1),
        ([make_alert("x"), make_alert("x", firing=False), make_alert("x", 2.0)], 2, 0),
        ([make_alert("x", 2.0), make_alert("x", 1.0)], 1, 1),
        ([make_alert("x"), make_alert("y")], 2, 0),
    ],
)
def test_repeats(history: list[Alert], waiting: int, repeated: int) -> None:
    """A firing not seen before waits for a cycle; repeats, resolved ones and what comes late do not."""
    book = merge_alerts(*history)
    assert (book.pending, book.duplicates, book.received) == (waiting, repeated, len(history))


def test_a_cycle_covers_all() -> None:
    """After a cycle was started nothing waits, and what is known stays known."""
    book = merge_alerts(make_alert("x"), make_alert("y")).mark_processed(100.0)
    assert (book.pending, book.most_severe, book.cycles, book.last_at) == (0, (), 1, 100.0)
    assert merge_alerts(make_alert("x"), alert_state=book).pending == 0


def test_debounce() -> None:
    """The first cycle at once, the next no sooner than the debounce; a clock that jumps back never parks it."""
    book = merge_alerts(make_alert("x"))
    assert book.debounce_remaining(100.0) == 0
    book = book.mark_processed(100.0)
    assert (book.debounce_remaining(101.0), book.debounce_remaining(105.0), book.debounce_remaining(1.0)) == (
        4.0,
        0.0,
        5.0,
    )


def test_the_worst_are_named() -> None:
    """In order of severity; the others are counted."""
    book = merge_alerts(
        make_alert("i", severity="info"),
        make_alert("w"),
        make_alert("c", severity="critical"),
        make_alert("n", severity=""),
    )
    assert [alert.severity for alert in book.most_severe] == ["critical", "warning", "info", ""]
    assert book.reason == "4 alerts: critical A, warning A, info A, +1 more"


def test_what_the_sender_left_out() -> None:
    """It starts a cycle, which reads Alertmanager itself, and is told as overflow."""
    book = AlertState().merge(AlertBatch(omitted=20))
    assert (book.pending, book.overflow, book.reason) == (20, 20, "20 alerts: +20 more (20 overflow)")


def test_no_more_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolved alerts make room for new ones; without any the new one waits all the same, counted but not known."""
    monkeypatch.setattr(alert_state, "MAX_KNOWN_ALERTS", 2)
    book = merge_alerts(make_alert("y"), make_alert("z"), alert_state=merge_alerts(make_alert("x", firing=False)))
    assert (set(book.last_states), book.overflow, book.pending) == ({"y", "z"}, 0, 2)
    book = merge_alerts(make_alert("w"), alert_state=book)
    assert (set(book.last_states), book.overflow, book.pending) == ({"y", "z"}, 1, 3)
    assert merge_alerts(make_alert("y", 2.0), alert_state=book).last_states["y"] == (2.0, False)


_alerts = st.builds(make_alert, st.sampled_from("uvwxyz"), st.sampled_from([1.0, 2.0, 3.0]), st.booleans())


@given(st.lists(_alerts, max_size=20), st.randoms(use_true_random=False), st.integers(1, 5))
def test_order_and_batches_do_not_matter(alerts: list[Alert], random: Random, size: int) -> None:
    """However alerts are repeated, shuffled and split, what is known at the end is the newest state of each."""
    mixed = alerts * 2
    random.shuffle(mixed)
    book = AlertState()
    for start in range(0, len(mixed), size):
        book = merge_alerts(*mixed[start : start + size], alert_state=book)
    assert book.last_states == {
        one.fingerprint: max(b.state for b in alerts if b.fingerprint == one.fingerprint) for one in alerts
    }
    assert book.received == len(mixed)


def test_a_full_book_is_small() -> None:
    """The state that is carried from run to run stays below 200 KB."""
    book = AlertState()
    for start in range(0, alert_state.MAX_KNOWN_ALERTS + 500, 100):
        batch = [
            Alert(fingerprint=f"{n:016x}", firing=True, starts_at=1769860800.123, name="n" * 120, component="c" * 80)
            for n in range(start, start + 100)
        ]
        book = book.merge(AlertBatch(alerts=tuple(batch)))
    state = LoopState(loop="charter", links="l" * 300, recent=("mapek-cycle:" + "c" * 100,) * 10, alerts=book)
    assert len(book.last_states) == alert_state.MAX_KNOWN_ALERTS
    assert len(state.model_dump_json().encode()) < 200_000
    assert LoopState.model_validate_json(state.model_dump_json()) == state

"""The alert state of the intake: bounded, and independent of the order."""

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
    ("history", "pending", "duplicates"),
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
def test_only_new_firing_alerts_are_pending(history: list[Alert], pending: int, duplicates: int) -> None:
    """A new firing is pending; repeats, resolved and late alerts are not."""
    state = merge_alerts(*history)
    assert (state.pending, state.duplicates, state.received) == (pending, duplicates, len(history))


def test_a_cycle_processes_all() -> None:
    """After the start of a cycle no alert is pending, and all stay known."""
    state = merge_alerts(make_alert("x"), make_alert("y")).mark_processed(100.0)
    assert (state.pending, state.most_severe, state.cycles, state.last_at) == (0, (), 1, 100.0)
    assert merge_alerts(make_alert("x"), alert_state=state).pending == 0


def test_debounce() -> None:
    """The first cycle starts immediately, the next after the debounce; a clock that jumps back does not block it."""
    state = merge_alerts(make_alert("x"))
    assert state.debounce_remaining(100.0) == 0
    state = state.mark_processed(100.0)
    assert (state.debounce_remaining(101.0), state.debounce_remaining(105.0), state.debounce_remaining(1.0)) == (
        4.0,
        0.0,
        5.0,
    )


def test_the_most_severe_alerts_are_named() -> None:
    """They are sorted by severity, and the others are counted."""
    state = merge_alerts(
        make_alert("i", severity="info"),
        make_alert("w"),
        make_alert("c", severity="critical"),
        make_alert("n", severity=""),
    )
    assert [alert.severity for alert in state.most_severe] == ["critical", "warning", "info", ""]
    assert state.reason == "4 alerts: critical A, warning A, info A, +1 more"


def test_omitted_alerts_are_pending_and_overflow() -> None:
    """An omitted alert starts a cycle, which reads Alertmanager, and counts as overflow."""
    state = AlertState().merge(AlertBatch(omitted=20))
    assert (state.pending, state.overflow, state.reason) == (20, 20, "20 alerts: +20 more (20 overflow)")


def test_a_full_state_drops_resolved_alerts_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """New alerts replace resolved ones; without any, a new alert is pending and counted, but not known."""
    monkeypatch.setattr(alert_state, "MAX_KNOWN_ALERTS", 2)
    state = merge_alerts(make_alert("y"), make_alert("z"), alert_state=merge_alerts(make_alert("x", firing=False)))
    assert (set(state.last_states), state.overflow, state.pending) == ({"y", "z"}, 0, 2)
    state = merge_alerts(make_alert("w"), alert_state=state)
    assert (set(state.last_states), state.overflow, state.pending) == ({"y", "z"}, 1, 3)
    assert merge_alerts(make_alert("y", 2.0), alert_state=state).last_states["y"] == (2.0, False)


_alerts = st.builds(make_alert, st.sampled_from("uvwxyz"), st.sampled_from([1.0, 2.0, 3.0]), st.booleans())


@given(st.lists(_alerts, max_size=20), st.randoms(use_true_random=False), st.integers(1, 5))
def test_order_and_batches_do_not_matter(alerts: list[Alert], random: Random, size: int) -> None:
    """Repeated, shuffled and split alerts always end in the newest state of each."""
    shuffled = alerts * 2
    random.shuffle(shuffled)
    state = AlertState()
    for start in range(0, len(shuffled), size):
        state = merge_alerts(*shuffled[start : start + size], alert_state=state)
    assert state.last_states == {
        alert.fingerprint: max(b.state for b in alerts if b.fingerprint == alert.fingerprint) for alert in alerts
    }
    assert state.received == len(shuffled)


def test_a_full_state_is_small() -> None:
    """The state that is carried from run to run stays below 200 KB."""
    state = AlertState()
    for start in range(0, alert_state.MAX_KNOWN_ALERTS + 500, 100):
        batch = [
            Alert(fingerprint=f"{n:016x}", firing=True, starts_at=1769860800.123, name="n" * 120, component="c" * 80)
            for n in range(start, start + 100)
        ]
        state = state.merge(AlertBatch(alerts=tuple(batch)))
    loop_state = LoopState(loop="charter", links="l" * 300, recent=("mapek-cycle:" + "c" * 100,) * 10, alerts=state)
    assert len(state.last_states) == alert_state.MAX_KNOWN_ALERTS
    assert len(loop_state.model_dump_json().encode()) < 200_000
    assert LoopState.model_validate_json(loop_state.model_dump_json()) == loop_state


def test_a_known_start_in_the_future_is_forgotten() -> None:
    """Without it a later firing with a true start is pending; the other known alerts stay."""
    state = merge_alerts(make_alert("x", 9000.0), make_alert("y", 10.0)).mark_processed(20.0)
    assert merge_alerts(make_alert("x", 30.0), alert_state=state).pending == 0
    healed = state.without_future_starts(20.0)
    assert healed.last_states == {"y": (10.0, False)}
    assert merge_alerts(make_alert("x", 30.0), alert_state=healed).pending == 1

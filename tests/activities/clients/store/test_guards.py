"""Guards: incidents with their rungs, quarantine, modes."""

import asyncio

import pytest

from activities.clients.store.store import Store
from activities.model.errors import Superseded
from activities.model.guard_state import GuardState
from activities.model.incident import compute_incident_id
from activities.model.mode import LoopMode, Mode
from activities.model.outcome import OutcomeTransaction
from tests.support.model_builders import (
    make_outcome,
    make_outcome_transaction,
    make_problem,
    make_rung,
    quarantine_knob,
)

PLAN_A, PLAN_B = "a" * 12, "b" * 12


async def test_nothing_is_guarded(store: Store) -> None:
    """An empty store guards nothing and has no mode."""
    assert await store.guards.load_state("charter", 0.0) == GuardState()
    assert await store.guards.load_mode("charter") is None


async def test_the_first_rung_opens_the_incident(store: Store) -> None:
    """The incident's id and onset are frozen by its first plan; the next plan is another rung of it."""
    first = await store.guards.start_rung(make_problem(), make_rung(PLAN_A), 1010.0)
    second = await store.guards.start_rung(make_problem(onset=1100.0, observed_at=1110.0), make_rung(PLAN_B, 1), 1010.0)
    assert first.incident_id == second.incident_id == compute_incident_id("charter", "committee", 1000.0)
    assert (second.onset, second.opened_at, second.last_seen_at) == (1000.0, 1010.0, 1110.0)
    assert [r.plan_id for r in second.rungs] == [PLAN_A, PLAN_B]
    assert (await store.guards.load_state("charter", 0.0)).incidents == (second,)
    assert (await store.guards.load_state("other", 0.0)).incidents == ()


async def test_an_incident_is_opened_once(store: Store) -> None:
    """Opened without a rung, again or with another onset, it is the same incident, and its first rung joins it."""
    first = await store.guards.open_incident(make_problem())
    again = await store.guards.open_incident(make_problem(onset=1500.0, observed_at=1510.0))
    assert (again.incident_id, again.onset, again.rungs) == (first.incident_id, 1000.0, ())
    joined = await store.guards.start_rung(make_problem(onset=1600.0, observed_at=1610.0), make_rung(PLAN_A), 1010.0)
    assert (joined.incident_id, [r.plan_id for r in joined.rungs]) == (first.incident_id, [PLAN_A])


async def test_a_plan_is_one_rung(store: Store) -> None:
    """A plan that starts repeatedly or concurrently is one rung of one incident."""
    calls = [store.guards.start_rung(make_problem(), make_rung(PLAN_A), 1010.0) for _ in range(10)]
    incidents = await asyncio.gather(*calls)
    assert {i.incident_id for i in incidents} == {compute_incident_id("charter", "committee", 1000.0)}
    assert all(len(i.rungs) == 1 for i in incidents)


async def test_a_new_trouble_is_a_new_incident(store: Store) -> None:
    """After the close another onset opens another incident; the same onset goes on with its rungs."""
    first = await store.guards.start_rung(make_problem(), make_rung(PLAN_A), 1010.0)
    await store.close_remediation(make_outcome_transaction(PLAN_A, close_incident=True))
    again = await store.guards.start_rung(make_problem(onset=1000.0, observed_at=1200.0), make_rung(PLAN_B, 1), 1010.0)
    assert (again.incident_id, again.closed_at) == (first.incident_id, None)
    assert [(r.plan_id, r.outcome) for r in again.rungs] == [(PLAN_A, "fixed"), (PLAN_B, "")]
    await store.close_remediation(make_outcome_transaction(PLAN_B, close_incident=True))
    other = await store.guards.start_rung(make_problem(onset=1500.0, observed_at=1510.0), make_rung("c" * 12), 1010.0)
    assert other.incident_id != first.incident_id
    assert len(other.rungs) == 1


async def test_quiet_incidents_close(store: Store) -> None:
    """An incident closes when its violations were last seen long ago and nothing runs."""
    await store.guards.start_rung(make_problem(), make_rung(PLAN_A), 1010.0)
    assert await store.guards.close_quiet("charter", 5000.0) == 0
    await store.close_remediation(make_outcome_transaction(PLAN_A))
    await store.guards.touch_incident("charter", "committee", 1300.0)
    await store.guards.touch_incident("charter", "committee", 1200.0)
    assert await store.guards.close_quiet("charter", 1300.0) == 0
    assert await store.guards.close_quiet("other", 5000.0) == 0
    assert await store.guards.close_quiet("charter", 1300.1) == 1
    assert (await store.guards.load_state("charter", 0.0)).incidents == ()
    await store.guards.touch_incident("charter", "committee", 1400.0)
    assert (await store.guards.load_state("charter", 0.0)).incidents == ()


async def test_quarantine_and_release(store: Store) -> None:
    """Both are in the audit of the loop; the release of a free knob changes nothing."""
    assert await store.guards.release("charter", "committee", "ann", "checked", 1000.0) is False
    await quarantine_knob(store, "committee", "undo failed", 1010.0, loop="loop-1")
    guard = (await store.guards.load_state("charter", 0.0)).knob("committee")
    assert (guard.quarantined, guard.quarantine_reason) == (True, "undo failed")
    assert await store.guards.release("charter", "committee", "ann", "checked", 1020.0) is True
    free = (await store.guards.load_state("charter", 0.0)).knob("committee")
    assert (free.quarantined, free.quarantine_reason, free.released_at) == (False, "", 1020.0)
    rows = await store.audit.load_for_loop("loop-1")
    assert [(r.kind, r.at, r.actor, r.summary) for r in rows] == [
        ("quarantine", 1010.0, "", "undo failed"),
        ("quarantine", 1020.0, "ann", "released: checked"),
    ]


async def test_a_release_leaves_the_cool_down(store: Store) -> None:
    """Releasing a knob does not end its rest."""
    await store.close_remediation(
        make_outcome_transaction(PLAN_A, cool_down_until=2000.0, quarantine_reason="undo failed")
    )
    await store.guards.release("charter", "committee", "ann", "checked", 1200.0)
    guard = (await store.guards.load_state("charter", 0.0)).knob("committee")
    assert (guard.quarantined, guard.cool_down_until) == (False, 2000.0)


async def test_a_mode_and_its_audit(store: Store) -> None:
    """The last mode is in force, and the audit has actor and reason of each."""
    act = Mode(loop="charter", name=LoopMode.ACT, actor="ann", reason="go", at=1000.0)
    observe = Mode(loop="charter", name=LoopMode.OBSERVE, actor="bob", reason="pause", at=1001.0, previous=LoopMode.ACT)
    for mode in (act, observe):
        await store.guards.set_mode(mode)
    assert await store.guards.load_mode("charter") == observe
    assert await store.guards.load_mode("other") is None
    rows = await store.audit.load_for_loop("charter")
    assert [(r.kind, r.actor, r.summary) for r in rows] == [
        ("mode", "ann", "act: go"),
        ("mode", "bob", "observe: pause"),
    ]


async def test_a_plan_that_applied_nothing_may_start_again(store: Store) -> None:
    """An ending without an effect is withdrawn when the same plan starts again, and its rung runs again."""
    await store.guards.start_rung(make_problem(), make_rung(PLAN_A), 1010.0)
    await store.close_remediation(OutcomeTransaction(outcome=make_outcome(PLAN_A, outcome="stale", seconds=None)))
    await store.guards.start_rung(make_problem(onset=1000.0, observed_at=1020.0), make_rung(PLAN_A), 1010.0)
    assert await store.outcomes.load_for_plan(PLAN_A) is None
    [incident] = (await store.guards.load_state("charter", 0.0)).incidents
    assert [r.outcome for r in incident.rungs] == [""]
    assert (await store.close_remediation(make_outcome_transaction(PLAN_A))).outcome == "fixed"


async def test_a_plan_that_was_applied_keeps_its_outcome(store: Store) -> None:
    """An outcome with an effect is kept when the plan starts again."""
    await store.close_remediation(make_outcome_transaction(PLAN_A))
    await store.guards.start_rung(make_problem(onset=1000.0, observed_at=1020.0), make_rung(PLAN_A), 1010.0)
    assert await store.outcomes.load_for_plan(PLAN_A) == make_outcome(PLAN_A)


async def test_a_delayed_start_withdraws_no_outcome(store: Store) -> None:
    """A start requested before the end is refused; a later one withdraws the outcome."""
    await store.guards.start_rung(make_problem(), make_rung(PLAN_A), 1010.0)
    failed = make_outcome(PLAN_A, outcome="failed", seconds=None, ended_at=1050.0)
    await store.close_remediation(OutcomeTransaction(outcome=failed))
    with pytest.raises(Superseded):
        await store.guards.start_rung(make_problem(onset=1000.0, observed_at=1020.0), make_rung(PLAN_A), 1010.0)
    assert await store.outcomes.load_for_plan(PLAN_A) == failed
    [incident] = (await store.guards.load_state("charter", 0.0)).incidents
    assert [r.outcome for r in incident.rungs] == ["failed"]
    await store.guards.start_rung(make_problem(onset=1000.0, observed_at=1030.0), make_rung(PLAN_A), 1060.0)
    assert await store.outcomes.load_for_plan(PLAN_A) is None

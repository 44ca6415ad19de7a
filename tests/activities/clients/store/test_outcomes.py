"""Outcomes: exactly once, counted, remembered up to a limit."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities.clients.store.store import Store, open_store
from activities.model.action import ActionType
from activities.model.diagnosis import Cause
from activities.model.experience import Experience
from activities.model.outcome import EffectClass, Outcome, OutcomeTransaction
from tests.support.model_builders import make_outcome, make_outcome_transaction, make_problem, make_rung

SUPPRESSED_CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


async def close_remediations(store: Store, *transactions: Outcome, keep: int = 1000) -> None:
    for one in transactions:
        await store.close_remediation(OutcomeTransaction(outcome=one, history_limit=keep))


async def test_the_end_of_a_remediation_is_one_transaction(store: Store) -> None:
    """Outcome, cool-down, quarantine, rung, incident and audit are written together."""
    await store.guards.start_rung(make_problem(), make_rung(), 1010.0)
    change = make_outcome_transaction(
        cool_down_until=2000.0, cool_down_reason="fixed", quarantine_reason="undo failed", close_incident=True
    )
    assert await store.close_remediation(change) == change.outcome
    state = await store.guards.load_state("charter", 0.0)
    guard = state.knob("committee")
    assert (guard.cool_down_until, guard.cool_down_reason) == (2000.0, "fixed")
    assert (guard.quarantined, guard.quarantine_reason) == (True, "undo failed")
    assert state.incidents == ()
    (row,) = await store.audit.load_for_plan("a" * 12)
    assert (row.kind, row.at, row.knob) == ("ending", 1100.0, "committee")
    assert row.summary == "fixed: 3 of 3 resolved; quarantined: undo failed"


async def test_an_incident_that_goes_on_keeps_its_rung(store: Store) -> None:
    """Without closing, the incident stays open and its rung has the outcome."""
    await store.guards.start_rung(make_problem(), make_rung(), 1010.0)
    await store.close_remediation(
        OutcomeTransaction(outcome=make_outcome(outcome="no_effect", value=0.0, type=EffectClass.INEFFECTIVE))
    )
    incident = (await store.guards.load_state("charter", 0.0)).incident("committee")
    assert incident is not None
    assert [r.outcome for r in incident.rungs] == ["no_effect"]


async def test_a_repeat_changes_nothing(store: Store) -> None:
    """The first end is final."""
    first = await store.close_remediation(make_outcome_transaction(cool_down_until=2000.0))
    again = OutcomeTransaction(outcome=make_outcome(outcome="worse", value=0.0), cool_down_until=9000.0)
    assert await store.close_remediation(again) == first
    guard = (await store.guards.load_state("charter", 0.0)).knob("committee")
    assert (guard.cool_down_until, guard.quarantined) == (2000.0, False)
    assert len(await store.audit.load_for_plan("a" * 12)) == 1
    (record,) = (await store.outcomes.load_experience("charter")).action_stats
    assert (record.count, record.total) == (1, 1.0)


async def test_a_late_change_is_quarantined(store: Store) -> None:
    """A late change that cannot be undone quarantines its knob once; the first end is final."""
    first = await store.close_remediation(make_outcome_transaction())
    late = OutcomeTransaction(
        outcome=make_outcome(outcome="stopped", value=None), quarantine_reason="a newer change is applied"
    )
    assert await store.close_remediation(late) == await store.close_remediation(late) == first
    assert (await store.guards.load_state("charter", 0.0)).knob("committee").quarantined
    assert [row.kind for row in await store.audit.load_for_plan("a" * 12)] == ["ending", "quarantine"]


async def test_a_repeated_record_does_not_take_a_release_back(store: Store) -> None:
    """A repeated end after a release leaves the knob released."""
    await store.close_remediation(make_outcome_transaction(quarantine_reason="undo failed"))
    await store.guards.release("charter", "committee", "ada", "repaired", 1200.0)
    await store.close_remediation(make_outcome_transaction(quarantine_reason="undo failed"))
    assert not (await store.guards.load_state("charter", 0.0)).knob("committee").quarantined


async def test_a_longer_cool_down_is_not_cut_short(store: Store) -> None:
    """An end without a cool-down leaves a longer one in force."""
    await store.close_remediation(
        make_outcome_transaction("a" * 12, cool_down_until=2000.0, cool_down_reason="rolled back")
    )
    await store.close_remediation(make_outcome_transaction("b" * 12, cool_down_until=0.0))
    assert (await store.guards.load_state("charter", 0.0)).knob("committee").cool_down_until == 2000.0


async def test_an_ending_does_not_release_a_quarantine(store: Store) -> None:
    """Only an operator releases: an end without a quarantine leaves it."""
    await store.close_remediation(make_outcome_transaction("a" * 12, quarantine_reason="undo failed"))
    await store.close_remediation(make_outcome_transaction("b" * 12))
    assert (await store.guards.load_state("charter", 0.0)).knob("committee").quarantine_reason == "undo failed"


async def test_exactly_once_when_twenty_finish_together(store: Store) -> None:
    """Twenty concurrent ends write one outcome, and all return it."""
    endings = [OutcomeTransaction(outcome=make_outcome(headline=str(i)), cool_down_until=2000.0 + i) for i in range(20)]
    stood = await asyncio.gather(*(store.close_remediation(one) for one in endings))
    assert len(set(stood)) == 1
    assert len(await store.audit.load_for_plan("a" * 12)) == 1
    assert (await store.outcomes.load_experience("charter")).for_action(ActionType.SCALE_UP, Cause.OVERLOAD).count == 1


async def test_exactly_once_across_two_stores(database_path: Path) -> None:
    """Two processes on one file write one outcome for each plan."""
    one, two = await asyncio.gather(open_store(database_path), open_store(database_path))
    calls = [store.close_remediation(make_outcome_transaction(f"{i:012x}")) for i in range(10) for store in (one, two)]
    await asyncio.gather(*calls)
    assert len(await two.outcomes.load_recent("charter", 100)) == 10
    assert len(await one.audit.load_for_loop("charter")) == 10
    assert await one.audit.verify_chain() is None
    await asyncio.gather(one.close(), two.close())


async def test_an_outcome_counts_for_each_of_its_actions(store: Store) -> None:
    """Each type among the actions counts once; what has no value does not count."""
    both = (ActionType.SCALE_UP, ActionType.RESTART_SERVICE, ActionType.RESTART_SERVICE)
    await close_remediations(
        store,
        make_outcome("1", actions=both, value=0.5),
        make_outcome("2", actions=(ActionType.SCALE_UP,), value=1.0),
        make_outcome("3", actions=(ActionType.SCALE_UP,), value=None),
        make_outcome("4", actions=(ActionType.SCALE_UP,), value=0.0, cause=Cause.CASCADE),
        make_outcome("5", actions=(), value=1.0),
        make_outcome("6", loop="other"),
    )
    experience = await store.outcomes.load_experience("charter")
    counted = {(r.action, r.cause): (r.count, r.total) for r in experience.action_stats}
    assert counted == {
        (ActionType.SCALE_UP, Cause.OVERLOAD): (2, 1.5),
        (ActionType.RESTART_SERVICE, Cause.OVERLOAD): (1, 0.5),
        (ActionType.SCALE_UP, Cause.CASCADE): (1, 0.0),
    }


async def test_nothing_was_experienced(store: Store) -> None:
    """A loop without outcomes has no experience."""
    assert await store.outcomes.load_experience("charter") == Experience()
    assert await store.outcomes.load_recent("charter") == ()
    assert await store.outcomes.load_for_plan("a" * 12) is None


async def test_the_newest_are_remembered(store: Store) -> None:
    """Beyond the limit the oldest teaches no more, but is still the end of its plan; other loops are not touched."""
    await close_remediations(store, make_outcome("other", loop="other", at=0.0))
    await close_remediations(store, *(make_outcome(f"p{i}", at=float(i)) for i in (3, 1, 2, 5, 4)), keep=3)
    assert [o.plan_id for o in await store.outcomes.load_recent("charter")] == ["p5", "p4", "p3"]
    assert [o.plan_id for o in await store.outcomes.load_recent("charter", 1)] == ["p5"]
    assert (await store.outcomes.load_experience("charter")).action_stats[0].count == 3
    assert await store.close_remediation(OutcomeTransaction(outcome=make_outcome("p1", at=99.0))) == make_outcome(
        "p1", at=1.0
    )
    assert len(await store.outcomes.load_recent("other")) == 1


@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(ActionType), max_size=3),
            st.sampled_from(Cause),
            st.sampled_from([None, 0.0, 0.5, 1.0]),
        ),
        max_size=8,
    )
)
@settings(max_examples=30, deadline=None, suppress_health_check=SUPPRESSED_CHECKS)
def test_experience_is_the_sum_of_its_outcomes(tried: list[tuple[list[ActionType], Cause, float | None]]) -> None:
    """The sums are those of a plain count."""

    async def load_experience() -> Experience:
        store = await open_store("memory")
        for i, (actions, cause, value) in enumerate(tried):
            await close_remediations(store, make_outcome(str(i), actions=tuple(actions), cause=cause, value=value))
        experience = await store.outcomes.load_experience("charter")
        await store.close()
        return experience

    experience = asyncio.run(load_experience())
    for action in ActionType:
        for cause in Cause:
            values = [v for actions, c, v in tried if c is cause and v is not None and action in actions]
            assert experience.for_action(action, cause).count == len(values)
            assert experience.for_action(action, cause).total == pytest.approx(sum(values))


@pytest.mark.parametrize("any_address", ["file"], indirect=True)
async def test_experience_and_recent_use_their_indexes(store: Store) -> None:
    """A loop's outcomes are found by index, not by reading them all."""
    query = (
        "EXPLAIN QUERY PLAN SELECT a.action, o.cause, count(*), sum(o.value) FROM outcome_actions a JOIN outcomes o "
        "ON o.plan_id = a.plan_id WHERE o.loop = 'x' AND o.remembered IS 1 AND o.value IS NOT NULL GROUP BY 1, 2"
    )
    steps = await store.database.read(lambda c: [row[-1] for row in c.exec_driver_sql(query)])
    assert any("outcomes_by_loop" in step for step in steps)
    assert not any(step.startswith("SCAN") for step in steps)

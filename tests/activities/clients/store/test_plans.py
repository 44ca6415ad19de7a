"""Plans, decisions, effects, and what was left open."""

import asyncio
from contextlib import nullcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.clients.store.store import Store, open_store
from activities.model.action import Action, ActionType
from activities.model.decision import Decision
from activities.model.diagnosis import Diagnosis
from activities.model.effect import Direction, Effect
from activities.model.errors import NotFound, Rejected, Superseded
from activities.model.outcome import OutcomeTransaction
from activities.model.plan import Plan
from tests.support.model_builders import make_attempt_row, make_outcome, make_outcome_transaction, make_plan

PLAN_A, PLAN_B, PLAN_C = "a" * 12, "b" * 12, "c" * 12


def make_decision(headline: str = "nothing to do") -> Decision:
    return Decision(outcome="unknown", headline=headline, diagnosis=Diagnosis(headline="unknown", at=1000.0))


def make_effect(
    plan_id: str = PLAN_A, step: int = 0, direction: Direction = Direction.DO, at: float = 1050.0
) -> Effect:
    return Effect(plan_id=plan_id, step=step, direction=direction, at=at, generation=4, previous={"replicas": 5})


async def test_a_plan_is_kept_as_it_was_first_stored(store: Store) -> None:
    """The same plan put again, later, is the one stored first: its times are part of what is sent to Charter."""
    assert await store.plans.put(make_plan(), 1010.0) == make_plan()
    assert await store.plans.put(make_plan(created_at=1099.0, cycle_id="later"), 1099.0) == make_plan()
    assert await store.plans.get(PLAN_A) == make_plan()
    assert await store.plans.load_cycle_id(PLAN_A) == make_plan().cycle_id


async def test_one_id_is_one_hash(store: Store) -> None:
    """Another hash under the same id is refused."""
    await store.plans.put(make_plan(), 1010.0)
    with pytest.raises(Rejected):
        await store.plans.put(make_plan(hash="f" * 64), 1011.0)


async def test_no_such_plan(store: Store) -> None:
    """An unknown plan is an error, not nothing."""
    with pytest.raises(NotFound):
        await store.plans.get(PLAN_A)
    with pytest.raises(NotFound):
        await store.plans.load_cycle_id(PLAN_A)


@given(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers() | st.booleans() | st.none()),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)
@settings(max_examples=40, deadline=None)
def test_any_plan_survives(parameters: dict[str, object], onset: float, headline: str) -> None:
    """Every plan is read as it was written."""
    action = Action(type=ActionType.APPLY_POLICY, policy="p", parameters=parameters)
    put = make_plan(actions=(action,), onset=onset, headline=headline)

    async def there_and_back() -> Plan:
        store = await open_store("memory")
        await store.plans.put(put, 0.0)
        got = await store.plans.get(PLAN_A)
        await store.close()
        return got

    assert asyncio.run(there_and_back()) == put


async def test_a_decision(store: Store) -> None:
    """A cycle's decision is found; one decided again replaces it."""
    assert await store.plans.load_decision("cycle") is None
    await store.plans.put_decision("cycle", "charter", 1000.0, make_decision(), "0" * 64)
    await store.plans.put_decision("cycle", "charter", 1001.0, make_decision("again"), "1" * 64)
    assert await store.plans.load_decision("cycle") == make_decision("again")


async def test_an_effect_is_kept_once(store: Store) -> None:
    """The first of a plan, step and direction is kept; an undo is another effect."""
    assert await store.plans.put_effect(make_effect()) == make_effect()
    assert await store.plans.put_effect(make_effect(at=9999.0)) == make_effect()
    await store.plans.put_effect(make_effect(step=1, at=1051.0))
    await store.plans.put_effect(make_effect(direction=Direction.UNDO, at=1060.0))
    await store.plans.put_effect(make_effect(plan_id=PLAN_B))
    got = await store.plans.load_effects(PLAN_A)
    assert [(e.step, e.direction) for e in got] == [(0, "do"), (1, "do"), (0, "undo")]
    assert await store.plans.load_effects(PLAN_C) == ()


async def test_an_effect_after_the_end_is_late(store: Store) -> None:
    """An abandoned attempt may resume after the end: no outcome covers its effect."""
    await store.plans.put(make_plan(PLAN_A), 1010.0)
    await store.audit.append(make_attempt_row(PLAN_A))
    await store.close_remediation(make_outcome_transaction(PLAN_A))
    assert (await store.plans.put_effect(make_effect())).late
    assert not (await store.plans.put_effect(make_effect(direction=Direction.UNDO, at=1060.0))).late
    assert not (await store.plans.put_effect(make_effect(plan_id=PLAN_B))).late


async def test_an_effect_during_the_end_is_late(store: Store) -> None:
    """An attempt may resume between the last check and the end: the outcome does not cover it."""
    await store.plans.put(make_plan(PLAN_A), 1010.0)
    await store.audit.append(make_attempt_row(PLAN_A))
    for step in (0, 1, 2):
        await store.plans.put_effect(make_effect(step=step))
    await store.plans.put_effect(make_effect(step=1, direction=Direction.UNDO, at=1060.0))
    await store.close_remediation(make_outcome_transaction(PLAN_A, unapplied_steps=(0, 1)))
    got = await store.plans.load_effects(PLAN_A)
    assert [(e.step, e.direction, e.late) for e in got if e.late] == [(0, "do", True)]
    assert [p.plan_id for p in await store.plans.load_unresolved("charter", {(PLAN_A, 0)})] == [PLAN_A]


@pytest.mark.parametrize(
    ("requested_at", "ended_at", "is_accepted"), [(1050.0, 1040.0, False), (1050.0, 1060.0, True), (0.0, 9.0, True)]
)
async def test_an_end_of_an_earlier_run_is_refused(
    store: Store, requested_at: float, ended_at: float, is_accepted: bool
) -> None:
    """A delayed end does not end a plan that continued."""
    await store.plans.put(make_plan(PLAN_A), 1010.0)
    await store.plans.put_effect(make_effect().model_copy(update={"requested_at": requested_at}))
    end = OutcomeTransaction(outcome=make_outcome(PLAN_A, ended_at=ended_at))
    with nullcontext() if is_accepted else pytest.raises(Superseded):
        await store.close_remediation(end)
    assert (await store.outcomes.load_for_plan(PLAN_A) is not None) == is_accepted


async def test_a_step_requested_again_refuses_an_older_end(store: Store) -> None:
    """After a reset the step is applied; a delayed end of the first run is refused."""
    await store.plans.put(make_plan(PLAN_A), 1010.0)
    done = await store.plans.put_effect(make_effect().model_copy(update={"requested_at": 50.0}))
    await store.plans.refresh_request_time(done, 70.0)
    with pytest.raises(Superseded):
        await store.close_remediation(OutcomeTransaction(outcome=make_outcome(PLAN_A, ended_at=60.0)))
    assert (
        await store.close_remediation(OutcomeTransaction(outcome=make_outcome(PLAN_A, ended_at=80.0)))
    ).ended_at == 80.0


async def test_what_was_left_open(store: Store) -> None:
    """A plan that may have touched Charter and has no outcome is open; one never tried, or ended, is not."""
    for plan_id in (PLAN_A, PLAN_B, PLAN_C, "d" * 12):
        await store.plans.put(make_plan(plan_id), 1010.0)
    await store.plans.put(make_plan("e" * 12, charter="other"), 1010.0)
    await store.audit.append(make_attempt_row(PLAN_A))
    await store.plans.put_effect(make_effect(PLAN_B))
    await store.audit.append(make_attempt_row(PLAN_C))
    await store.close_remediation(make_outcome_transaction(PLAN_C))
    await store.audit.append(make_attempt_row("d" * 12, kind="approval"))
    await store.audit.append(make_attempt_row("e" * 12))
    assert {p.plan_id for p in await store.plans.load_unresolved("charter")} == {PLAN_A, PLAN_B}


async def test_what_is_unsettled(store: Store) -> None:
    """Every plan of the loop without an outcome is unsettled, tried or not, the newest first."""
    for i, plan_id in enumerate((PLAN_A, PLAN_B, PLAN_C)):
        await store.plans.put(make_plan(plan_id), 1000.0 + i)
    await store.plans.put(make_plan("d" * 12, loop="other"), 1010.0)
    await store.close_remediation(make_outcome_transaction(PLAN_B))
    assert [p.plan_id for p in await store.plans.load_unsettled("charter")] == [PLAN_C, PLAN_A]

"""Rechecks of successes and scores of shadow decisions."""

from collections.abc import AsyncIterator, Iterable
from typing import Any, cast

import pytest

from activities.clients.store.store import Store, open_store
from activities.dependencies import Dependencies, LoopDependencies
from activities.knowledge.recheck import next_recheck_at
from activities.knowledge.settings import KnowledgeSettings
from activities.model.action import ActionType
from activities.model.autonomy import EvidenceKind, ShadowDecision
from activities.model.charter import Committee
from activities.model.diagnosis import Cause
from activities.model.effect import Direction, Effect
from activities.model.outcome import EffectClass, OutcomeTransaction
from activities.monitor.current_state import CurrentState
from activities.settings import LoopSettings
from activities.upkeep import activity
from activities.upkeep.activity import UpkeepActivities
from activities.upkeep.checks import RecheckResult, classify_recheck, score_shadow
from tests.support.model_builders import make_outcome, make_plan

UNCHANGED_COMMITTEE = Committee(replicas=6, healthy_nodes=6, generation=4)
TARGET = ("validator-1", "failure_rate")
APPLIED_EFFECT = Effect(plan_id="a" * 12, step=0, direction=Direction.DO, at=1050.0, generation=4)


def make_current_state(
    violated: Iterable[tuple[str, str]] = (),
    blind: Iterable[str] = (),
    committee: Committee | None = UNCHANGED_COMMITTEE,
) -> CurrentState:
    """Return a present state."""
    return CurrentState(frozenset(violated), frozenset(blind), committee, None if committee is None else ())


@pytest.mark.parametrize(
    ("state", "after", "result"),
    [
        (make_current_state(), 0, RecheckResult.LASTS),
        (make_current_state({TARGET}), 0, RecheckResult.RELAPSED),
        (make_current_state({TARGET}), 1, RecheckResult.LASTS),
        (make_current_state({("gateway", "failure_rate")}), 0, RecheckResult.LASTS),
        (make_current_state(blind={"validator-1"}), 0, RecheckResult.UNKNOWN),
        (make_current_state(blind={"prometheus"}), 0, RecheckResult.UNKNOWN),
        (make_current_state({TARGET}, blind={"validator-1"}), 0, RecheckResult.RELAPSED),
        (make_current_state(blind={"gateway"}), 0, RecheckResult.LASTS),
        (
            make_current_state({TARGET}, committee=UNCHANGED_COMMITTEE.model_copy(update={"generation": 5})),
            0,
            RecheckResult.MOVED,
        ),
        (make_current_state(committee=None), 0, RecheckResult.UNKNOWN),
    ],
)
def test_a_success_lasts_relapses_or_is_unknown(state: CurrentState, after: int, result: RecheckResult) -> None:
    """It relapses with more violated pairs than at its verdict; a moved knob or a blind spot is no evidence."""
    assert classify_recheck(make_plan(), make_outcome(after=after), 4, state) is result


class UpkeepRound:
    """Upkeep over a real store with one success, and given present states."""

    def __init__(self, store: Store, states: list[CurrentState]) -> None:
        self.store, self.states, self.now = store, list(states), 2000.0
        loop = LoopDependencies(LoopSettings(), cast(Any, None), cast(Any, None))
        self.upkeep = UpkeepActivities(Dependencies({"charter": loop}, store, lambda: self.now, "w"), cast(Any, None))

    async def load_state(self) -> CurrentState:
        """Return the next of the given states."""
        return self.states.pop(0)

    async def run_recheck(self, now: float) -> str:
        """Run the rechecks due at `now` and return the note."""
        return await self.upkeep.recheck_successes("charter", now, cast(Any, self.load_state))

    async def start(self) -> None:
        """Store the plan, its effect and its success."""
        await self.store.plans.put(make_plan(), 1010.0)
        await self.store.plans.put_effect(APPLIED_EFFECT)
        outcome = make_outcome()
        await self.store.close_remediation(
            OutcomeTransaction(outcome=outcome, recheck_at=next_recheck_at(outcome, KnowledgeSettings()))
        )

    async def load_total(self) -> float:
        """Return the learned total of SCALE_UP against an overload."""
        experience = await self.store.outcomes.load_experience("charter")
        return experience.for_action(ActionType.SCALE_UP, Cause.OVERLOAD).total


@pytest.fixture
async def started_rounds(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[UpkeepRound]:
    """Return upkeep whose next three states are blind, healthy and relapsed."""
    monkeypatch.setattr(activity, "load_current_state", lambda load_input: load_input())
    store = await open_store("memory")
    upkeep_round = UpkeepRound(
        store, [make_current_state(blind={"*"}), make_current_state(), make_current_state({TARGET})]
    )
    await upkeep_round.start()
    yield upkeep_round
    await store.close()


async def test_a_relapse_loses_its_value(started_rounds: UpkeepRound) -> None:
    """A blind recheck is repeated, a lasting success is rechecked later, a relapse has value 0 and an audit row."""
    assert await started_rounds.run_recheck(1999.0) == ""
    assert await started_rounds.run_recheck(2000.0) == "rechecked: 1 unseen"
    assert await started_rounds.run_recheck(2030.0) == "rechecked: 1 lasts"
    assert await started_rounds.load_total() == 1.0
    assert await started_rounds.run_recheck(4699.0) == ""
    assert await started_rounds.run_recheck(4700.0) == "rechecked: 1 relapsed"
    assert await started_rounds.load_total() == 0.0
    assert await started_rounds.run_recheck(200_000.0) == ""
    outcome = await started_rounds.store.outcomes.load_for_plan("a" * 12)
    assert outcome is not None
    assert (outcome.type, outcome.relapsed_at) == (EffectClass.INEFFECTIVE, 4700.0)
    rows = await started_rounds.store.audit.load_for_plan("a" * 12)
    assert [(row.kind, row.summary) for row in rows][1:] == [
        ("recheck", "lasts 930 s after the outcome fixed"),
        ("recheck", "relapsed 3600 s after the outcome fixed"),
    ]
    assert await started_rounds.store.audit.verify_chain() is None


SHADOW_DECISION = ShadowDecision(
    plan_id="0123456789ab",
    loop="charter",
    cause=Cause.VALIDATION_LATENCY,
    component="committee",
    knob="committee",
    actions=(ActionType.SCALE_UP,),
    generation=7,
    targets=(("validator-1", "p99"), ("validator-2", "p99")),
    at=1000.0,
    last_seen_at=1000.0,
    due_at=1120.0,
)
SHADOWED_COMMITTEE = Committee(replicas=5, healthy_nodes=5, generation=7)
SHADOW_TARGET, UNRELATED_PAIR = ("validator-1", "p99"), ("gateway", "p99")


@pytest.mark.parametrize(
    ("committee", "violated", "blind", "kind"),
    [
        (SHADOWED_COMMITTEE, {SHADOW_TARGET}, (), EvidenceKind.MATCH),
        (SHADOWED_COMMITTEE, (), (), EvidenceKind.MISS),
        (SHADOWED_COMMITTEE, {UNRELATED_PAIR}, (), EvidenceKind.MISS),
        (SHADOWED_COMMITTEE.model_copy(update={"generation": 8}), (), (), EvidenceKind.MATCH),
        (SHADOWED_COMMITTEE, (), {"validator-2"}, None),
        (SHADOWED_COMMITTEE, (), {"*"}, None),
        (SHADOWED_COMMITTEE, (), {"prometheus"}, None),
        (SHADOWED_COMMITTEE, (), {"gateway"}, EvidenceKind.MISS),
        (SHADOWED_COMMITTEE, {SHADOW_TARGET}, {"validator-2"}, EvidenceKind.MATCH),
        (None, {SHADOW_TARGET}, (), None),
    ],
)
def test_a_shadow_decision_is_scored(
    committee: Committee | None, violated: Iterable[tuple[str, str]], blind: Iterable[str], kind: EvidenceKind | None
) -> None:
    """A persistent problem or a moved knob is a match, a visible recovery a miss, a blind spot no evidence."""
    state = CurrentState(frozenset(violated), frozenset(blind), committee, ())
    assert score_shadow(SHADOW_DECISION, state) is kind

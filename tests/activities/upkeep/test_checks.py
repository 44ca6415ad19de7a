"""A later look at a success."""

from typing import Any, cast

import pytest

from activities.clients.store.store import open_store
from activities.dependencies import LoopParts, Parts
from activities.knowledge.recheck import next_recheck
from activities.knowledge.settings import KnowledgeSettings
from activities.model.action import ActionType
from activities.model.charter import Committee
from activities.model.diagnosis import Cause
from activities.model.effect import Direction, Effect
from activities.model.outcome import Ending, OutcomeType
from activities.settings import LoopSettings
from activities.upkeep import activity
from activities.upkeep.activity import UpkeepActivities
from activities.upkeep.checks import Look, looked_again
from activities.upkeep.current_state import Seen
from tests.support.model_builders import outcome, plan

STILL = Committee(replicas=6, healthy_nodes=6, generation=4)
TARGET = ("validator-1", "failure_rate")
DO = Effect(plan_id="a" * 12, step=0, direction=Direction.DO, at=1050.0, generation=4)


def seen(violated=(), blind=(), committee=STILL):
    return Seen(frozenset(violated), frozenset(blind), committee, None if committee is None else ())


@pytest.mark.parametrize(
    ("sight", "after", "look"),
    [
        (seen(), 0, Look.LASTS),
        (seen({TARGET}), 0, Look.RELAPSED),
        (seen({TARGET}), 1, Look.LASTS),
        (seen({("gateway", "failure_rate")}), 0, Look.LASTS),
        (seen(blind={"validator-1"}), 0, Look.UNSEEN),
        (seen(blind={"prometheus"}), 0, Look.UNSEEN),
        (seen({TARGET}, blind={"validator-1"}), 0, Look.RELAPSED),
        (seen(blind={"gateway"}), 0, Look.LASTS),
        (seen({TARGET}, committee=STILL.model_copy(update={"generation": 5})), 0, Look.MOVED),
        (seen(committee=None), 0, Look.UNSEEN),
    ],
)
def test_what_is_seen(sight, after, look):
    """Back is more violated pairs than were left; a knob that moved says nothing of the plan, and blindness nothing."""
    assert looked_again(plan(), outcome(after=after), 4, sight) is look


class Round:
    """Upkeep over a real store whose sight is given, and one success in it."""

    def __init__(self, store, sights):
        self.store, self.sights, self.now = store, list(sights), 2000.0
        loop = LoopParts(LoopSettings(), cast(Any, None), cast(Any, None))
        self.upkeep = UpkeepActivities(Parts({"charter": loop}, store, lambda: self.now, "w"), cast(Any, None))

    async def look(self):
        return self.sights.pop(0)

    async def recheck(self, now):
        return await self.upkeep.recheck("charter", now, self.look)

    async def begin(self):
        await self.store.plans.put(plan(), 1010.0)
        await self.store.plans.put_effect(DO)
        ended = outcome()
        await self.store.finish(Ending(outcome=ended, recheck_at=next_recheck(ended, KnowledgeSettings())))

    def experience(self):
        return self.store.outcomes.experience("charter")


@pytest.fixture
async def begun(monkeypatch):
    monkeypatch.setattr(activity, "seen_of", lambda sight: sight)
    store = await open_store("memory")
    around = Round(store, [seen(blind={"*"}), seen(), seen({TARGET})])
    await around.begin()
    yield around
    await store.close()


async def test_a_relapse_is_unlearned(begun):
    """Unseen: again in the next round. Lasting: again in an hour. Back: worth nothing from now on, on record."""
    assert await begun.recheck(1999.0) == ""
    assert await begun.recheck(2000.0) == "; looked again: 1 unseen"
    assert await begun.recheck(2030.0) == "; looked again: 1 lasts"
    assert (await begun.experience()).of(ActionType.SCALE_UP, Cause.OVERLOAD).total == 1.0
    assert await begun.recheck(4699.0) == ""
    assert await begun.recheck(4700.0) == "; looked again: 1 relapsed"
    assert (await begun.experience()).of(ActionType.SCALE_UP, Cause.OVERLOAD).total == 0.0
    assert await begun.recheck(200_000.0) == ""
    ended = await begun.store.outcomes.of_plan("a" * 12)
    assert (ended.type, ended.relapsed_at) == (OutcomeType.INEFFECTIVE, 4700.0)
    rows = await begun.store.audit.of_plan("a" * 12)
    assert [(row.kind, row.text) for row in rows][1:] == [
        ("recheck", "lasts 930 s after it was called fixed"),
        ("recheck", "relapsed 3600 s after it was called fixed"),
    ]
    assert await begun.store.audit.verify_chain() is None

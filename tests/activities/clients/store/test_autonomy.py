"""The marks trust is earned by, and the shadows that wait to be scored."""

from activities.model.autonomy import Mark, Shadow
from tests.activities.upkeep.test_shadows import SHADOW
from tests.support.model_builders import ending


def later(seconds: float, **changes: object) -> Shadow:
    """Return the same trouble decided again, by another plan."""
    at = SHADOW.at + seconds
    return SHADOW.model_copy(update={"plan_id": f"{at:012.0f}", "at": at, "seen_at": at, "due_at": at + 120} | changes)


async def test_one_trouble_is_one_shadow(store):
    """Decided again every cycle it stays one; ten quiet minutes later it is another, and another cause is too."""
    for seconds in (0.0, 30.0, 600.0, 1100.0):
        await store.trust.keep(later(seconds))
    assert [s.at for s in await store.trust.due("charter", 1e9)] == [1000.0]
    await store.trust.keep(later(1100.0, component="validator-1"))
    await store.trust.keep(later(1701.0))
    assert [s.at for s in await store.trust.due("charter", 1e9)] == [1000.0, 2100.0, 2701.0]


async def test_a_shadow_is_scored_once_and_when_due(store):
    """Not before its time, not twice, and one that tells nothing leaves no mark."""
    await store.trust.keep(SHADOW)
    assert await store.trust.due("charter", SHADOW.due_at - 1) == ()
    assert await store.trust.due("other", SHADOW.due_at) == ()
    for _ in range(2):
        await store.trust.score(SHADOW, Mark.MATCH, 1200.0)
    (mark,) = await store.trust.evidence("charter")
    assert (mark.plan_id, mark.mark, mark.at) == (SHADOW.plan_id, Mark.MATCH, 1200.0)
    other = later(5000.0)
    await store.trust.keep(other)
    await store.trust.score(other, None, 6200.0)
    assert len(await store.trust.evidence("charter")) == 1
    assert await store.trust.due("charter", 1e9) == ()


async def test_marks_are_told_once(store):
    """Upkeep looks at each mark once for a change of level."""
    await store.trust.keep(SHADOW)
    await store.trust.score(SHADOW, Mark.MISS, 1200.0)
    assert await store.trust.untold("charter") == 1
    await store.trust.told("charter", 1)
    assert await store.trust.untold("charter") == 0


async def test_an_ending_leaves_its_mark_in_the_same_transaction(store):
    """One mark for each type of action, once however often the ending is recorded, none if it tells nothing."""
    for _ in range(2):
        await store.finish(ending(plan_id="a" * 12, mark=Mark.HARM))
    await store.finish(ending(plan_id="b" * 12))
    marks = await store.trust.evidence("charter")
    assert {(m.plan_id, m.mark) for m in marks} == {("a" * 12, Mark.HARM)}
    assert len(marks) == len({m.action for m in marks})

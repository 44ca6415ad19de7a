"""The outbox: each trouble is told once, each target gets it once, and who can update is told how it ended."""

from typing import Any

import pytest

from activities.model.notice import Notice, NoticeKind

ALL = tuple(NoticeKind)


def notice(**changes: Any) -> Notice:
    """Return a notice of an approval that is wanted."""
    usual = {"key": "k1", "kind": NoticeKind.APPROVAL, "loop": "charter", "headline": "h", "plan": "p1", "at": 100.0}
    return Notice(**(usual | changes))


async def sent(store, target: str, now: float, updates: bool = True) -> list[tuple[str, str]]:
    """Send the target everything it is to get, and return (key, how it ended)."""
    found = []
    while due := await store.notices.claim(target, ALL, updates, now):
        await store.notices.settle(due, target, True, now)
        found.append((due.notice.key, due.notice.closed))
    return found


async def test_one_trouble_is_told_once_to_each_target(store):
    """Seen again in every cycle it stays one message; another trouble, or another target, gets its own."""
    for at in (100.0, 130.0, 160.0):
        await store.notices.open(notice(at=at))
    await store.notices.open(notice(key="k2", plan="p2"))
    assert await sent(store, "a", 200.0) == [("k1", ""), ("k2", "")]
    assert await sent(store, "a", 201.0) == []
    assert await sent(store, "b", 202.0) == [("k1", ""), ("k2", "")]
    assert not await store.notices.waiting("a", ALL, True, 203.0)


async def test_who_can_update_is_told_the_end_and_who_cannot_is_not(store):
    """A page is resolved, a chat message stands; what ended before it was told is not told at all."""
    await store.notices.open(notice())
    await sent(store, "pager", 110.0)
    await sent(store, "chat", 110.0, updates=False)
    await store.notices.close("p1", (NoticeKind.APPROVAL,), "approved", 120.0)
    assert await sent(store, "pager", 130.0) == [("k1", "approved")]
    assert await sent(store, "chat", 130.0, updates=False) == []
    assert await sent(store, "late", 130.0) == []


async def test_the_same_trouble_after_its_end_is_told_anew(store):
    """A closed notice does not silence the next one; another plan takes the place of the one before."""
    await store.notices.open(notice())
    await sent(store, "a", 110.0)
    await store.notices.open(notice(plan="p2", at=120.0))
    assert await sent(store, "a", 130.0) == [("k1", "superseded by another plan"), ("k1", "")]
    await store.notices.close("p2", (NoticeKind.APPROVAL,), "expired", 140.0)
    await store.notices.open(notice(plan="p2", at=150.0))
    assert await sent(store, "a", 160.0) == [("k1", "expired"), ("k1", "")]


async def test_one_worker_sends_and_another_takes_over(store):
    """What one has claimed another does not send until the lease is over; then it was left behind."""
    await store.notices.open(notice())
    assert await store.notices.claim("a", ALL, True, 110.0)
    assert await store.notices.claim("a", ALL, True, 150.0) is None
    assert await store.notices.claim("a", ALL, True, 201.0)


async def test_a_failure_is_tried_again_ever_more_slowly(store):
    """5 s, 10 s, 20 s and so on, at most 300 s between two attempts, never given up while it is open."""
    await store.notices.open(notice())
    now, pauses = 1000.0, []
    for _ in range(9):
        due = await store.notices.claim("a", ALL, True, now)
        await store.notices.settle(due, "a", False, now)
        pause = 1.0
        while not await store.notices.waiting("a", ALL, True, now + pause):
            pause += 1.0
        pauses.append(pause)
        now += pause
    assert pauses == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0]


@pytest.mark.parametrize(
    ("kind", "over"),
    [(kind, kind in (NoticeKind.ESCALATION, NoticeKind.STORM, NoticeKind.FREEZE)) for kind in NoticeKind],
)
async def test_what_is_not_seen_any_more_is_over_unless_it_waits_for_a_person(store, kind, over):
    """Escalations, storms and freezes fade; approvals and quarantines end by a person or an ending."""
    await store.notices.open(notice(kind=kind))
    await store.notices.close_quiet("charter", 100.0, 700.0)
    assert len(await store.notices.open_now("charter")) == 1
    await store.notices.close_quiet("charter", 100.5, 700.5)
    assert (await store.notices.open_now("charter") == ()) is over


async def test_a_target_gets_only_its_kinds(store):
    """A pager may be spared the approvals."""
    await store.notices.open(notice())
    assert await store.notices.claim("a", (NoticeKind.STORM,), True, 110.0) is None

"""The outbox: each trouble is told once, each target gets it once, and who can update is told how it ended."""

from typing import Any

import pytest

from activities.model.notification import Notification, NotificationKind

ALL_KINDS = tuple(NotificationKind)


def make_notification(**changes: Any) -> Notification:
    """Return a notice of an approval that is wanted."""
    usual = {
        "key": "k1",
        "kind": NotificationKind.APPROVAL,
        "loop": "charter",
        "headline": "h",
        "plan": "p1",
        "at": 100.0,
    }
    return Notification(**(usual | changes))


async def send_pending(store, target: str, now: float, takes_updates: bool = True) -> list[tuple[str, str]]:
    """Send the target everything it is to get, and return (key, how it ended)."""
    found = []
    while due := await store.notifications.claim(target, ALL_KINDS, takes_updates, now):
        await store.notifications.record_delivery(due, target, True, now)
        found.append((due.notification.key, due.notification.resolution))
    return found


async def test_one_trouble_is_told_once_to_each_target(store):
    """Seen again in every cycle it stays one message; another trouble, or another target, gets its own."""
    for at in (100.0, 130.0, 160.0):
        await store.notifications.open_or_touch(make_notification(at=at))
    await store.notifications.open_or_touch(make_notification(key="k2", plan="p2"))
    assert await send_pending(store, "a", 200.0) == [("k1", ""), ("k2", "")]
    assert await send_pending(store, "a", 201.0) == []
    assert await send_pending(store, "b", 202.0) == [("k1", ""), ("k2", "")]
    assert not await store.notifications.has_pending("a", ALL_KINDS, True, 203.0)


async def test_who_can_update_is_told_the_end_and_who_cannot_is_not(store):
    """A page is resolved, a chat message stands; what ended before it was told is not told at all."""
    await store.notifications.open_or_touch(make_notification())
    await send_pending(store, "pager", 110.0)
    await send_pending(store, "chat", 110.0, takes_updates=False)
    await store.notifications.close("p1", (NotificationKind.APPROVAL,), "approved", 120.0)
    assert await send_pending(store, "pager", 130.0) == [("k1", "approved")]
    assert await send_pending(store, "chat", 130.0, takes_updates=False) == []
    assert await send_pending(store, "late", 130.0) == []


async def test_the_same_trouble_after_its_end_is_told_anew(store):
    """A closed notice does not silence the next one; another plan takes the place of the one before."""
    await store.notifications.open_or_touch(make_notification())
    await send_pending(store, "a", 110.0)
    await store.notifications.open_or_touch(make_notification(plan="p2", at=120.0))
    assert await send_pending(store, "a", 130.0) == [("k1", "superseded by another plan"), ("k1", "")]
    await store.notifications.close("p2", (NotificationKind.APPROVAL,), "expired", 140.0)
    await store.notifications.open_or_touch(make_notification(plan="p2", at=150.0))
    assert await send_pending(store, "a", 160.0) == [("k1", "expired"), ("k1", "")]


async def test_one_worker_sends_and_another_takes_over(store):
    """What one has claimed another does not send until the lease is over; then it was left behind."""
    await store.notifications.open_or_touch(make_notification())
    assert await store.notifications.claim("a", ALL_KINDS, True, 110.0)
    assert await store.notifications.claim("a", ALL_KINDS, True, 150.0) is None
    assert await store.notifications.claim("a", ALL_KINDS, True, 201.0)


async def test_a_failure_is_tried_again_ever_more_slowly(store):
    """5 s, 10 s, 20 s and so on, at most 300 s between two attempts, never given up while it is open."""
    await store.notifications.open_or_touch(make_notification())
    now, pauses = 1000.0, []
    for _ in range(9):
        due = await store.notifications.claim("a", ALL_KINDS, True, now)
        await store.notifications.record_delivery(due, "a", False, now)
        pause = 1.0
        while not await store.notifications.has_pending("a", ALL_KINDS, True, now + pause):
            pause += 1.0
        pauses.append(pause)
        now += pause
    assert pauses == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0]


@pytest.mark.parametrize(
    ("kind", "over"),
    [
        (kind, kind in (NotificationKind.ESCALATION, NotificationKind.STORM, NotificationKind.FREEZE))
        for kind in NotificationKind
    ],
)
async def test_what_is_not_seen_any_more_is_over_unless_it_waits_for_a_person(store, kind, over):
    """Escalations, storms and freezes fade; approvals and quarantines end by a person or an ending."""
    await store.notifications.open_or_touch(make_notification(kind=kind))
    await store.notifications.close_quiet("charter", 100.0, 700.0)
    assert len(await store.notifications.load_open("charter")) == 1
    await store.notifications.close_quiet("charter", 100.5, 700.5)
    assert (await store.notifications.load_open("charter") == ()) is over


async def test_a_target_gets_only_its_kinds(store):
    """A pager may be spared the approvals."""
    await store.notifications.open_or_touch(make_notification())
    assert await store.notifications.claim("a", (NotificationKind.STORM,), True, 110.0) is None

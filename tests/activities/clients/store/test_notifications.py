"""The outbox: each target gets each notification once, and its resolution if it takes updates."""

from typing import Any

import pytest

from activities.clients.store.store import Store
from activities.model.notification import Notification, NotificationKind

ALL_KINDS = tuple(NotificationKind)


def make_notification(**changes: Any) -> Notification:
    """Return a notification of a pending approval."""
    usual = {
        "key": "k1",
        "kind": NotificationKind.APPROVAL,
        "loop": "charter",
        "headline": "h",
        "plan": "p1",
        "at": 100.0,
    }
    return Notification(**(usual | changes))


async def send_pending(store: Store, target: str, now: float, takes_updates: bool = True) -> list[tuple[str, str]]:
    """Send the target every pending notification, and return (key, resolution)."""
    found = []
    while due := await store.notifications.claim(target, ALL_KINDS, takes_updates, now):
        await store.notifications.record_delivery(due, target, True, now)
        found.append((due.notification.key, due.notification.resolution))
    return found


async def test_each_target_gets_a_notification_once(store: Store) -> None:
    """A problem that lasts is one message; another problem or target gets its own."""
    for at in (100.0, 130.0, 160.0):
        await store.notifications.open_or_touch(make_notification(at=at))
    await store.notifications.open_or_touch(make_notification(key="k2", plan="p2"))
    assert await send_pending(store, "a", 200.0) == [("k1", ""), ("k2", "")]
    assert await send_pending(store, "a", 201.0) == []
    assert await send_pending(store, "b", 202.0) == [("k1", ""), ("k2", "")]
    assert not await store.notifications.has_pending("a", ALL_KINDS, True, 203.0)


async def test_only_a_target_with_updates_gets_the_resolution(store: Store) -> None:
    """A page is resolved and a chat message is not; a closed notification is never sent first."""
    await store.notifications.open_or_touch(make_notification())
    await send_pending(store, "pager", 110.0)
    await send_pending(store, "chat", 110.0, takes_updates=False)
    await store.notifications.close("p1", (NotificationKind.APPROVAL,), "approved", 120.0)
    assert await send_pending(store, "pager", 130.0) == [("k1", "approved")]
    assert await send_pending(store, "chat", 130.0, takes_updates=False) == []
    assert await send_pending(store, "late", 130.0) == []


async def test_a_problem_that_returns_is_sent_again(store: Store) -> None:
    """A closed notification does not block the next one; another plan supersedes the first."""
    await store.notifications.open_or_touch(make_notification())
    await send_pending(store, "a", 110.0)
    await store.notifications.open_or_touch(make_notification(plan="p2", at=120.0))
    assert await send_pending(store, "a", 130.0) == [("k1", "superseded by another plan"), ("k1", "")]
    await store.notifications.close("p2", (NotificationKind.APPROVAL,), "expired", 140.0)
    await store.notifications.open_or_touch(make_notification(plan="p2", at=150.0))
    assert await send_pending(store, "a", 160.0) == [("k1", "expired"), ("k1", "")]


async def test_one_worker_sends_and_another_takes_over(store: Store) -> None:
    """A claimed notification is sent by another worker only after the lease."""
    await store.notifications.open_or_touch(make_notification())
    assert await store.notifications.claim("a", ALL_KINDS, True, 110.0)
    assert await store.notifications.claim("a", ALL_KINDS, True, 150.0) is None
    assert await store.notifications.claim("a", ALL_KINDS, True, 201.0)


async def test_a_failed_delivery_is_retried_with_longer_pauses(store: Store) -> None:
    """5 s, 10 s, 20 s and so on, at most 300 s between two attempts, never given up while it is open."""
    await store.notifications.open_or_touch(make_notification())
    now, pauses = 1000.0, []
    for _ in range(9):
        due = await store.notifications.claim("a", ALL_KINDS, True, now)
        assert due is not None
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
async def test_only_transient_notifications_close_when_quiet(store: Store, kind: NotificationKind, over: bool) -> None:
    """Escalations, storms and freezes close; approvals and quarantines need an operator or an end."""
    await store.notifications.open_or_touch(make_notification(kind=kind))
    await store.notifications.close_quiet("charter", 100.0, 700.0)
    assert len(await store.notifications.load_open("charter")) == 1
    await store.notifications.close_quiet("charter", 100.5, 700.5)
    assert (await store.notifications.load_open("charter") == ()) is over


async def test_a_target_gets_only_its_kinds(store: Store) -> None:
    """A pager may be spared the approvals."""
    await store.notifications.open_or_touch(make_notification())
    assert await store.notifications.claim("a", (NotificationKind.STORM,), True, 110.0) is None

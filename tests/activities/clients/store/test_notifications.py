"""The outbox: each target gets each notification once, and its resolution if it takes updates."""

from typing import Any

import pytest

from activities.clients.store.store import Store
from activities.model.notification import Notification, NotificationKind, Updates

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


async def send_pending(
    store: Store, target: str, now: float, updates: Updates = Updates.BY_KEY
) -> list[tuple[str, str]]:
    """Send the target every pending notification, and return (key, resolution)."""
    found = []
    while due := await store.notifications.claim(target, ALL_KINDS, updates, now):
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
    assert not await store.notifications.has_pending("a", ALL_KINDS, Updates.BY_KEY, 203.0)


async def test_only_a_target_with_updates_gets_the_resolution(store: Store) -> None:
    """A page is resolved and a chat message is not; a closed notification is never sent first."""
    await store.notifications.open_or_touch(make_notification())
    await send_pending(store, "pager", 110.0)
    await send_pending(store, "chat", 110.0, updates=Updates.NONE)
    await store.notifications.close("p1", (NotificationKind.APPROVAL,), "approved", 120.0)
    assert await send_pending(store, "pager", 130.0) == [("k1", "approved")]
    assert await send_pending(store, "chat", 130.0, updates=Updates.NONE) == []
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
    assert await store.notifications.claim("a", ALL_KINDS, Updates.BY_KEY, 110.0)
    assert await store.notifications.claim("a", ALL_KINDS, Updates.BY_KEY, 150.0) is None
    assert await store.notifications.claim("a", ALL_KINDS, Updates.BY_KEY, 201.0)


async def test_a_failed_delivery_is_retried_with_longer_pauses(store: Store) -> None:
    """5 s, 10 s, 20 s and so on, at most 300 s between two attempts, never given up while it is open."""
    await store.notifications.open_or_touch(make_notification())
    now, pauses = 1000.0, []
    for _ in range(9):
        due = await store.notifications.claim("a", ALL_KINDS, Updates.BY_KEY, now)
        assert due is not None
        await store.notifications.record_delivery(due, "a", False, now)
        pause = 1.0
        while not await store.notifications.has_pending("a", ALL_KINDS, Updates.BY_KEY, now + pause):
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
    assert await store.notifications.claim("a", (NotificationKind.STORM,), Updates.BY_KEY, 110.0) is None


@pytest.mark.parametrize(
    ("updates", "sent"),
    [
        (Updates.NONE, ["open 2"]),
        (Updates.BY_KEY, ["open 2"]),
        (Updates.BY_OCCURRENCE, ["open 2", "closed 1"]),
    ],
)
async def test_a_late_resolution_never_closes_the_next_occurrence(
    store: Store, updates: Updates, sent: list[str]
) -> None:
    """A resolution that failed while the problem returned is dropped, unless it closes only its own occurrence."""
    notifications = store.notifications
    await notifications.open_or_touch(make_notification(at=100.0))
    await send_pending(store, "a", 101.0, updates)
    await notifications.close("p1", (NotificationKind.APPROVAL,), "expired", 110.0)
    failed = await notifications.claim("a", ALL_KINDS, updates, 111.0)
    assert (failed is None) == (updates is Updates.NONE)
    if failed:
        await notifications.record_delivery(failed, "a", False, 111.0)
    await notifications.open_or_touch(make_notification(at=112.0))
    names, now = [], 113.0
    while now < 1000.0:
        if due := await notifications.claim("a", ALL_KINDS, updates, now):
            await notifications.record_delivery(due, "a", True, now)
            number = {"100000": 1, "112000": 2}[due.notification.occurrence]
            names.append(f"{'closed' if due.notification.resolution else 'open'} {number}")
        now += 10.0
    assert names == sent


async def test_a_resolution_is_sent_before_the_next_occurrence(store: Store) -> None:
    """If nothing failed, a problem that ends and returns between two attempts is closed, and then opened again."""
    for updates in (Updates.BY_KEY, Updates.BY_OCCURRENCE):
        key = updates.value
        await store.notifications.open_or_touch(make_notification(key=key, plan=key, at=100.0))
        await send_pending(store, key, 101.0, updates)
        await store.notifications.close(key, (NotificationKind.APPROVAL,), "expired", 110.0)
        await store.notifications.open_or_touch(make_notification(key=key, plan=key, at=111.0))
        sent = await send_pending(store, key, 112.0, updates)
        assert [entry for entry in sent if entry[0] == key] == [(key, "expired"), (key, "")]


@pytest.mark.parametrize(
    ("updates", "sent"),
    [(Updates.NONE, []), (Updates.BY_KEY, [("k1", "expired")]), (Updates.BY_OCCURRENCE, [("k1", "expired")])],
)
async def test_a_message_without_an_answer_is_resolved_too(
    store: Store, updates: Updates, sent: list[tuple[str, str]]
) -> None:
    """A first message whose answer was lost may be open at the target, so its resolution is sent."""
    await store.notifications.open_or_touch(make_notification())
    lost = await store.notifications.claim("a", ALL_KINDS, updates, 101.0)
    assert lost is not None
    await store.notifications.record_delivery(lost, "a", False, 101.0)
    await store.notifications.close("p1", (NotificationKind.APPROVAL,), "expired", 110.0)
    assert await send_pending(store, "a", 200.0, updates) == sent

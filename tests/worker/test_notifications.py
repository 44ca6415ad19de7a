"""Notifications to real receivers, and failing receivers."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from email import message_from_string
from pathlib import Path
from typing import Any

import pytest
from apprise import NotifyType
from apprise.plugins.jira import NotifyJira
from apprise.plugins.opsgenie import NotifyOpsgenie
from prometheus_client import CollectorRegistry

from activities.clients import apprise_targets
from activities.clients.store.store import Store, open_store
from activities.model.notification import Notification, NotificationKind
from activities.notify.settings import NotifySettings, TargetSettings
from tests.support.notification_receivers import running_http_receiver, running_mail_receiver
from worker import notifications
from worker.config.load import Config
from worker.notifications import NotificationSender
from worker.observability.metrics import Metrics

NOTIFICATION = Notification(
    key="abcdefabcdef",
    kind=NotificationKind.QUARANTINE,
    loop="charter",
    headline="committee is quarantined: <rollback> failed",
    details=("a newer change is applied",),
    knob="committee",
    plan="0123456789ab",
    workflow="mapek-fix:charter:committee",
    at=100.0,
)
FIELDS = {"key", "occurrence", "kind", "status", "loop", "knob", "plan", "headline", "details", "closed", "at", "links"}
CANARY_SECRET = "canary-4f1c9b2e"


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    """A store in memory."""
    opened = await open_store("memory")
    yield opened
    await opened.close()


def make_sender(store: Store, *targets: TargetSettings, environ: dict[str, str] | None = None) -> NotificationSender:
    """Return a sender for these targets."""
    config = Config(notify=NotifySettings(targets=targets))
    return NotificationSender(
        store.notifications, lambda: config, Metrics(CollectorRegistry()), time.time, environ or {}
    )


def count_attempts(sender: NotificationSender, target: str, result: str) -> float:
    """Return the number of attempts with this result."""
    value = sender.metrics.registry.get_sample_value("mapek_notifications_total", {"target": target, "result": result})
    return value or 0.0


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until the condition is true."""
    async with asyncio.timeout(10.0):
        while not condition():  # noqa: ASYNC110 - a thread makes it true
            await asyncio.sleep(0.02)


def make_webhook_target(port: int, **changes: Any) -> TargetSettings:
    """Return a webhook target on this port."""
    settings = {"name": "hook", "kind": "webhook", "address": f"http://127.0.0.1:{port}/in", "timeout_seconds": 2.0}
    return TargetSettings.model_validate(settings | changes)


async def test_every_kind_of_target_gets_its_own_format(store: Store, tmp_path: Path) -> None:
    """A webhook with token, Slack, PagerDuty and e-mail each get one notification in their format."""
    secret = tmp_path / "token"
    secret.write_text(f"{CANARY_SECRET}\n")
    async with (
        running_http_receiver() as hook,
        running_http_receiver() as chat,
        running_http_receiver(status=202) as pager,
        running_mail_receiver() as mail,
    ):
        (tmp_path / "chat").write_text(f"http://127.0.0.1:{chat.port}/services/T/B/{CANARY_SECRET}?thread=1\n")
        sender = make_sender(
            store,
            make_webhook_target(hook.port, token_file=secret),
            TargetSettings(name="chat", kind="slack", address_file=tmp_path / "chat"),
            TargetSettings(name="pager", kind="pagerduty", address=f"http://127.0.0.1:{pager.port}/v2/enqueue"),
            TargetSettings(
                name="mail",
                kind="email",
                address=f"smtp://127.0.0.1:{mail.port}",
                sender="mapek@example.org",
                to=("ada@example.org", "bob@example.org"),
            ),
            environ={"MAPEK_NOTIFY_PAGER_TOKEN": "routing-key"},
        )
        await store.notifications.open_or_touch(NOTIFICATION)
        for target in sender.current_config().notify.targets:
            await sender.drain(target)
        await store.notifications.close(NOTIFICATION.plan, (NotificationKind.QUARANTINE,), "released", 200.0)
        for target in sender.current_config().notify.targets:
            await sender.drain(target)
    assert [(b["status"], b["key"], b["closed"]) for b in hook.bodies] == [
        ("open", NOTIFICATION.key, ""),
        ("resolved", NOTIFICATION.key, "released"),
    ]
    assert set(hook.bodies[0]) == FIELDS
    assert hook.headers[0]["authorization"] == f"Bearer {CANARY_SECRET}"
    assert (chat.paths, [set(body) for body in chat.bodies]) == (
        [f"/services/T/B/{CANARY_SECRET}?thread=1"],
        [{"text"}],
    )
    assert "&lt;rollback&gt; failed" in chat.bodies[0]["text"]
    assert [(b["event_action"], b["routing_key"]) for b in pager.bodies] == [
        ("trigger", "routing-key"),
        ("resolve", "routing-key"),
    ]
    assert pager.bodies[0]["dedup_key"] == pager.bodies[1]["dedup_key"]
    assert sorted(to for recipients, _ in mail.messages for to in recipients) == ["ada@example.org", "bob@example.org"]
    mail_message = message_from_string(mail.messages[0][1])
    assert str(mail_message["Subject"]).startswith("[mapek charter] quarantine: committee is quarantined")


@pytest.mark.parametrize("kind", ["refuses", "closed"])
async def test_a_failed_attempt_is_retried_and_logged_without_secrets(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """A 500 or a closed port is counted, logged with the reason and kept; address and token are not logged."""
    caplog.set_level(logging.DEBUG)
    async with running_http_receiver(status=500) as hook:
        port = hook.port if kind == "refuses" else 1
        (tmp_path / "address").write_text(f"http://127.0.0.1:{port}/{CANARY_SECRET}\n")
        target = make_webhook_target(port, address="", address_file=tmp_path / "address")
        sender = make_sender(store, target, environ={"MAPEK_NOTIFY_HOOK_TOKEN": CANARY_SECRET})
        await store.notifications.open_or_touch(NOTIFICATION)
        await sender.drain(target)
    assert (count_attempts(sender, "hook", "failed"), count_attempts(sender, "hook", "sent")) == (1.0, 0.0)
    assert await store.notifications.has_pending("hook", target.kinds, target.updates, time.time() + 6.0)
    messages = [record.getMessage() for record in caplog.records if record.name == "mapek.worker"]
    assert any(line.startswith("notify hook: ") for line in messages)
    assert CANARY_SECRET not in caplog.text


async def test_a_silent_target_does_not_delay_others(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one target hangs, the others are served, and writing notifications stays fast."""
    monkeypatch.setattr(notifications, "POLL_SECONDS", 0.05)
    async with running_http_receiver(is_hanging=True) as silent, running_http_receiver() as hook:
        slow = make_webhook_target(silent.port, name="silent", timeout_seconds=3.0)
        sender = make_sender(store, slow, make_webhook_target(hook.port))
        running = asyncio.create_task(sender.run())
        start = time.monotonic()
        for number in range(5):
            await store.notifications.open_or_touch(
                NOTIFICATION.model_copy(update={"key": f"{number}", "plan": f"{number}"})
            )
        write_seconds = time.monotonic() - start
        await wait_until(lambda: len(hook.bodies) == 5)
        assert count_attempts(sender, "silent", "failed") == 0.0
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert write_seconds < 2.0


async def test_a_target_may_be_limited_to_loops(store: Store) -> None:
    """Notifications of other loops are skipped and do not hold back its own."""
    async with running_http_receiver() as hook:
        target = make_webhook_target(hook.port, loops=("other",))
        await store.notifications.open_or_touch(NOTIFICATION)
        await store.notifications.open_or_touch(NOTIFICATION.model_copy(update={"loop": "other", "key": "2"}))
        await make_sender(store, target).drain(target)
        assert [body["loop"] for body in hook.bodies] == ["other"]


@dataclass
class Pages:
    """A receiver's open pages by the field that identifies them, as PagerDuty or a receiver of webhooks keeps them."""

    identity: str
    state: str
    opening: str

    def list_open(self, bodies: list[dict[str, Any]]) -> list[str]:
        """Return the open pages after these messages."""
        pages: dict[str, bool] = {}
        for body in bodies:
            pages[body[self.identity]] = body[self.state] == self.opening
        return [page for page, is_open in pages.items() if is_open]


@pytest.mark.parametrize(
    ("kind", "pages"),
    [
        ("webhook", Pages("key", "status", "open")),
        ("pagerduty", Pages("dedup_key", "event_action", "trigger")),
        ("slack", None),
        ("apprise", None),
    ],
)
async def test_a_late_resolution_leaves_the_page_of_the_next_problem_open(
    store: Store, kind: str, pages: Pages | None
) -> None:
    """The resolution fails, the problem returns, and then the receiver recovers: exactly one page is open.

    A target without updates gets the two openings alone.
    """
    now = [1000.0]
    async with running_http_receiver(status=202 if kind == "pagerduty" else 200) as receiver:
        scheme = "json" if kind == "apprise" else "http"
        environ = {"MAPEK_NOTIFY_HOOK_ADDRESS": f"{scheme}://127.0.0.1:{receiver.port}/in"}
        target = TargetSettings.model_validate({"name": "hook", "kind": kind, "timeout_seconds": 2.0})
        sender = make_sender(store, target, environ=environ | {"MAPEK_NOTIFY_HOOK_TOKEN": "token"})
        sender.clock = lambda: now[0]

        async def drain(seconds: float, status: int) -> list[dict[str, Any]]:
            """Return what the receiver took while it answered with this status."""
            before, receiver.status = len(receiver.bodies), status
            for _ in range(10):
                now[0] += seconds / 10
                await sender.drain(target)
            return receiver.bodies[before:] if status < 300 else []

        accepted = receiver.status
        await store.notifications.open_or_touch(NOTIFICATION.model_copy(update={"at": now[0]}))
        taken = await drain(4.0, accepted)
        await store.notifications.close(NOTIFICATION.plan, (NotificationKind.QUARANTINE,), "released", now[0])
        await drain(60.0, 500)
        await store.notifications.open_or_touch(NOTIFICATION.model_copy(update={"at": now[0]}))
        taken += await drain(600.0, accepted)
        if pages is None:
            assert len(taken) == 2
            return
        assert len(pages.list_open(taken)) == 1
        assert taken[-1][pages.state] == pages.opening or kind == "pagerduty"
        await store.notifications.close(NOTIFICATION.plan, (NotificationKind.QUARANTINE,), "released", now[0])
        taken += await drain(4.0, accepted)
        assert pages.list_open(taken) == []


def test_every_service_of_apprise_opens_an_alert() -> None:
    """Services that map the type of a message to an action open an alert, and neither close one nor add a note."""
    sent: list[NotifyType] = []

    def notify(plugin: NotifyOpsgenie, *, notify_type: NotifyType, **_: str) -> bool:
        del plugin
        sent.append(notify_type)
        return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NotifyOpsgenie, "notify", notify)
        apprise_targets.send_apprise(apprise_targets.Endpoint("opsgenie://apikey", 1.0), "title", "text")
    (notify_type,) = sent
    for service in (NotifyOpsgenie, NotifyJira):
        assert service("apikey", targets=None).mapping[notify_type] == "new"

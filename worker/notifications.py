"""Send notifications: one task per target, so that a slow target delays neither the others nor the loop."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from activities.clients import apprise_targets
from activities.clients.apprise_targets import Endpoint, Mail
from activities.clients.store.notifications import LEASE_SECONDS, NotificationStore
from activities.model.errors import ConfigurationError, MapekError, Unreachable
from activities.model.notification import Notification, PendingDelivery
from activities.notify.rendering import Links, render_pagerduty, render_slack, render_text, render_webhook
from activities.notify.settings import TargetSettings
from worker.config.load import Config
from worker.config.secrets import read_notify_secret
from worker.observability.metrics import Metrics

log = logging.getLogger("mapek.worker")

POLL_SECONDS = 2.0
"""Seconds between two queries for pending notifications."""
ATTEMPT_TIMEOUT_SECONDS = LEASE_SECONDS * 2 / 3
"""Timeout of an attempt, within the lease. The thread may hang on; another worker may take over."""


@dataclass
class NotificationSender:
    """Sends the notifications of this process. `clock` returns unix seconds."""

    notifications: NotificationStore
    current_config: Callable[[], Config]
    metrics: Metrics
    clock: Callable[[], float]
    environ: Mapping[str, str]
    executors: dict[str, ThreadPoolExecutor] = field(default_factory=dict)

    async def run(self) -> None:
        """Send pending notifications, for ever."""
        tasks: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                for target in self.current_config().notify.targets:
                    if target.name not in tasks or tasks[target.name].done():
                        tasks[target.name] = asyncio.create_task(self.drain(target))
                await asyncio.sleep(POLL_SECONDS)
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
            for executor in self.executors.values():
                executor.shutdown(wait=False, cancel_futures=True)
            self.executors.clear()

    async def drain(self, target: TargetSettings) -> None:
        """Send a target its pending notifications, until none is left or one fails."""
        try:
            options = (target.name, target.kinds, target.updates)
            while await self.notifications.has_pending(*options, self.clock()):
                delivery = await self.notifications.claim(*options, self.clock())
                if delivery is None or not await self.deliver(target, delivery):
                    return
        except MapekError as error:
            log.warning("cannot read pending notifications: %s", error)

    async def deliver(self, target: TargetSettings, delivery: PendingDelivery) -> bool:
        """Send one notification and record the result; one of another loop than the target's counts as sent."""
        is_addressed, sent = not target.loops or delivery.notification.loop in target.loops, True
        if is_addressed:
            sent = await self.attempt(target, delivery.notification)
            self.metrics.notifications.labels(target.name, "sent" if sent else "failed").inc()
        await self.notifications.record_delivery(delivery, target.name, sent, self.clock())
        return sent

    async def attempt(self, target: TargetSettings, notification: Notification) -> bool:
        """Send a notification on the target's own thread. Log a warning and return False if it fails."""
        executor = self.executors.setdefault(target.name, ThreadPoolExecutor(1, f"notify-{target.name}"))
        links = build_links(self.current_config(), notification)
        try:
            loop = asyncio.get_running_loop()
            attempt = loop.run_in_executor(executor, send_notification, target, notification, links, self.environ)
            await asyncio.wait_for(attempt, ATTEMPT_TIMEOUT_SECONDS)
        except TimeoutError:
            # The thread still hangs; the next attempt gets a new one.
            self.executors.pop(target.name).shutdown(wait=False, cancel_futures=True)
            log.warning("notify %s: no response within %.0f s", target.name, ATTEMPT_TIMEOUT_SECONDS)
            return False
        except (ConfigurationError, Unreachable) as error:
            log.warning("notify %s: %s", target.name, error)
            return False
        return True


def build_links(config: Config, notification: Notification) -> Links:
    """Return the links of a notification: its workflow in the Temporal UI, runbook and Grafana, as configured."""
    links = {
        "Temporal": config.temporal.workflow_url(notification.workflow) if notification.workflow else "",
        "runbook": config.links.runbook,
        "Grafana": config.links.grafana,
    }
    return {name: url for name, url in links.items() if url}


def send_notification(
    target: TargetSettings, notification: Notification, links: Links, environ: Mapping[str, str]
) -> None:
    """Send a notification to a target; blocks.

    Raises:
        ConfigurationError: a credential is unreadable, or the address is invalid.
        Unreachable: the target did not accept it. Neither message contains an address or a credential.
    """
    endpoint = Endpoint(read_notify_secret(target, "address", environ), target.timeout_seconds)
    token = read_notify_secret(target, "token", environ)
    match target.kind:
        case "webhook":
            apprise_targets.post_json(endpoint, render_webhook(notification, links), token)
        case "slack":
            apprise_targets.post_json(endpoint, render_slack(notification, links))
        case "pagerduty":
            apprise_targets.post_json(endpoint, render_pagerduty(notification, links, token))
        case "email":
            mail = Mail(target.sender, target.to, target.user, token)
            apprise_targets.send_mail(endpoint, mail, *render_text(notification, links))
        case "apprise":
            apprise_targets.send_apprise(endpoint, *render_text(notification, links))

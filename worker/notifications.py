"""Sending notices: one task a target, so that a slow one delays only itself, and never the loop."""

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
"""Seconds until a notice that was just written is looked at."""
ATTEMPT_TIMEOUT_SECONDS = LEASE_SECONDS * 2 / 3
"""Seconds after which an attempt is given up; its thread may hang on, another worker's lease does not."""


@dataclass
class NotificationSender:
    """What sends the notices of this process. `clock` gives unix seconds; `config` the configuration in force."""

    notifications: NotificationStore
    current_config: Callable[[], Config]
    metrics: Metrics
    clock: Callable[[], float]
    environ: Mapping[str, str]
    executors: dict[str, ThreadPoolExecutor] = field(default_factory=dict)

    async def run(self) -> None:
        """Send what is to be sent, for ever."""
        busy: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                for target in self.current_config().notify.targets:
                    if target.name not in busy or busy[target.name].done():
                        busy[target.name] = asyncio.create_task(self.drain(target))
                await asyncio.sleep(POLL_SECONDS)
        finally:
            for task in busy.values():
                task.cancel()
            await asyncio.gather(*busy.values(), return_exceptions=True)
            for threads in self.executors.values():
                threads.shutdown(wait=False, cancel_futures=True)
            self.executors.clear()

    async def drain(self, target: TargetSettings) -> None:
        """Send one target what it has not got, until nothing is left or it does not take it."""
        try:
            while await self.notifications.has_pending(
                target.name, target.kinds, target.supports_updates, self.clock()
            ):
                due = await self.notifications.claim(target.name, target.kinds, target.supports_updates, self.clock())
                if due is None or not await self.deliver(target, due):
                    return
        except MapekError as error:
            log.warning("the store cannot be asked for notices: %s", error)

    async def deliver(self, target: TargetSettings, delivery: PendingDelivery) -> bool:
        """Send one notice and note what came of it; what is not for this target counts as sent."""
        wanted, sent = not target.loops or delivery.notification.loop in target.loops, True
        if wanted:
            sent = await self.attempt(target, delivery.notification)
            self.metrics.notifications.labels(target.name, "sent" if sent else "failed").inc()
        await self.notifications.record_delivery(delivery, target.name, sent, self.clock())
        return sent

    async def attempt(self, target: TargetSettings, notification: Notification) -> bool:
        """Send it on the target's own thread. False, with a warning in the log, if it was not taken."""
        threads = self.executors.setdefault(target.name, ThreadPoolExecutor(1, f"notify-{target.name}"))
        links = build_links(self.current_config(), notification)
        try:
            loop = asyncio.get_running_loop()
            sending = loop.run_in_executor(threads, send_notification, target, notification, links, self.environ)
            await asyncio.wait_for(sending, ATTEMPT_TIMEOUT_SECONDS)
        except TimeoutError:
            # The thread hangs on; the next attempt gets a new one.
            self.executors.pop(target.name).shutdown(wait=False, cancel_futures=True)
            log.warning("notify %s: no answer within %.0f s", target.name, ATTEMPT_TIMEOUT_SECONDS)
            return False
        except (ConfigurationError, Unreachable) as error:
            log.warning("notify %s: %s", target.name, error)
            return False
        return True


def build_links(config: Config, notification: Notification) -> Links:
    """Return where to look: the workflow in the Temporal UI, and what the configuration names."""
    known = {
        "Temporal": config.temporal.workflow_url(notification.workflow) if notification.workflow else "",
        "runbook": config.links.runbook,
        "Grafana": config.links.grafana,
    }
    return {name: url for name, url in known.items() if url}


def send_notification(
    target: TargetSettings, notification: Notification, links: Links, environ: Mapping[str, str]
) -> None:
    """Send a notice to a target; blocks.

    Raises:
        ConfigurationError: a credential cannot be read, or the address is none.
        Unreachable: it was not taken. Neither message holds an address or a credential.
    """
    server = Endpoint(read_notify_secret(target, "address", environ), target.timeout_seconds)
    token = read_notify_secret(target, "token", environ)
    match target.kind:
        case "webhook":
            apprise_targets.post_json(server, render_webhook(notification, links), token)
        case "slack":
            apprise_targets.post_json(server, render_slack(notification, links))
        case "pagerduty":
            apprise_targets.post_json(server, render_pagerduty(notification, links, token))
        case "email":
            mail = Mail(target.sender, target.to, target.user, token)
            apprise_targets.send_mail(server, mail, *render_text(notification, links))
        case "apprise":
            apprise_targets.send_apprise(server, *render_text(notification, links))

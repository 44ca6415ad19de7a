"""Sending notices: one task a target, so that a slow one delays only itself, and never the loop."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from activities.clients import messenger
from activities.clients.messenger import Mail, Server
from activities.clients.store.notices import LEASE, Notices
from activities.model.errors import ConfigurationError, MapekError, Unreachable
from activities.model.notice import Due, Notice
from activities.notify.rendering import Links, letter, pagerduty_message, slack_message, webhook_message
from activities.notify.settings import TargetSettings
from worker.config.load import Config
from worker.config.secrets import notify_secret
from worker.observability.metrics import Metrics

log = logging.getLogger("mapek.worker")

POLL = 2.0
"""Seconds until a notice that was just written is looked at."""
PATIENCE = LEASE * 2 / 3
"""Seconds after which an attempt is given up; its thread may hang on, another worker's lease does not."""


@dataclass
class Sender:
    """What sends the notices of this process. `clock` gives unix seconds; `config` the configuration in force."""

    notices: Notices
    config: Callable[[], Config]
    metrics: Metrics
    clock: Callable[[], float]
    environ: Mapping[str, str]
    threads: dict[str, ThreadPoolExecutor] = field(default_factory=dict)

    async def run(self) -> None:
        """Send what is to be sent, for ever."""
        busy: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                for target in self.config().notify.targets:
                    if target.name not in busy or busy[target.name].done():
                        busy[target.name] = asyncio.create_task(self.serve(target))
                await asyncio.sleep(POLL)
        finally:
            for task in busy.values():
                task.cancel()
            await asyncio.gather(*busy.values(), return_exceptions=True)
            for threads in self.threads.values():
                threads.shutdown(wait=False, cancel_futures=True)
            self.threads.clear()

    async def serve(self, target: TargetSettings) -> None:
        """Send one target what it has not got, until nothing is left or it does not take it."""
        try:
            while await self.notices.waiting(target.name, target.kinds, target.updates, self.clock()):
                due = await self.notices.claim(target.name, target.kinds, target.updates, self.clock())
                if due is None or not await self.deliver(target, due):
                    return
        except MapekError as error:
            log.warning("the store cannot be asked for notices: %s", error)

    async def deliver(self, target: TargetSettings, due: Due) -> bool:
        """Send one notice and note what came of it; what is not for this target counts as sent."""
        wanted, sent = not target.loops or due.notice.loop in target.loops, True
        if wanted:
            sent = await self.attempt(target, due.notice)
            self.metrics.notices.labels(target.name, "sent" if sent else "failed").inc()
        await self.notices.settle(due, target.name, sent, self.clock())
        return sent

    async def attempt(self, target: TargetSettings, notice: Notice) -> bool:
        """Send it on the target's own thread. False, with a warning in the log, if it was not taken."""
        threads = self.threads.setdefault(target.name, ThreadPoolExecutor(1, f"notify-{target.name}"))
        links = links_of(self.config(), notice)
        try:
            loop = asyncio.get_running_loop()
            sending = loop.run_in_executor(threads, send, target, notice, links, self.environ)
            await asyncio.wait_for(sending, PATIENCE)
        except TimeoutError:
            # The thread hangs on; the next attempt gets a new one.
            self.threads.pop(target.name).shutdown(wait=False, cancel_futures=True)
            log.warning("notify %s: no answer within %.0f s", target.name, PATIENCE)
            return False
        except (ConfigurationError, Unreachable) as error:
            log.warning("notify %s: %s", target.name, error)
            return False
        return True


def links_of(config: Config, notice: Notice) -> Links:
    """Return where to look: the workflow in the Temporal UI, and what the configuration names."""
    known = {
        "Temporal": config.temporal.link(notice.workflow) if notice.workflow else "",
        "runbook": config.links.runbook,
        "Grafana": config.links.grafana,
    }
    return {name: url for name, url in known.items() if url}


def send(target: TargetSettings, notice: Notice, links: Links, environ: Mapping[str, str]) -> None:
    """Send a notice to a target; blocks.

    Raises:
        ConfigurationError: a credential cannot be read, or the address is none.
        Unreachable: it was not taken. Neither message holds an address or a credential.
    """
    server = Server(notify_secret(target, "address", environ), target.timeout_seconds)
    token = notify_secret(target, "token", environ)
    match target.kind:
        case "webhook":
            messenger.post_json(server, webhook_message(notice, links), token)
        case "slack":
            messenger.post_json(server, slack_message(notice, links))
        case "pagerduty":
            messenger.post_json(server, pagerduty_message(notice, links, token))
        case "email":
            mail = Mail(target.sender, target.to, target.user, token)
            messenger.send_mail(server, mail, *letter(notice, links))
        case "apprise":
            messenger.send_anywhere(server, *letter(notice, links))

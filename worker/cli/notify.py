"""`mapek notify test`: a message to every target, to see that it arrives before it is needed."""

import asyncio
import importlib
import os
import time
from collections.abc import Callable, Mapping
from typing import Annotated, NamedTuple

import typer

from activities.model.errors import ConfigurationError, MapekError
from activities.model.notification import Notification, NotificationKind
from activities.notify.rendering import Links
from activities.notify.settings import TargetSettings
from worker.cli import output
from worker.cli.session import JsonOption, async_command, current_session


@async_command
async def send_test(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[TARGET]", help="Only this one.")] = "",
    as_json: JsonOption = False,
) -> int:
    """Send a test message to the configured targets and tell which took it; 1 if one did not."""
    config = current_session(ctx).config
    targets = [one for one in config.notify.targets if name in ("", one.name)]
    if not targets:
        raise ConfigurationError(f"no target {name}".rstrip() + " is configured; see notify.targets")
    notice = Notification(
        key="test",
        kind=NotificationKind.ESCALATION,
        loop=config.loops[0].name,
        headline="a test by mapek notify test: nothing has happened",
        at=time.time(),
    )
    # Loaded only here: it brings the library for all services, and the other verbs answer sooner without.
    notifying = importlib.import_module("worker.notifications")
    letter = _TestNotification(notifying.send_notification, notice, notifying.build_links(config, notice))
    answers = await asyncio.gather(*(asyncio.to_thread(letter.send_to, target) for target in targets))
    if as_json:
        output.print_json([{"target": one.name, "error": why} for one, why in zip(targets, answers, strict=True)])
    else:
        output.print_table(
            ("target", "result"), [[t.name, why or "taken"] for t, why in zip(targets, answers, strict=True)]
        )
    return int(any(answers))


class _TestNotification(NamedTuple):
    send: Callable[[TargetSettings, Notification, Links, Mapping[str, str]], None]
    notification: Notification
    links: Links

    def send_to(self, target: TargetSettings) -> str:
        """Return why the target did not take it, empty if it did."""
        try:
            self.send(target, self.notification, self.links, os.environ)
            if target.supports_updates:
                over = self.notification.model_copy(update={"resolution": "the test is over"})
                self.send(target, over, self.links, os.environ)
        except MapekError as error:
            return str(error)
        return ""

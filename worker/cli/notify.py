"""`mapek notify test`: send a test message to the notification targets."""

import asyncio
import importlib
import os
import time
from collections.abc import Callable, Mapping
from typing import Annotated, NamedTuple

import typer

from activities.model.errors import ConfigurationError, MapekError
from activities.model.notification import Notification, NotificationKind, Updates
from activities.notify.rendering import Links
from activities.notify.settings import TargetSettings
from worker.cli import output
from worker.cli.session import JsonOption, async_command, current_session


@async_command
async def send_test(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[TARGET]", help="Only this target.")] = "",
    as_json: JsonOption = False,
) -> int:
    """Send a test message to the configured targets and print which accepted it; 1 if one did not."""
    config = current_session(ctx).config
    targets = [target for target in config.notify.targets if name in ("", target.name)]
    if not targets:
        raise ConfigurationError(f"no target {name}".rstrip() + " is configured: add it to notify.targets")
    notification = Notification(
        key="test",
        kind=NotificationKind.ESCALATION,
        loop=config.loops[0].name,
        headline="test message of mapek notify test; no action needed",
        at=time.time(),
    )
    # Imported here only: the other verbs start faster without the libraries of the services.
    module = importlib.import_module("worker.notifications")
    test = _TestNotification(module.send_notification, notification, module.build_links(config, notification))
    errors = await asyncio.gather(*(asyncio.to_thread(test.send_to, target) for target in targets))
    results = list(zip(targets, errors, strict=True))
    if as_json:
        output.print_json([{"target": target.name, "error": error} for target, error in results])
    else:
        output.print_table(("target", "result"), [[target.name, error or "accepted"] for target, error in results])
    return int(any(errors))


class _TestNotification(NamedTuple):
    send: Callable[[TargetSettings, Notification, Links, Mapping[str, str]], None]
    notification: Notification
    links: Links

    def send_to(self, target: TargetSettings) -> str:
        """Send the message and its resolution; return the error, "" if the target accepted both."""
        try:
            self.send(target, self.notification, self.links, os.environ)
            if target.updates is not Updates.NONE:
                resolved = self.notification.model_copy(update={"resolution": "the test is over"})
                self.send(target, resolved, self.links, os.environ)
        except MapekError as error:
            return str(error)
        return ""

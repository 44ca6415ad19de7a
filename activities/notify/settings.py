"""Settings of Notify."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from activities.model.notification import NotificationKind
from activities.model.types import PositiveDuration, Settings


class TargetSettings(Settings):
    """One receiver. Its credentials come by file or environment, never in the configuration itself.

    With name `ops`, the variables `MAPEK_NOTIFY_OPS_ADDRESS` and `MAPEK_NOTIFY_OPS_TOKEN` do as the two files do.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=32)]
    kind: Literal["webhook", "slack", "pagerduty", "email", "apprise"]
    """`webhook`: our own JSON, updated. `slack`: an incoming webhook of Slack or what takes the same. `pagerduty`:
    Events API v2 of PagerDuty or what takes the same, updated and resolved. `apprise`: any address Apprise knows."""
    address: str = ""
    """http(s)://..., for e-mail smtp://host:port or smtps://host:port. Without a credential in it."""
    address_file: Path | None = None
    """Holds the address where it is a credential by itself, as those of Slack and Apprise are."""
    token_file: Path | None = None
    """webhook: bearer token. pagerduty: routing key. email: password of `user`."""
    user: str = ""
    sender: str = ""
    to: tuple[str, ...] = ()
    """E-mail addresses."""
    kinds: tuple[NotificationKind, ...] = tuple(NotificationKind)
    """What it is told of."""
    loops: tuple[str, ...] = ()
    """Only of these loops; empty: of all."""
    timeout_seconds: Annotated[PositiveDuration, Field(le=60.0)] = 5.0
    """For a connection, and again for an answer. A slow receiver delays nothing but its own messages."""

    @property
    def supports_updates(self) -> bool:
        """Whether a message can be changed after it was sent: then it is told, too, how the trouble ended."""
        return self.kind in ("webhook", "pagerduty")


class NotifySettings(Settings):
    """Who is told when a person is wanted: approval, escalation, quarantine, storm, freeze."""

    targets: tuple[TargetSettings, ...] = ()

"""Settings of Notify."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from activities.model.notification import NotificationKind, Updates
from activities.model.types import PositiveDuration, Settings


class TargetSettings(Settings):
    """One receiver. Its credentials come from files or the environment, not from the configuration file.

    For the name `ops`, `MAPEK_NOTIFY_OPS_ADDRESS` and `MAPEK_NOTIFY_OPS_TOKEN` replace the two files.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=32)]
    kind: Literal["webhook", "slack", "pagerduty", "email", "apprise"]
    """`webhook`: JSON, updated. `slack`: an incoming webhook of Slack or a compatible service. `pagerduty`: Events API
    v2 of PagerDuty or a compatible service, updated and resolved. `apprise`: any address that Apprise supports."""
    address: str = ""
    """http(s)://..., for e-mail smtp://host:port or smtps://host:port; without a credential."""
    address_file: Path | None = None
    """Holds an address that contains a credential, as those of Slack and Apprise do."""
    token_file: Path | None = None
    """File with the bearer token (webhook), the routing key (pagerduty) or the password of `user` (email)."""
    user: str = ""
    sender: str = ""
    to: tuple[str, ...] = ()
    """E-mail addresses."""
    kinds: tuple[NotificationKind, ...] = tuple(NotificationKind)
    """The kinds of notification it receives."""
    loops: tuple[str, ...] = ()
    """The loops of which it receives notifications; empty: all."""
    timeout_seconds: Annotated[PositiveDuration, Field(le=60.0)] = 5.0
    """Time-out of the connection, and of the answer. A slow receiver delays only its own messages."""

    @property
    def updates(self) -> Updates:
        """What the receiver gets after the first message."""
        return {"webhook": Updates.BY_KEY, "pagerduty": Updates.BY_OCCURRENCE}.get(self.kind, Updates.NONE)


class NotifySettings(Settings):
    """Who is notified when an operator is required: approval, escalation, quarantine, storm, freeze."""

    targets: tuple[TargetSettings, ...] = ()

"""A notification for each kind of receiver: plain text, Slack's Markdown, the webhook's JSON, PagerDuty events. Pure.

Texts from outside are escaped here, by one function per sink.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from activities.model.notification import Notification, NotificationKind
from activities.model.types import truncate
from activities.sanitize import escape_slack, format_slack_link, sanitize_terminal

MAX_SUBJECT_CHARS = 120
MAX_SUMMARY_CHARS = 1024
"""The limit of PagerDuty."""
PAGERDUTY_SEVERITIES: Mapping[NotificationKind, str] = {
    NotificationKind.APPROVAL: "warning",
    NotificationKind.ESCALATION: "critical",
    NotificationKind.QUARANTINE: "critical",
    NotificationKind.STORM: "critical",
    NotificationKind.FREEZE: "error",
}

Links = Mapping[str, str]
"""Name → URL, from the configuration alone."""


class PlainMessage(NamedTuple):
    """A title of one line and a plain text, for e-mail and any other service."""

    title: str
    body: str


def render_title(notification: Notification) -> str:
    """Return one line: `[mapek charter] approval: ...`, with `resolved: ` before the kind once it is over."""
    state = "resolved: " if notification.resolution else ""
    return truncate(
        sanitize_terminal(f"[mapek {notification.loop}] {state}{notification.kind}: {notification.headline}"),
        MAX_SUBJECT_CHARS,
    )


def render_text(notification: Notification, links: Links) -> PlainMessage:
    """Return a title and a plain text."""
    lines = [
        notification.headline,
        *([notification.resolution] if notification.resolution else []),
        *notification.details,
    ]
    link_lines = [f"{name}: {url}" for name, url in links.items()]
    return PlainMessage(render_title(notification), "\n".join([*map(sanitize_terminal, lines), "", *link_lines]))


def render_slack(notification: Notification, links: Links) -> dict[str, Any]:
    """Return the body of an incoming webhook: one text in mrkdwn, without links or mentions from outside."""
    lines = [
        f"*{escape_slack(render_title(notification))}*",
        escape_slack(notification.headline),
        *(f"• {escape_slack(line)}" for line in notification.details),
    ]
    lines.append(" · ".join(format_slack_link(name, url) for name, url in links.items()))
    return {"text": "\n".join(line for line in lines if line)}


def render_webhook(notification: Notification, links: Links) -> dict[str, Any]:
    """Return the JSON of the webhook. Notifications of one problem share the `key`; `status` is open or resolved.

    A problem that returns has another `occurrence`. A resolution is never sent after the next occurrence was.
    """
    return {
        "key": notification.key,
        "occurrence": notification.occurrence,
        "kind": notification.kind.value,
        "status": "resolved" if notification.resolution else "open",
        "loop": notification.loop,
        "knob": notification.knob,
        "plan": notification.plan,
        "headline": sanitize_terminal(notification.headline),
        "details": [sanitize_terminal(line) for line in notification.details],
        "closed": sanitize_terminal(notification.resolution),
        "at": notification.at,
        "links": dict(links),
    }


def render_pagerduty(notification: Notification, links: Links, routing_key: str) -> dict[str, Any]:
    """Return an event of the Events API v2: one PagerDuty incident per occurrence, resolved when it is over.

    A late resolution must not close the incident of the next occurrence, so the deduplication key contains its own.
    """
    parts = ("mapek", notification.loop, notification.key, notification.kind, notification.occurrence)
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "resolve" if notification.resolution else "trigger",
        "dedup_key": "-".join(part for part in parts if part),
    }
    if notification.resolution:
        return event
    payload = {
        "summary": truncate(render_title(notification), MAX_SUMMARY_CHARS),
        "severity": PAGERDUTY_SEVERITIES[notification.kind],
        "source": f"mapek/{notification.loop}",
        "component": sanitize_terminal(notification.knob) or notification.loop,
        "custom_details": {
            "headline": sanitize_terminal(notification.headline),
            "details": [sanitize_terminal(d) for d in notification.details],
        },
    }
    return event | {"payload": payload, "links": [{"href": url, "text": name} for name, url in links.items()]}

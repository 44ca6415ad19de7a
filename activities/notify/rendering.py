"""A notice as each kind of receiver takes it: plain text, Slack's Markdown, our JSON, PagerDuty's events. Pure.

Whatever came from outside is made harmless here, by the one function of each sink.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from activities.model.notice import Notice, NoticeKind
from activities.model.types import clipped
from activities.sanitize import slack, slack_link, terminal

SUBJECT = 120
SUMMARY = 1024
"""Characters PagerDuty takes."""
SEVERITIES: Mapping[NoticeKind, str] = {
    NoticeKind.APPROVAL: "warning",
    NoticeKind.ESCALATION: "critical",
    NoticeKind.QUARANTINE: "critical",
    NoticeKind.STORM: "critical",
    NoticeKind.FREEZE: "error",
}

Links = Mapping[str, str]
"""Name → address, from the configuration alone."""


class Letter(NamedTuple):
    """An e-mail, or what any other service takes: a title of one line and a plain text."""

    title: str
    text: str


def title(notice: Notice) -> str:
    """Return one line: `[mapek charter] approval: ...`, with how it ended in front once it is over."""
    state = "resolved: " if notice.closed else ""
    return clipped(terminal(f"[mapek {notice.loop}] {state}{notice.kind}: {notice.headline}"), SUBJECT)


def letter(notice: Notice, links: Links) -> Letter:
    """Return it as plain text."""
    lines = [notice.headline, *([notice.closed] if notice.closed else []), *notice.details]
    about = [f"{name}: {url}" for name, url in links.items()]
    return Letter(title(notice), "\n".join([*map(terminal, lines), "", *about]))


def slack_message(notice: Notice, links: Links) -> dict[str, Any]:
    """Return the body of an incoming webhook: one text in mrkdwn; nothing from outside is a link or mention in it."""
    lines = [f"*{slack(title(notice))}*", slack(notice.headline), *(f"• {slack(line)}" for line in notice.details)]
    lines.append(" · ".join(slack_link(name, url) for name, url in links.items()))
    return {"text": "\n".join(line for line in lines if line)}


def webhook_message(notice: Notice, links: Links) -> dict[str, Any]:
    """Return our own JSON. The same `key` is the same trouble: `status` tells whether it is open or resolved."""
    return {
        "key": notice.key,
        "kind": notice.kind.value,
        "status": "resolved" if notice.closed else "open",
        "loop": notice.loop,
        "knob": notice.knob,
        "plan": notice.plan,
        "headline": terminal(notice.headline),
        "details": [terminal(line) for line in notice.details],
        "closed": terminal(notice.closed),
        "at": notice.at,
        "links": dict(links),
    }


def pagerduty_message(notice: Notice, links: Links, routing_key: str) -> dict[str, Any]:
    """Return an event of the Events API v2: one PagerDuty incident a trouble and kind, resolved when it is over."""
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "resolve" if notice.closed else "trigger",
        "dedup_key": f"mapek-{notice.loop}-{notice.key}-{notice.kind}",
    }
    if notice.closed:
        return event
    payload = {
        "summary": clipped(title(notice), SUMMARY),
        "severity": SEVERITIES[notice.kind],
        "source": f"mapek/{notice.loop}",
        "component": terminal(notice.knob) or notice.loop,
        "custom_details": {"headline": terminal(notice.headline), "details": [terminal(d) for d in notice.details]},
    }
    return event | {"payload": payload, "links": [{"href": url, "text": name} for name, url in links.items()]}

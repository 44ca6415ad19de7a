"""A notification for each kind of receiver."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.model.notification import Notification, NotificationKind
from activities.notify.rendering import (
    MAX_SUBJECT_CHARS,
    PAGERDUTY_SEVERITIES,
    render_pagerduty,
    render_slack,
    render_text,
    render_title,
    render_webhook,
)

NOTIFICATION = Notification(
    key="abcdefabcdef",
    kind=NotificationKind.APPROVAL,
    loop="charter",
    headline="approval required: SCALE_UP committee",
    details=("ready, risk high", "mapek approve 0123456789ab"),
    knob="committee",
    plan="0123456789ab",
    at=5.0,
)
LINKS = {"Temporal": "http://127.0.0.1:8233/x", "runbook": "https://wiki.example/mapek"}
CLOSED_NOTIFICATION = NOTIFICATION.model_copy(update={"resolution": "approved: fine, by ada"})


def test_a_plain_message_has_title_details_and_links() -> None:
    """The title is one line; the text has headline, details and links."""
    assert render_title(NOTIFICATION) == "[mapek charter] approval: approval required: SCALE_UP committee"
    assert render_text(NOTIFICATION, LINKS).body == (
        "approval required: SCALE_UP committee\nready, risk high\nmapek approve 0123456789ab\n\n"
        "Temporal: http://127.0.0.1:8233/x\nrunbook: https://wiki.example/mapek"
    )
    assert render_text(CLOSED_NOTIFICATION, LINKS).title.startswith("[mapek charter] resolved: approval: ")


def test_slack_formats_only_its_own_title_and_links() -> None:
    """Text from outside cannot mention, link or emphasise."""
    hostile = NOTIFICATION.model_copy(update={"headline": "<!channel> *bold* @here <http://evil|click> & `code`"})
    text = render_slack(hostile, LINKS)["text"]
    outside = text.splitlines()[1]
    assert "<" not in outside
    assert outside.startswith("&lt;!channel&gt; \u200b*bold\u200b* \u200b@here &lt;http://evil|click&gt; &amp; ")
    assert text.splitlines()[-1] == "<http://127.0.0.1:8233/x|Temporal> · <https://wiki.example/mapek|runbook>"


def test_the_webhook_reports_open_and_resolved_under_one_key() -> None:
    """A receiver updates by key and parses no text."""
    opened, closed = render_webhook(NOTIFICATION, LINKS), render_webhook(CLOSED_NOTIFICATION, LINKS)
    assert (opened["key"], opened["status"], opened["plan"]) == ("abcdefabcdef", "open", "0123456789ab")
    assert (closed["key"], closed["status"], closed["closed"]) == ("abcdefabcdef", "resolved", "approved: fine, by ada")


def test_pagerduty_triggers_and_resolves_one_incident() -> None:
    """Trigger and resolve have the same deduplication key; a resolve carries no payload."""
    trigger, resolve = render_pagerduty(NOTIFICATION, LINKS, "KEY"), render_pagerduty(CLOSED_NOTIFICATION, LINKS, "KEY")
    assert (trigger["event_action"], trigger["payload"]["severity"]) == ("trigger", "warning")
    assert trigger["links"][0] == {"href": "http://127.0.0.1:8233/x", "text": "Temporal"}
    assert resolve == {"routing_key": "KEY", "event_action": "resolve", "dedup_key": trigger["dedup_key"]}


def test_each_occurrence_is_a_page_of_its_own() -> None:
    """Another occurrence has another deduplication key; one that an earlier version opened keeps its former key."""
    former, first, second = (
        render_pagerduty(NOTIFICATION.model_copy(update={"occurrence": text}), LINKS, "KEY")["dedup_key"]
        for text in ("", "100000", "200000")
    )
    assert former == f"mapek-{NOTIFICATION.loop}-{NOTIFICATION.key}-{NOTIFICATION.kind}"
    assert len({former, first, second}) == 3


@pytest.mark.parametrize("kind", list(NotificationKind))
def test_every_kind_has_a_severity_of_pagerduty(kind: NotificationKind) -> None:
    """PagerDuty refuses an event with any other severity."""
    assert PAGERDUTY_SEVERITIES[kind] in ("critical", "error", "warning", "info")


@given(st.text(max_size=400))
def test_text_from_outside_does_not_break_a_line(text: str) -> None:
    """Line ends, escapes and controls in a headline reach no receiver; a subject is one line of bounded length."""
    notification = NOTIFICATION.model_copy(update={"headline": text})
    for line in (
        render_title(notification),
        render_webhook(notification, {})["headline"],
        render_slack(notification, {})["text"].splitlines()[0],
    ):
        assert not any(ord(char) < 0x20 or char in "\x7f\x85\u2028\u2029" for char in line)
    assert len(render_title(notification)) <= MAX_SUBJECT_CHARS

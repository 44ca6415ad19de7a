"""A notice as each kind of receiver takes it."""

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
    headline="approval wanted: SCALE_UP committee",
    details=("ready, risk high", "mapek approve 0123456789ab"),
    knob="committee",
    plan="0123456789ab",
    at=5.0,
)
LINKS = {"Temporal": "http://127.0.0.1:8233/x", "runbook": "https://wiki.example/mapek"}
CLOSED_NOTIFICATION = NOTIFICATION.model_copy(update={"resolution": "approved: fine, by ada"})


def test_a_letter():
    """One subject, then what, what to do, and where to look."""
    assert render_title(NOTIFICATION) == "[mapek charter] approval: approval wanted: SCALE_UP committee"
    assert render_text(NOTIFICATION, LINKS).body == (
        "approval wanted: SCALE_UP committee\nready, risk high\nmapek approve 0123456789ab\n\n"
        "Temporal: http://127.0.0.1:8233/x\nrunbook: https://wiki.example/mapek"
    )
    assert render_text(CLOSED_NOTIFICATION, LINKS).title.startswith("[mapek charter] resolved: approval: ")


def test_slack_marks_nothing_but_its_own_title_and_links():
    """Text from outside cannot mention, link or emphasise."""
    nasty = NOTIFICATION.model_copy(update={"headline": "<!channel> *bold* @here <http://evil|click> & `code`"})
    text = render_slack(nasty, LINKS)["text"]
    outside = text.splitlines()[1]
    assert "<" not in outside
    assert outside.startswith("&lt;!channel&gt; \u200b*bold\u200b* \u200b@here &lt;http://evil|click&gt; &amp; ")
    assert text.splitlines()[-1] == "<http://127.0.0.1:8233/x|Temporal> · <https://wiki.example/mapek|runbook>"


def test_our_json_tells_open_and_resolved_under_one_key():
    """A receiver updates by key, and need not parse any text."""
    opened, closed = render_webhook(NOTIFICATION, LINKS), render_webhook(CLOSED_NOTIFICATION, LINKS)
    assert (opened["key"], opened["status"], opened["plan"]) == ("abcdefabcdef", "open", "0123456789ab")
    assert (closed["key"], closed["status"], closed["closed"]) == ("abcdefabcdef", "resolved", "approved: fine, by ada")


def test_pagerduty_triggers_and_resolves_one_incident():
    """The same deduplication key from beginning to end; a resolve carries nothing else."""
    trigger, resolve = render_pagerduty(NOTIFICATION, LINKS, "KEY"), render_pagerduty(CLOSED_NOTIFICATION, LINKS, "KEY")
    assert (trigger["event_action"], trigger["payload"]["severity"]) == ("trigger", "warning")
    assert trigger["links"][0] == {"href": "http://127.0.0.1:8233/x", "text": "Temporal"}
    assert resolve == {"routing_key": "KEY", "event_action": "resolve", "dedup_key": trigger["dedup_key"]}


@pytest.mark.parametrize("kind", list(NotificationKind))
def test_every_kind_has_a_severity_pagerduty_knows(kind):
    """PagerDuty refuses an event with any other word."""
    assert PAGERDUTY_SEVERITIES[kind] in ("critical", "error", "warning", "info")


@given(st.text(max_size=400))
def test_no_text_from_outside_breaks_a_line(text):
    """Line ends, escapes and controls in a headline reach no receiver: a subject is one line, of bounded length."""
    notice = NOTIFICATION.model_copy(update={"headline": text})
    for line in (
        render_title(notice),
        render_webhook(notice, {})["headline"],
        render_slack(notice, {})["text"].splitlines()[0],
    ):
        assert not any(ord(sign) < 0x20 or sign in "\x7f\x85\u2028\u2029" for sign in line)
    assert len(render_title(notice)) <= MAX_SUBJECT_CHARS

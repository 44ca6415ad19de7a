"""Receivers of notices: what cannot be meant is refused where it stands."""

from typing import Any

import pytest

from activities.notify.settings import NotifySettings, TargetSettings
from worker.config.constraints_notify import validate_notify


def make_target(**changes: Any) -> TargetSettings:
    """Return a webhook."""
    usual = {"name": "ops", "kind": "webhook", "address": "https://ops.example/in"}
    return TargetSettings.model_validate(usual | changes)


@pytest.mark.parametrize(
    ("change", "key", "text"),
    [
        ({"address": "https://me:secret@ops.example"}, "address", "may hold a credential"),
        ({"kind": "apprise", "address": "ntfy://topic"}, "address", "address_file or MAPEK_NOTIFY_OPS_ADDRESS"),
        ({"address": ""}, "address", "is missing"),
        ({"address": "ftp://ops.example"}, "address", "must begin with http:// or https://"),
        ({"address": "https://"}, "address", "and a host"),
        ({"loops": ("other",)}, "loops", "no loop is called other; there are charter"),
        ({"kind": "pagerduty"}, "token_file", "wants a routing key"),
        ({"kind": "email", "address": "smtp://mail", "to": ("a@b.example",)}, "sender", "is missing"),
        ({"kind": "email", "address": "smtp://mail", "sender": "a@b.example"}, "to", "is missing"),
        (
            {"kind": "email", "address": "smtp://mail", "sender": "a@b", "to": ("a@b",), "user": "me"},
            "user",
            "goes with the password",
        ),
        (
            {"kind": "email", "address": "smtp://mail", "sender": "a", "to": ("a@b",)},
            "sender",
            "a is no e-mail address",
        ),
        ({"kind": "email", "address": "smtp://mail", "sender": "a@b", "to": ("a@b", "ops")}, "to", "ops is no e-mail"),
        ({"kind": "email", "sender": "a@b", "to": ("a@b",)}, "address", "must begin with smtp:// or smtps://"),
    ],
)
def test_what_cannot_be_meant(change, key, text):
    """The first thing wrong is named with its key and what would be right, and never repeats a secret."""
    (place, said), *_ = validate_notify(NotifySettings(targets=(make_target(**change),)), ["charter"], {})
    assert (place, text in said, "secret" in said) == (("notify", "targets", 0, key), True, False)


@pytest.mark.parametrize(
    ("change", "environ"),
    [
        ({}, {}),
        ({"address": ""}, {"MAPEK_NOTIFY_OPS_ADDRESS": "https://ops.example"}),
        ({"kind": "pagerduty"}, {"MAPEK_NOTIFY_OPS_TOKEN": "k"}),
        (
            {"kind": "email", "address": "smtps://mail", "sender": "a@b", "to": ("a@b",), "user": "me"},
            {"MAPEK_NOTIFY_OPS_TOKEN": "p"},
        ),
    ],
)
def test_what_can_be_meant(change, environ):
    """Credentials by environment count as given."""
    assert list(validate_notify(NotifySettings(targets=(make_target(**change),)), ["charter"], environ)) == []


def test_a_name_is_given_once():
    """Two targets of one name would share their deliveries."""
    found = list(validate_notify(NotifySettings(targets=(make_target(), make_target())), ["charter"], {}))
    assert found == [(("notify", "targets", 1, "name"), "ops is the name of another target too; give each its own")]

"""Settings that contradict each other: each is refused with its key, its value and the fix."""

from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from prometheus_client import CollectorRegistry
from starlette.routing import Route
from temporalio.client import Client

from activities.model.errors import ConfigurationError
from activities.notify.settings import NotifySettings, TargetSettings
from tests.worker.config.test_load import load_refused, load_written_config
from worker.assemble import build_webhook_routes
from worker.config.constraints import validate_notify
from worker.config.load import Config
from worker.config.schema import AlertmanagerSettings, AlertRoute, ApiSettings
from worker.observability.metrics import Metrics


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "alertmanager:\n  routes:\n  - {alert: A, to: other}\n",
            "mapek.yaml:3: alertmanager.routes[0].to: no loop is called other; there are charter, and ignore",
        ),
        ("alertmanager: {routes: [{alert: '(', match: regex}]}", "routes[0].alert: is an invalid regular expression"),
        ("alertmanager: {routes: [{alert: A, match: like}]}", "routes[0].match: is \"like\"; must be 'exact', 'glob'"),
        ("alertmanager: {routes: [{to: charter}]}", "routes[0].alert: is missing"),
        ("alertmanager: {debounce_seconds: -1}", "alertmanager.debounce_seconds"),
        ("api: {allow_anonymous_alerts: true, webhook_token_file: /t}", "api.allow_anonymous_alerts: is for loopback"),
        (
            "api: {allow_anonymous_alerts: true, host: 0.0.0.0, webhook_token_file: /t}",
            "api.allow_anonymous_alerts: is for loopback",
        ),
        ("api: {webhook_previous_token_file: /t}", "api.webhook_previous_token_file: needs the new token too"),
        ("api: {tls_key_file: /k}", "api.tls_key_file: needs the certificate of the service"),
        ("api: {tls_client_ca_file: /c}", "api.tls_client_ca_file: needs the certificate of the service"),
    ],
)
def test_alert_problems_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    """Each problem is one line with the fix."""
    assert any(problem in line for line in load_refused(tmp_path, text))


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("alertmanager", {"routes": [{"alert": "A*", "severities": ["info"]}]}),
        ("alertmanager", {"debounce_seconds": 0}),
        ("alertmanager", {"silences_required": True}),
        ("api", {"webhook_previous_token_file": "/o", "webhook_token_file": "/n"}),
        ("api", {"allow_anonymous_alerts": True}),
        ("api", {"tls_cert_file": "/c", "tls_key_file": "/k", "tls_client_ca_file": "/a"}),
    ],
)
def test_each_alert_key_is_applied(tmp_path: Path, section: str, values: dict[str, Any]) -> None:
    """Each value is in the settings."""
    config = load_written_config(tmp_path, {section: values})
    dump = getattr(config, section).model_dump(mode="json", exclude_defaults=True)
    assert yaml.safe_load(yaml.safe_dump(dump)) == values


def build_routes(settings: Config) -> list[Route]:
    """Return the routes of the webhook. Nothing is sent, so no Temporal client is needed."""
    return build_webhook_routes(settings, cast(Client, None), Metrics(CollectorRegistry()))


def test_a_webhook_without_credential_is_refused(tmp_path: Path) -> None:
    """Alerts need a token, a client certificate, or explicit consent on loopback."""
    with pytest.raises(ConfigurationError, match="anyone can post alerts"):
        build_routes(Config())
    with pytest.raises(ConfigurationError, match="cannot be read"):
        build_routes(Config(api=ApiSettings(webhook_token_file=tmp_path / "gone")))
    token = tmp_path / "token"
    token.write_text("geheim\n")
    for api in (
        ApiSettings(webhook_token_file=token),
        ApiSettings(allow_anonymous_alerts=True),
        ApiSettings(tls_cert_file=token, tls_client_ca_file=token),
    ):
        (route,) = build_routes(Config(api=api))
        assert (route.path, route.methods) == ("/webhooks/alerts", {"POST"})


def test_a_disabled_alertmanager_has_no_webhook() -> None:
    """Without Alertmanager there is no route and no credential is needed."""
    assert build_routes(Config(alertmanager=AlertmanagerSettings(enabled=False))) == []


def test_a_route_ignores_by_default() -> None:
    """A route without a target ignores its alerts."""
    assert AlertRoute(alert="Noise*").to == "ignore"


def make_target(**changes: Any) -> TargetSettings:
    """Return a webhook target."""
    defaults = {"name": "ops", "kind": "webhook", "address": "https://ops.example/in"}
    return TargetSettings.model_validate(defaults | changes)


@pytest.mark.parametrize(
    ("change", "key", "text"),
    [
        ({"address": "https://me:secret@ops.example"}, "address", "may contain a credential"),
        ({"kind": "apprise", "address": "ntfy://topic"}, "address", "address_file or MAPEK_NOTIFY_OPS_ADDRESS"),
        ({"address": ""}, "address", "is missing"),
        ({"address": "ftp://ops.example"}, "address", "must start with http:// or https://"),
        ({"address": "https://"}, "address", "and a host"),
        ({"loops": ("other",)}, "loops", "no loop is called other; there are charter"),
        ({"kind": "pagerduty"}, "token_file", "needs a routing key"),
        ({"kind": "email", "address": "smtp://mail", "to": ("a@b.example",)}, "sender", "is missing"),
        ({"kind": "email", "address": "smtp://mail", "sender": "a@b.example"}, "to", "is missing"),
        (
            {"kind": "email", "address": "smtp://mail", "sender": "a@b", "to": ("a@b",), "user": "me"},
            "user",
            "needs a password in token_file",
        ),
        (
            {"kind": "email", "address": "smtp://mail", "sender": "a", "to": ("a@b",)},
            "sender",
            "a is an invalid e-mail address",
        ),
        (
            {"kind": "email", "address": "smtp://mail", "sender": "a@b", "to": ("a@b", "ops")},
            "to",
            "ops is an invalid e-mail",
        ),
        ({"kind": "email", "sender": "a@b", "to": ("a@b",)}, "address", "must start with smtp:// or smtps://"),
    ],
)
def test_target_problems_are_refused(change: dict[str, Any], key: str, text: str) -> None:
    """The first problem names its key and the fix, and never contains a secret."""
    (key_path, message), *_ = validate_notify(NotifySettings(targets=(make_target(**change),)), ["charter"], {})
    assert (key_path, text in message, "secret" in message) == (("notify", "targets", 0, key), True, False)


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
def test_credentials_of_the_environment_are_accepted(change: dict[str, Any], environ: dict[str, str]) -> None:
    """A target needs no credential in the file."""
    assert list(validate_notify(NotifySettings(targets=(make_target(**change),)), ["charter"], environ)) == []


def test_target_names_are_unique() -> None:
    """Two targets with one name would share their deliveries."""
    problems = list(validate_notify(NotifySettings(targets=(make_target(), make_target())), ["charter"], {}))
    assert problems == [(("notify", "targets", 1, "name"), "ops is the name of another target; use a unique name")]

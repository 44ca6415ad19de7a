"""What is said of mistakes about alerts and their door."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from activities.model.errors import ConfigurationError
from tests.worker.config.test_load import load_refused, load_written_config
from worker.assemble import build_webhook_routes
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
        ("alertmanager: {routes: [{alert: '(', match: regex}]}", "routes[0].alert: is no regular expression"),
        ("alertmanager: {routes: [{alert: A, match: like}]}", "routes[0].match: is \"like\"; must be 'exact', 'glob'"),
        ("alertmanager: {routes: [{to: charter}]}", "routes[0].alert: is missing"),
        ("alertmanager: {debounce_seconds: -1}", "alertmanager.debounce_seconds"),
        ("api: {allow_anonymous_alerts: true, webhook_token_file: /t}", "api.allow_anonymous_alerts: is for loopback"),
        (
            "api: {allow_anonymous_alerts: true, host: 0.0.0.0, webhook_token_file: /t}",
            "api.allow_anonymous_alerts: is for loopback",
        ),
        ("api: {webhook_previous_token_file: /t}", "api.webhook_previous_token_file: goes with the new token"),
        ("api: {tls_key_file: /k}", "api.tls_key_file: needs a certificate"),
        ("api: {tls_client_ca_file: /c}", "api.tls_client_ca_file: needs a certificate"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, problem: str) -> None:
    """Each is one line with what would be right."""
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
def test_each_key_is_taken(tmp_path: Path, section: str, values: dict[str, Any]) -> None:
    """What is set arrives."""
    found = getattr(load_written_config(tmp_path, {section: values}), section).model_dump(
        mode="json", exclude_defaults=True
    )
    assert yaml.safe_load(yaml.safe_dump(found)) == values


def build_routes(settings: Config) -> list[Any]:
    """Return the routes of the door; nothing is sent, so it needs no Temporal."""
    return build_webhook_routes(settings, None, Metrics(CollectorRegistry()))


def test_without_a_credential_there_is_no_start(tmp_path: Path) -> None:
    """Anybody could post alerts: refused, unless it is meant on loopback, or callers show certificates."""
    with pytest.raises(ConfigurationError, match="anybody could post alerts"):
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


def test_switched_off() -> None:
    """Without Alertmanager there is no door, and no credential is asked for."""
    assert build_routes(Config(alertmanager=AlertmanagerSettings(enabled=False))) == []


def test_a_route_ignores_unless_told_where_to() -> None:
    """The shortest entry is the one that ignores."""
    assert AlertRoute(alert="Noise*").to == "ignore"

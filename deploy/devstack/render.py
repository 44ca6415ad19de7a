"""Writes the configuration files of one stack: the repository's files with this stack's addresses and timings."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from activities.model.types import parse_duration
from deploy.devstack.errors import UsageError
from deploy.devstack.layout import StackLayout
from deploy.devstack.state import StateDirectory, write_private

REPOSITORY_ROOT = Path(__file__).resolve().parents[2]
_PROMETHEUS_TEMPLATE = REPOSITORY_ROOT / "deploy/prometheus/prometheus.yml"
_RULES_TEMPLATE = REPOSITORY_ROOT / "deploy/prometheus/rules/charter-recording.yml"
_ALERTMANAGER_TEMPLATE = REPOSITORY_ROOT / "deploy/alertmanager/alertmanager.yml"
_RATE_WINDOW_PATTERN = re.compile(r"\[\d+s\]")
_MAX_SCRAPE_TIMEOUT_SECONDS = 10.0
_LOOKBACK_SCRAPES = 20  # Prometheus' default of 5 minutes at the default scrape interval of 15 s


def write_configs(layout: StackLayout, state: StateDirectory) -> None:
    """Write the configuration of MAPE-K, Prometheus (with its rules) and Alertmanager into the state folder."""
    write_private(state.config_file, _dump_yaml(layout.settings))
    write_private(state.path / "prometheus/rules.yml", render_recording_rules(layout))
    write_private(state.path / "prometheus/prometheus.yml", render_prometheus_config(layout, state))
    write_private(state.path / "alertmanager/alertmanager.yml", render_alertmanager_config(layout))


def render_recording_rules(layout: StackLayout) -> str:
    """Return the recording rules, with `monitor.rate_window` as their window if it is set."""
    rules = _RULES_TEMPLATE.read_text(encoding="utf-8")
    window = layout.get_setting("monitor.rate_window")
    return rules if window is None else _RATE_WINDOW_PATTERN.sub(f"[{_format_duration(window)}]", rules)


def render_prometheus_config(layout: StackLayout, state: StateDirectory) -> str:
    """Return Prometheus' configuration; `monitor.scrape_interval` also sets the evaluation interval."""
    config = yaml.safe_load(_PROMETHEUS_TEMPLATE.read_text(encoding="utf-8"))
    if (interval := layout.get_setting("monitor.scrape_interval")) is not None:
        config["global"] = {
            "scrape_interval": _format_duration(interval),
            "scrape_timeout": _format_duration(min(_parse_duration(interval), _MAX_SCRAPE_TIMEOUT_SECONDS)),
            "evaluation_interval": _format_duration(interval),
        }
    config["rule_files"] = [str(state.path / "prometheus/rules.yml")]
    targets = {"charter": layout.addresses.charter, "mapek": layout.addresses.mapek}
    for job in config["scrape_configs"]:
        _set_target(job, targets[job["job_name"]])
        if "authorization" in job:
            job["authorization"]["credentials_file"] = layout.get_setting("api.webhook_token_file")
    for alertmanager in config["alerting"]["alertmanagers"]:
        _set_target(alertmanager, layout.addresses.alertmanager)
    return _dump_yaml(config)


def compute_lookback(layout: StackLayout) -> str:
    """Return Prometheus' lookback: as many scrapes as with the defaults.

    With one scrape per second, five minutes would be 300 samples for each instant of a range query.
    """
    interval = layout.get_setting("monitor.scrape_interval")
    return "5m" if interval is None else _format_duration(_LOOKBACK_SCRAPES * _parse_duration(interval))


def render_alertmanager_config(layout: StackLayout) -> str:
    """Return Alertmanager's configuration: every alert goes only to MAPE-K's webhook, with the webhook's token."""
    config = yaml.safe_load(_ALERTMANAGER_TEMPLATE.read_text(encoding="utf-8"))
    loop = config["route"]["routes"][0]
    config["route"] = {key: value for key, value in loop.items() if key not in ("matchers", "continue")}
    config["receivers"] = [receiver for receiver in config["receivers"] if receiver["name"] == loop["receiver"]]
    webhook = config["receivers"][0]["webhook_configs"][0]
    path = layout.get_setting("alertmanager.webhook_path") or "/webhooks/alerts"
    webhook["url"] = layout.addresses.mapek + path
    webhook["http_config"]["authorization"]["credentials_file"] = layout.get_setting("api.webhook_token_file")
    return _dump_yaml(config)


def _set_target(section: dict[str, Any], url: str) -> None:
    """Set the URL of a scrape job or an Alertmanager."""
    parts = urlsplit(url)
    section["static_configs"] = [{"targets": [parts.netloc.rpartition("@")[2]]}]
    section["scheme"] = parts.scheme


def _parse_duration(value: object) -> float:
    """Return the seconds of a duration of the configuration; 0 is refused."""
    seconds = parse_duration(value) if isinstance(value, str) else value
    if not isinstance(seconds, int | float) or seconds <= 0:
        raise UsageError(f"{value!r} is not a duration: write a number of seconds above 0, or 90s, 5m, 2h, 1d")
    return float(seconds)


def _format_duration(value: object) -> str:
    """Return the duration for Prometheus: whole seconds if possible, otherwise milliseconds."""
    seconds = _parse_duration(value)
    return f"{seconds:.0f}s" if seconds.is_integer() else f"{seconds * 1000:.0f}ms"


def _dump_yaml(content: object) -> str:
    return yaml.safe_dump(content, sort_keys=False)

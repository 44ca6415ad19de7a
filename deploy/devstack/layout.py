"""Decides which services a stack embeds, where each one listens, and MAPE-K's configuration.

The stack keeps the user's configuration and adds missing keys. It does not start a server whose address the user set.
Charter with `staging.use_mock_charter: true` is the exception: the stack starts the simulator, and the address gives
only its preferred port.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from deploy.devstack.errors import UsageError
from deploy.devstack.ports import LOOPBACK, PortAllocator
from deploy.devstack.profiles import TIMING_PROFILES
from worker.config.document import deep_merge

STACK_SERVICES = ("temporal", "prometheus", "alertmanager", "charter", "bootstrap", "worker")


@dataclass(frozen=True)
class Addresses:
    """The addresses of all servers: `temporal` is host:port; the others are URLs without a path."""

    temporal: str
    temporal_ui: str
    namespace: str
    prometheus: str
    alertmanager: str
    charter: str
    mapek: str


@dataclass(frozen=True)
class StackLayout:
    """The design of one stack: `embedded` are the services to start, `settings` is MAPE-K's complete configuration."""

    addresses: Addresses
    embedded: frozenset[str]
    settings: Mapping[str, Any]

    def get_setting(self, key_path: str) -> Any:
        """Return the value at a dotted path of the configuration; None if it is not set."""
        return _get_setting(self.settings, key_path)


def load_config(path: Path | None) -> dict[str, Any]:
    """Return the content of a user's configuration file; empty without a file.

    Raises:
        UsageError: the file cannot be read or is not a YAML mapping of sections. MAPE-K itself checks the sections.
    """
    if path is None:
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: {error}") from error
    if not isinstance(content, dict) or not all(
        isinstance(section, dict) or name == "loops" for name, section in content.items()
    ):
        raise UsageError(f"{path}: invalid configuration; it must be a YAML mapping of sections")
    return content


def build_layout(user_config: Mapping[str, Any], profile: str, state_dir: Path, ports: PortAllocator) -> StackLayout:
    """Choose the services and their ports, and complete the user's configuration.

    Raises:
        UsageError: the configuration disables the simulator and names no Charter.
    """
    simulated = _uses_simulator(user_config)
    temporal = ports.allocate(7233)
    addresses = Addresses(
        temporal=_get_setting(user_config, "temporal.address") or f"{LOOPBACK}:{temporal}",
        temporal_ui=_get_setting(user_config, "temporal.ui_url") or _build_loopback_url(ports.allocate(8233)),
        namespace=_get_setting(user_config, "temporal.namespace") or "default",
        prometheus=_get_setting(user_config, "monitor.prometheus_url") or _build_loopback_url(ports.allocate(9090)),
        alertmanager=_get_setting(user_config, "alertmanager.url") or _build_loopback_url(ports.allocate(9093)),
        charter=_choose_charter_url(user_config, simulated, ports),
        mapek=_build_loopback_url(ports.allocate(_get_setting(user_config, "api.port") or 8001)),
    )
    user_addresses = {
        "temporal": _get_setting(user_config, "temporal.address"),
        "prometheus": _get_setting(user_config, "monitor.prometheus_url"),
        "alertmanager": _get_setting(user_config, "alertmanager.url"),
        "charter": None if simulated else addresses.charter,
    }
    settings = deep_merge(
        deep_merge(_build_defaults(addresses, state_dir), _build_charter_settings(simulated, state_dir)),
        TIMING_PROFILES[profile],
    )
    # These two depend on free ports and on the simulator, so they override the user's file.
    actual = {"execute": {"charter_url": addresses.charter}, "api": {"port": urlsplit(addresses.mapek).port}}
    settings = deep_merge(deep_merge(settings, user_config), actual)
    return StackLayout(addresses, frozenset(name for name in STACK_SERVICES if not user_addresses.get(name)), settings)


def _uses_simulator(user_config: Mapping[str, Any]) -> bool:
    use_mock, url = (_get_setting(user_config, key) for key in ("staging.use_mock_charter", "execute.charter_url"))
    if use_mock is None:
        return url is None
    if not use_mock and url is None:
        raise UsageError("staging.use_mock_charter is false, so set execute.charter_url to your Charter")
    return bool(use_mock)


def _choose_charter_url(user_config: Mapping[str, Any], simulated: bool, ports: PortAllocator) -> str:
    url: str | None = _get_setting(user_config, "execute.charter_url")
    if url is not None and not simulated:
        return url
    try:
        port = urlsplit(url or "").port
    except ValueError as error:
        raise UsageError(f"execute.charter_url: {error}") from error
    return _build_loopback_url(ports.allocate(port or 8000))


def _build_defaults(addresses: Addresses, state_dir: Path) -> dict[str, Any]:
    """Return the settings that depend on this stack's addresses and folder."""
    return {
        "orchestrator": {"mode": "staging"},
        "temporal": {
            "address": addresses.temporal,
            "namespace": addresses.namespace,
            "ui_url": addresses.temporal_ui,
        },
        "monitor": {"prometheus_url": addresses.prometheus},
        "knowledge": {"database": "sqlite", "sqlite_path": str(state_dir / "knowledge.db")},
        "alertmanager": {"url": addresses.alertmanager},
        "api": {"host": LOOPBACK, "webhook_token_file": str(state_dir / "webhook.token")},
        "logging": {"file": str(state_dir / "logs" / "mapek.log")},
    }


def _build_charter_settings(simulated: bool, state_dir: Path) -> dict[str, Any]:
    """Return the settings about Charter.

    The loop acts on the simulator by default. So a user's Charter must never count as the simulator, and must never get
    the stack's token.
    """
    if not simulated:
        return {"staging": {"use_mock_charter": False}}
    return {
        "staging": {"use_mock_charter": True},
        "execute": {"charter_api_key_file": str(state_dir / "charter.token")},
    }


def _get_setting(settings: Mapping[str, Any], key_path: str) -> Any:
    value: Any = settings
    for key in key_path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _build_loopback_url(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"

"""Decides what a stack consists of: which parts are embedded, where each one listens, the config MAPE-K gets.

A user's own config is kept as it is; the stack adds only what is not in it. A server whose address the user set is
the user's own: it is used, not started. The exception is Charter with `staging.use_mock_charter: true`, which means
the simulator whatever the address says; the address then only gives the wished port.
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
    """Where everything answers; `temporal` is host:port, all others but the namespace are URLs without a path."""

    temporal: str
    temporal_ui: str
    namespace: str
    prometheus: str
    alertmanager: str
    charter: str
    mapek: str


@dataclass(frozen=True)
class StackLayout:
    """One stack as it shall be: `embedded` names the parts to start, `settings` is MAPE-K's whole config."""

    addresses: Addresses
    embedded: frozenset[str]
    settings: Mapping[str, Any]

    def get_setting(self, key_path: str) -> Any:
        """The value at a dotted path of the config, None where nobody set it."""
        return _get_setting(self.settings, key_path)


def load_config(path: Path | None) -> dict[str, Any]:
    """A user's config file; empty without one.

    Raises:
        UsageError: it cannot be read, or is no YAML mapping of sections. What is in them is judged by MAPE-K.
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
        raise UsageError(f"{path}: a config is a mapping of sections")
    return content


def build_layout(user_config: Mapping[str, Any], profile: str, state_dir: Path, ports: PortAllocator) -> StackLayout:
    """Choose the parts and their ports, and complete the user's config.

    Raises:
        UsageError: no Charter to work on.
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
    own = {
        "temporal": _get_setting(user_config, "temporal.address"),
        "prometheus": _get_setting(user_config, "monitor.prometheus_url"),
        "alertmanager": _get_setting(user_config, "alertmanager.url"),
        "charter": None if simulated else addresses.charter,
    }
    settings = deep_merge(
        deep_merge(_build_defaults(addresses, state_dir), _build_charter_settings(simulated, state_dir)),
        TIMING_PROFILES[profile],
    )
    # The last two follow what was free and what is started, whatever the user's file wishes.
    follow = {"execute": {"charter_url": addresses.charter}, "api": {"port": urlsplit(addresses.mapek).port}}
    settings = deep_merge(deep_merge(settings, user_config), follow)
    return StackLayout(addresses, frozenset(part for part in STACK_SERVICES if not own.get(part)), settings)


def _uses_simulator(user_config: Mapping[str, Any]) -> bool:
    wish, url = _get_setting(user_config, "staging.use_mock_charter"), _get_setting(user_config, "execute.charter_url")
    if wish is None:
        return url is None
    if not wish and url is None:
        raise UsageError("staging.use_mock_charter is false, so execute.charter_url must name your Charter")
    return bool(wish)


def _choose_charter_url(user_config: Mapping[str, Any], simulated: bool, ports: PortAllocator) -> str:
    wished: str | None = _get_setting(user_config, "execute.charter_url")
    if wished is not None and not simulated:
        return wished
    try:
        port = urlsplit(wished or "").port
    except ValueError as error:
        raise UsageError(f"execute.charter_url: {error}") from error
    return _build_loopback_url(ports.allocate(port or 8000))


def _build_defaults(addresses: Addresses, state_dir: Path) -> dict[str, Any]:
    """The part of the config that only the stack can know."""
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
    """What MAPE-K may take for granted. A Charter of the user's own never passes for the simulator, on which the
    loop acts without being told to, and never sees a token of ours."""
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

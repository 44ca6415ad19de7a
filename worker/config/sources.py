"""The sources of values beside the file: flags > environment > file > `run.json` of the running stack > default."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from temporalio.envconfig import ClientConfig, ClientConnectConfig

from activities.model.errors import ConfigurationError
from activities.model.types import truncate
from worker.config.document import Document, KeyPath, parse_scalar
from worker.observability.redaction import redact

_GENERIC_VARIABLE = re.compile(r"MAPEK__[A-Z0-9]+(?:_[A-Z0-9]+)*(?:__[A-Z0-9]+(?:_[A-Z0-9]+)*)+")

ENV_KEYS: Mapping[str, KeyPath] = {
    "CHARTER_API_URL": ("execute", "charter_url"),
    "CHARTER_URL": ("execute", "charter_url"),
    "PROMETHEUS_URL": ("monitor", "prometheus_url"),
    "ALERTMANAGER_URL": ("alertmanager", "url"),
    "ORCHESTRATOR_MODE": ("orchestrator", "mode"),
    "TEMPORAL_DEPLOYMENT_NAME": ("temporal", "deployment_name"),
    "TEMPORAL_WORKER_BUILD_ID": ("temporal", "build_id"),
}
"""Variables whose text is the value. Of two variables for one key, the later one wins."""

ENV_SPECIAL: Mapping[str, str] = {
    "MAPEK_CONFIG": "the configuration file, as `--config`",
    "MAPEK_STATE": "the state folder, as `--state`",
    "MAPEK_URL": "URL of the worker's service for commands. Default: the running stack, else `api`",
    "MAPEK_KILL_SWITCH": "set for a worker: it starts no change at Charter, as with `orchestrator.kill_switch_file`",
    "MAPEK_NOTIFY_<TARGET>_*": "`..._ADDRESS` and `..._TOKEN` of a notification target: secrets",
    "MAPEK__SECTION__KEY": "any key outside `loops`",
    "LOG_LEVEL": "`logging.level`",
    "MAPE_K_INTERVAL": "`orchestrator.loop_interval`",
    "MAPE_K_AUTO_APPROVE": "false: `plan.approval.from_risk: low`; true changes nothing",
    "TEMPORAL_*": "the standard variables of Temporal clients: address, namespace, API key, certificates, profile",
}
"""Variables with a special meaning."""

SECRET_KEYS: Mapping[KeyPath, tuple[str, str]] = {
    ("execute", "charter_api_key"): ("CHARTER_API_KEY", "CHARTER_API_KEY or execute.charter_api_key_file"),
    ("knowledge", "postgres_url"): ("MAPEK_POSTGRES_URL", "MAPEK_POSTGRES_URL"),
}
"""Keys that are refused in a file: the variable that sets each, and what to use instead."""

_STACK_KEYS: Mapping[str, KeyPath] = {
    "prometheus": ("monitor", "prometheus_url"),
    "alertmanager": ("alertmanager", "url"),
    "charter": ("execute", "charter_url"),
    "webhook_token_file": ("api", "webhook_token_file"),
}
_STACK_TEMPORAL_KEYS = {"address": "address", "namespace": "namespace", "ui": "ui_url"}
IGNORED_ENV = {
    "MAPE_K_THRESHOLD": "each analyzer has its own threshold: set analyze.algorithms",
    "WEBHOOK_PORT": "alerts arrive at the port of the service: set api.port",
}


def apply_environment(document: Document, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Write the values of the environment into the document and return notes on variables without effect.

    Beside the variables of the original project, `MAPEK__SECTION__KEY` sets any key outside `loops`. An empty variable
    counts as unset. Variables of secrets are not read here.
    """
    for name, key_path in ENV_KEYS.items():
        _set_from_environment(document, key_path, environ.get(name, ""), name)
    profile = load_temporal_profile(environ)
    _set_from_environment(document, ("temporal", "address"), profile.get("target_host"), "TEMPORAL_ADDRESS or profile")
    _set_from_environment(
        document, ("temporal", "namespace"), profile.get("namespace"), "TEMPORAL_NAMESPACE or profile"
    )
    level = environ.get("LOG_LEVEL", "").upper()
    _set_from_environment(document, ("logging", "level"), level, "LOG_LEVEL")
    _set_from_environment(document, ("orchestrator", "log_level"), level, "LOG_LEVEL")
    _set_from_environment(
        document, ("orchestrator", "loop_interval"), parse_scalar(environ.get("MAPE_K_INTERVAL", "")), "MAPE_K_INTERVAL"
    )
    notes = [
        f"environment {name}: changes nothing here; {fix}" for name, fix in IGNORED_ENV.items() if environ.get(name)
    ]
    notes += _apply_auto_approve(document, environ.get("MAPE_K_AUTO_APPROVE", ""))
    for name in sorted(environ):
        if name.startswith("MAPEK__") and environ[name]:
            _apply_generic_variable(document, name, environ[name])
    return tuple(notes)


def load_temporal_profile(environ: Mapping[str, str]) -> ClientConnectConfig:
    """Return the connection settings of the `TEMPORAL_*` variables.

    The profile file is read only if `TEMPORAL_PROFILE` or `TEMPORAL_CONFIG_FILE` is set. Otherwise credentials of a
    default profile would be sent to the configured address.

    Raises:
        ConfigurationError: the profile or a certificate cannot be read.
    """
    named = environ.get("TEMPORAL_PROFILE") or environ.get("TEMPORAL_CONFIG_FILE")
    try:
        return ClientConfig.load_client_connect_config(disable_file=not named, override_env_vars=dict(environ))
    except Exception as error:  # the SDK's error class is private
        raise ConfigurationError(f"environment TEMPORAL_*: {truncate(redact(str(error)))}") from None


def apply_flags(document: Document, flags: Mapping[KeyPath, str | None]) -> None:
    """Write the addresses of the command line into the document; None leaves a key unchanged."""
    for key_path, value in flags.items():
        if value is not None:
            document.set_value(key_path, value, "command line")


def read_stack(state: Path) -> dict[str, Any]:
    """Return `run.json` of the stack that runs in the state folder, {} if there is no such file.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    path = state / "run.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({type(error).__name__}); remove it, or start the stack"
        ) from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path}: not a mapping; remove it, or start the stack")
    return content


def apply_stack(document: Document, stack: Mapping[str, Any], state: Path) -> None:
    """Write the addresses of the running stack into the document where no address is set.

    The stack's Charter token is used with the stack's Charter address only, so that no other Charter receives it.
    """
    origin = str(state / "run.json")
    if document.get_value(("execute", "charter_url")) in (None, stack.get("charter")):
        _set_default(document, ("execute", "charter_api_key_file"), stack.get("charter_token_file"), origin)
    for key, key_path in _STACK_KEYS.items():
        _set_default(document, key_path, stack.get(key), origin)
    temporal = stack.get("temporal")
    for key, name in _STACK_TEMPORAL_KEYS.items():
        _set_default(document, ("temporal", name), temporal.get(key) if isinstance(temporal, dict) else None, origin)


def _set_default(document: Document, key_path: KeyPath, value: Any, origin: str) -> None:
    section = document.data.get(str(key_path[0]))
    if value is not None and document.get_value(key_path) is None and (section is None or isinstance(section, dict)):
        document.set_value(key_path, value, origin)


def _set_from_environment(document: Document, key_path: KeyPath, value: Any, name: str) -> None:
    if value not in ("", None):
        document.set_value(key_path, value, f"environment {name}")


def _apply_auto_approve(document: Document, value: str) -> list[str]:
    """`false` requires approval of every plan; `true` is ignored, so that it never removes an approval."""
    if not value:
        return []
    if value.lower() in ("false", "0", "no"):
        document.set_value(("plan", "approval", "from_risk"), "low", "environment MAPE_K_AUTO_APPROVE")
        return []
    return ["environment MAPE_K_AUTO_APPROVE: changes nothing here; set plan.approval.from_risk"]


def _apply_generic_variable(document: Document, name: str, value: str) -> None:
    key_path = tuple(part.lower() for part in name.removeprefix("MAPEK__").split("__"))
    if not _GENERIC_VARIABLE.fullmatch(name) or key_path[0] == "loops":
        document.problems.append(f"environment {name}: must be MAPEK__SECTION__KEY; set loops in the file")
        return
    document.set_value(key_path, value if key_path in SECRET_KEYS else parse_scalar(value), f"environment {name}")

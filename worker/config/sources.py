"""What stands above and below the file: flags > environment > file > `run.json` of the running stack > default."""

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
"""Variables whose text is the value. Where two name one key, the later one here wins."""

ENV_SPECIAL: Mapping[str, str] = {
    "MAPEK_CONFIG": "the configuration file, as `--config`",
    "MAPEK_STATE": "the stack's folder, as `--state`",
    "MAPEK_URL": "where commands reach the worker's service. Default: the running stack, else `api`",
    "MAPEK_KILL_SWITCH": "of a worker: nothing new is done at Charter, as with `orchestrator.kill_switch_file`",
    "MAPEK_NOTIFY_<TARGET>_*": "`..._ADDRESS` and `..._TOKEN` of a target of notices: secrets",
    "MAPEK__SECTION__KEY": "any key but those of `loops`",
    "LOG_LEVEL": "`logging.level`",
    "MAPE_K_INTERVAL": "`orchestrator.loop_interval`",
    "MAPE_K_AUTO_APPROVE": "false: `plan.approval.from_risk: low`; true changes nothing",
    "TEMPORAL_*": "as every client of Temporal reads them: address, namespace, API key, certificates, profile",
}
"""Variables that mean more, or less, than the text of one key."""

SECRET_KEYS: Mapping[KeyPath, tuple[str, str]] = {
    ("execute", "charter_api_key"): ("CHARTER_API_KEY", "CHARTER_API_KEY or execute.charter_api_key_file"),
    ("knowledge", "postgres_url"): ("MAPEK_POSTGRES_URL", "MAPEK_POSTGRES_URL"),
}
"""Keys that a file may not hold: the variable that sets each, and what to use instead."""

_STACK_KEYS: Mapping[str, KeyPath] = {
    "prometheus": ("monitor", "prometheus_url"),
    "alertmanager": ("alertmanager", "url"),
    "charter": ("execute", "charter_url"),
    "webhook_token_file": ("api", "webhook_token_file"),
}
_STACK_TEMPORAL_KEYS = {"address": "address", "namespace": "namespace", "ui": "ui_url"}
IGNORED_ENV = {
    "MAPE_K_THRESHOLD": "each analyzer has its own: set analyze.algorithms",
    "WEBHOOK_PORT": "alerts come in on the service's own port: set api.port",
}


def apply_environment(document: Document, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Put what the environment sets into the document and return notes on variables that change nothing here.

    Beside the original's variables, `MAPEK__SECTION__KEY` sets any key, `MAPEK__LOOPS` excepted; an empty variable
    counts as unset. Secrets are left where they are.
    """
    for name, place in ENV_KEYS.items():
        _set_from_environment(document, place, environ.get(name, ""), name)
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
        f"environment {name}: changes nothing here; {why}" for name, why in IGNORED_ENV.items() if environ.get(name)
    ]
    notes += _apply_auto_approve(document, environ.get("MAPE_K_AUTO_APPROVE", ""))
    for name in sorted(environ):
        if name.startswith("MAPEK__") and environ[name]:
            _apply_generic_variable(document, name, environ[name])
    return tuple(notes)


def load_temporal_profile(environ: Mapping[str, str]) -> ClientConnectConfig:
    """Return what `TEMPORAL_*` says, from the profile file too if `TEMPORAL_PROFILE` or `TEMPORAL_CONFIG_FILE` is set.

    A profile nobody named is not read: its credentials would be sent to whatever address the configuration gives.

    Raises:
        ConfigurationError: the profile or a certificate cannot be read.
    """
    named = environ.get("TEMPORAL_PROFILE") or environ.get("TEMPORAL_CONFIG_FILE")
    try:
        return ClientConfig.load_client_connect_config(disable_file=not named, override_env_vars=dict(environ))
    except Exception as error:  # the SDK's error class is private
        raise ConfigurationError(f"environment TEMPORAL_*: {truncate(redact(str(error)))}") from None


def apply_flags(document: Document, flags: Mapping[KeyPath, str | None]) -> None:
    """Put the command line's addresses on top; None leaves a key alone."""
    for place, value in flags.items():
        if value is not None:
            document.set_value(place, value, "command line")


def read_stack(state: Path) -> dict[str, Any]:
    """Return `run.json` of the stack that runs in `state`, {} if none does.

    Raises:
        ConfigurationError: there is one and it cannot be read.
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
    """Put the running stack's addresses below everything that was said.

    Its Charter token belongs to its Charter: with any other address it is not used, so that it cannot be sent there.
    """
    origin = str(state / "run.json")
    if document.get_value(("execute", "charter_url")) in (None, stack.get("charter")):
        _set_default(document, ("execute", "charter_api_key_file"), stack.get("charter_token_file"), origin)
    for key, place in _STACK_KEYS.items():
        _set_default(document, place, stack.get(key), origin)
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
    """`false` asks a person for everything; `true` is never taken as leave to do what needs approval here."""
    if not value:
        return []
    if value.lower() in ("false", "0", "no"):
        document.set_value(("plan", "approval", "from_risk"), "low", "environment MAPE_K_AUTO_APPROVE")
        return []
    return ["environment MAPE_K_AUTO_APPROVE: changes nothing here; set plan.approval.from_risk"]


def _apply_generic_variable(document: Document, name: str, value: str) -> None:
    place = tuple(part.lower() for part in name.removeprefix("MAPEK__").split("__"))
    if not _GENERIC_VARIABLE.fullmatch(name) or place[0] == "loops":
        document.problems.append(f"environment {name}: not of the form MAPEK__SECTION__KEY; loops are set in the file")
        return
    document.set_value(place, value if place in SECRET_KEYS else parse_scalar(value), f"environment {name}")

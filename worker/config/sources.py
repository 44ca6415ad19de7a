"""What stands above and below the file: flags > environment > file > `run.json` of the running stack > default."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from temporalio.envconfig import ClientConfig, ClientConnectConfig

from activities.model.errors import ConfigurationError
from activities.model.types import clipped
from worker.config.document import Document, Place, scalar
from worker.observability.redaction import redacted

_GENERIC = re.compile(r"MAPEK__[A-Z0-9]+(?:_[A-Z0-9]+)*(?:__[A-Z0-9]+(?:_[A-Z0-9]+)*)+")

TEXTS: Mapping[str, Place] = {
    "CHARTER_API_URL": ("execute", "charter_url"),
    "CHARTER_URL": ("execute", "charter_url"),
    "PROMETHEUS_URL": ("monitor", "prometheus_url"),
    "ALERTMANAGER_URL": ("alertmanager", "url"),
    "ORCHESTRATOR_MODE": ("orchestrator", "mode"),
    "TEMPORAL_DEPLOYMENT_NAME": ("temporal", "deployment_name"),
    "TEMPORAL_WORKER_BUILD_ID": ("temporal", "build_id"),
}
"""Variables whose text is the value. Where two name one key, the later one here wins."""

OTHERS: Mapping[str, str] = {
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

SECRETS: Mapping[Place, tuple[str, str]] = {
    ("execute", "charter_api_key"): ("CHARTER_API_KEY", "CHARTER_API_KEY or execute.charter_api_key_file"),
    ("knowledge", "postgres_url"): ("MAPEK_POSTGRES_URL", "MAPEK_POSTGRES_URL"),
}
"""Keys that a file may not hold: the variable that sets each, and what to use instead."""

_STACK: Mapping[str, Place] = {
    "prometheus": ("monitor", "prometheus_url"),
    "alertmanager": ("alertmanager", "url"),
    "charter": ("execute", "charter_url"),
    "webhook_token_file": ("api", "webhook_token_file"),
}
_STACK_TEMPORAL = {"address": "address", "namespace": "namespace", "ui": "ui_url"}
_UNHEEDED = {
    "MAPE_K_THRESHOLD": "each analyzer has its own: set analyze.algorithms",
    "WEBHOOK_PORT": "alerts come in on the service's own port: set api.port",
}


def apply_environment(document: Document, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Put what the environment sets into the document and return notes on variables that change nothing here.

    Beside the original's variables, `MAPEK__SECTION__KEY` sets any key, `MAPEK__LOOPS` excepted; an empty variable
    counts as unset. Secrets are left where they are.
    """
    for name, place in TEXTS.items():
        _put(document, place, environ.get(name, ""), name)
    profile = temporal_profile(environ)
    _put(document, ("temporal", "address"), profile.get("target_host"), "TEMPORAL_ADDRESS or profile")
    _put(document, ("temporal", "namespace"), profile.get("namespace"), "TEMPORAL_NAMESPACE or profile")
    level = environ.get("LOG_LEVEL", "").upper()
    _put(document, ("logging", "level"), level, "LOG_LEVEL")
    _put(document, ("orchestrator", "log_level"), level, "LOG_LEVEL")
    _put(document, ("orchestrator", "loop_interval"), scalar(environ.get("MAPE_K_INTERVAL", "")), "MAPE_K_INTERVAL")
    notes = [f"environment {name}: changes nothing here; {why}" for name, why in _UNHEEDED.items() if environ.get(name)]
    notes += _auto_approve(document, environ.get("MAPE_K_AUTO_APPROVE", ""))
    for name in sorted(environ):
        if name.startswith("MAPEK__") and environ[name]:
            _generic(document, name, environ[name])
    return tuple(notes)


def temporal_profile(environ: Mapping[str, str]) -> ClientConnectConfig:
    """Return what `TEMPORAL_*` says, from the profile file too if `TEMPORAL_PROFILE` or `TEMPORAL_CONFIG_FILE` is set.

    A profile nobody named is not read: its credentials would be sent to whatever address the configuration gives.

    Raises:
        ConfigurationError: the profile or a certificate cannot be read.
    """
    named = environ.get("TEMPORAL_PROFILE") or environ.get("TEMPORAL_CONFIG_FILE")
    try:
        return ClientConfig.load_client_connect_config(disable_file=not named, override_env_vars=dict(environ))
    except Exception as error:  # the SDK's error class is private
        raise ConfigurationError(f"environment TEMPORAL_*: {clipped(redacted(str(error)))}") from None


def apply_flags(document: Document, flags: Mapping[Place, str | None]) -> None:
    """Put the command line's addresses on top; None leaves a key alone."""
    for place, value in flags.items():
        if value is not None:
            document.put(place, value, "command line")


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
    if document.get(("execute", "charter_url")) in (None, stack.get("charter")):
        _below(document, ("execute", "charter_api_key_file"), stack.get("charter_token_file"), origin)
    for key, place in _STACK.items():
        _below(document, place, stack.get(key), origin)
    temporal = stack.get("temporal")
    for key, name in _STACK_TEMPORAL.items():
        _below(document, ("temporal", name), temporal.get(key) if isinstance(temporal, dict) else None, origin)


def _below(document: Document, place: Place, value: Any, origin: str) -> None:
    section = document.data.get(str(place[0]))
    if value is not None and document.get(place) is None and (section is None or isinstance(section, dict)):
        document.put(place, value, origin)


def _put(document: Document, place: Place, value: Any, name: str) -> None:
    if value not in ("", None):
        document.put(place, value, f"environment {name}")


def _auto_approve(document: Document, value: str) -> list[str]:
    """`false` asks a person for everything; `true` is never taken as leave to do what needs approval here."""
    if not value:
        return []
    if value.lower() in ("false", "0", "no"):
        document.put(("plan", "approval", "from_risk"), "low", "environment MAPE_K_AUTO_APPROVE")
        return []
    return ["environment MAPE_K_AUTO_APPROVE: changes nothing here; set plan.approval.from_risk"]


def _generic(document: Document, name: str, value: str) -> None:
    place = tuple(part.lower() for part in name.removeprefix("MAPEK__").split("__"))
    if not _GENERIC.fullmatch(name) or place[0] == "loops":
        document.problems.append(f"environment {name}: not of the form MAPEK__SECTION__KEY; loops are set in the file")
        return
    document.put(place, value if place in SECRETS else scalar(value), f"environment {name}")

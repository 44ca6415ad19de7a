"""Log lines a machine can join: each with the loop, cycle, plan and run it belongs to, none with a credential."""

import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from typing import Any

from temporalio import activity, workflow

from activities.model.errors import ConfigurationError
from activities.sanitize import sanitize_terminal
from worker.config.load import Config
from worker.observability.redaction import redact

OWN_LOGGERS = ("mapek", "activities", "workflows", "worker", "temporalio.activity", "temporalio.workflow")
"""Loggers of this project; the last two are what activities and workflows log through."""

NOISY_LOGGERS = ("httpx", "httpcore", "asyncio", "uvicorn", "uvicorn.access", "alembic", "sqlalchemy")
"""Loggers that speak below WARNING of every request, with its URL."""

_LOOP_PATTERN = re.compile(r"mapek-(?:cycle|loop|upkeep):([a-z0-9][a-z0-9._-]*?)(?:-\d{4}-\d\d-\d\dT[0-9:]+Z|:.*)?")
_CONTEXT_FIELDS = ("loop", "cycle", "plan", "workflow", "run", "activity", "attempt")


def configure_logging(config: Config) -> None:
    """Send all logging to standard error, and to `logging.file` if it is set and not switched off.

    May be called again: the handlers of the call before are closed.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    settings = config.logging
    formatter = JsonFormatter() if settings.format == "json" else TextFormatter()
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if settings.file is not None and config.orchestrator.enable_logging:
        handlers.append(_build_file_handler(config))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)
    _set_levels(config)
    # The SDK would repeat in each message what already stands in the fields.
    activity.logger.activity_info_on_message = False
    workflow.logger.workflow_info_on_message = False


def log_context(record: logging.LogRecord) -> dict[str, Any]:
    """Return what the record belongs to: loop, cycle, plan, workflow, run, activity and attempt, as far as known.

    What the caller gave with `extra=` goes before what Temporal's loggers add.
    """
    found = _temporal_fields(
        getattr(record, "temporal_workflow", None) or getattr(record, "temporal_activity", None) or {}
    )
    given = {name: getattr(record, name) for name in _CONTEXT_FIELDS if getattr(record, name, None) not in (None, "")}
    return {name: value for name, value in {**found, **given}.items() if value not in (None, "")}


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line: time (ISO 8601, UTC), level, logger, message, what it belongs to, and a traceback if any."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
            **{name: redact(str(value)) if name != "attempt" else value for name, value in log_context(record).items()},
        }
        if record.exc_info:
            line["traceback"] = redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=True)


class TextFormatter(logging.Formatter):
    """One line for people; a traceback follows indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return `time level logger: message [loop=... cycle=...]`."""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        fields = " ".join(f"{name}={value}" for name, value in log_context(record).items())
        text = f"{at}Z {record.levelname:<8} {record.name}: {record.getMessage()}" + (f" [{fields}]" if fields else "")
        lines = [sanitize_terminal(text)]
        if record.exc_info:
            lines += ["    " + sanitize_terminal(line) for line in self.formatException(record.exc_info).splitlines()]
        return redact("\n".join(lines))


class _PrivateFileHandler(RotatingFileHandler):
    """A log tells much about a system: only its owner reads it."""

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return TextIOWrapper(os.fdopen(descriptor, self.mode + "b"), encoding=self.encoding, errors=self.errors)


def _build_file_handler(config: Config) -> logging.Handler:
    settings = config.logging
    path = settings.file
    assert path is not None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _PrivateFileHandler(
            path, maxBytes=settings.max_bytes, backupCount=settings.backup_count, encoding="utf-8"
        )
    except OSError as error:
        raise ConfigurationError(f"logging.file {path}: cannot be written: {error.strerror}; choose another") from None


def _set_levels(config: Config) -> None:
    verbose = config.staging.verbose_logging
    everything = "DEBUG" if verbose else config.logging.level
    own = "DEBUG" if verbose else config.orchestrator.log_level or everything
    logging.getLogger().setLevel(everything)
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(own)
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[everything]))


def _temporal_fields(extra: Mapping[str, Any]) -> dict[str, Any]:
    workflow_id = str(extra.get("workflow_id", ""))
    loop = _LOOP_PATTERN.fullmatch(workflow_id)
    return {
        "loop": loop[1] if loop else "",
        "cycle": workflow_id if workflow_id.startswith("mapek-cycle:") else "",
        "workflow": workflow_id,
        "run": extra.get("run_id") or extra.get("workflow_run_id"),
        "activity": extra.get("activity_type"),
        "attempt": extra.get("attempt"),
    }

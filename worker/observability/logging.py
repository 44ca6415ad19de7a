"""Log lines with the ids of loop, plan, workflow, run and activity, and without credentials."""

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
from activities.model.identifiers import NAME_PATTERN
from activities.sanitize import sanitize_terminal
from worker.config.load import Config
from worker.observability.redaction import redact

OWN_LOGGERS = ("mapek", "activities", "workflows", "worker", "temporalio.activity", "temporalio.workflow")
"""Loggers of this project; activities and workflows use the last two."""

NOISY_LOGGERS = ("httpx", "httpcore", "asyncio", "uvicorn", "uvicorn.access", "alembic", "sqlalchemy")
"""Loggers that log every request with its URL below WARNING."""

_LOOP_PATTERN = re.compile(
    rf"mapek-(?:cycle|loop|upkeep):({NAME_PATTERN.pattern}?)(?:-\d{{4}}-\d\d-\d\dT[0-9:]+Z|:.*)?"
)
"""The id of a workflow of a loop; a scheduled one ends with its time, a requested one with its key."""
_CONTEXT_FIELDS = ("loop", "plan_id", "workflow_id", "run_id", "activity_type", "attempt")


def configure_logging(config: Config) -> None:
    """Log to standard error, and to `logging.file` if it is set and `orchestrator.enable_logging` is true.

    May be called again; the handlers of the previous call are closed.

    Raises:
        ConfigurationError: the file is not writable.
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
    # The fields carry this information already.
    activity.logger.activity_info_on_message = False
    workflow.logger.workflow_info_on_message = False


def log_context(record: logging.LogRecord) -> dict[str, Any]:
    """Return the known ids of a record: loop, plan, workflow, run, activity type and attempt.

    Values given with `extra=` take precedence over those of Temporal's loggers.
    """
    derived = _temporal_fields(
        getattr(record, "temporal_workflow", None) or getattr(record, "temporal_activity", None) or {}
    )
    given = {name: getattr(record, name) for name in _CONTEXT_FIELDS if getattr(record, name, None) not in (None, "")}
    return {name: value for name, value in {**derived, **given}.items() if value not in (None, "")}


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line: time (RFC 3339, UTC), level, logger, message, the ids, and the exception if there is one."""
        line: dict[str, Any] = {
            "time": _format_time(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
            **{name: redact(str(value)) if name != "attempt" else value for name, value in log_context(record).items()},
        }
        if record.exc_info:
            line["exception"] = redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=True)


class TextFormatter(logging.Formatter):
    """One readable line; a traceback follows, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return `time level logger: message [loop=... workflow_id=...]`."""
        fields = " ".join(f"{name}={value}" for name, value in log_context(record).items())
        text = f"{_format_time(record.created)} {record.levelname:<8} {record.name}: {record.getMessage()}"
        text += f" [{fields}]" if fields else ""
        lines = [sanitize_terminal(text)]
        if record.exc_info:
            lines += ["    " + sanitize_terminal(line) for line in self.formatException(record.exc_info).splitlines()]
        return redact("\n".join(lines))


def _format_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _PrivateFileHandler(RotatingFileHandler):
    """Creates the log file readable for its owner only, because a log reveals much about a system."""

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
        raise ConfigurationError(
            f"logging.file {path} is not writable ({error.strerror}); choose another file"
        ) from None


def _set_levels(config: Config) -> None:
    verbose = config.staging.verbose_logging
    root_level = "DEBUG" if verbose else config.logging.level
    own_level = "DEBUG" if verbose else config.orchestrator.log_level or root_level
    logging.getLogger().setLevel(root_level)
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(own_level)
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[root_level]))


def _temporal_fields(extra: Mapping[str, Any]) -> dict[str, Any]:
    workflow_id = str(extra.get("workflow_id", ""))
    loop = _LOOP_PATTERN.fullmatch(workflow_id)
    return {
        "loop": loop[1] if loop else "",
        "workflow_id": workflow_id,
        "run_id": extra.get("run_id") or extra.get("workflow_run_id"),
        "activity_type": extra.get("activity_type"),
        "attempt": extra.get("attempt"),
    }

"""Log lines: with the ids they belong to, without credentials, on one line."""

import json
import logging
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from activities.model.errors import ConfigurationError
from worker.config.load import Config
from worker.config.schema import LoggingSettings, OrchestratorSettings, StagingSettings
from worker.observability.logging import NOISY_LOGGERS, JsonFormatter, TextFormatter, configure_logging, log_context


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        if handler not in before:
            root.removeHandler(handler)
            handler.close()
    root.handlers[:] = before
    root.setLevel(level)


def make_record(message: str = "hello", **extra: Any) -> logging.LogRecord:
    record = logging.LogRecord("mapek.test", logging.INFO, __file__, 1, message, (), None)
    vars(record).update(extra)
    return record


@pytest.mark.parametrize(
    ("workflow_id", "loop"),
    [
        ("mapek-cycle:charter-2026-01-31T12:00:30Z", "charter"),
        ("mapek-cycle:my-loop.2:manual-abc", "my-loop.2"),
        ("mapek-loop:charter", "charter"),
        ("mapek-upkeep:charter-2026-01-31T12:00:30Z", "charter"),
        ("mapek-fix:charter:committee", None),
        ("something else", None),
    ],
)
def test_the_loop_is_read_from_the_workflow_id(workflow_id: str, loop: str | None) -> None:
    """The loop comes from the workflow's id, run and attempt from the SDK's fields."""
    context = log_context(make_record(temporal_workflow={"workflow_id": workflow_id, "run_id": "r", "attempt": 1}))
    assert (context.get("loop"), context["run_id"], context["attempt"]) == (loop, "r", 1)
    assert context["workflow_id"] == workflow_id


def test_fields_of_activities_and_callers() -> None:
    """An activity's record names its type; fields of the caller take precedence over derived ones."""
    temporal = {"workflow_id": "mapek-fix:c:k", "workflow_run_id": "r", "activity_type": "apply", "attempt": 2}
    context = log_context(make_record(temporal_activity=temporal, loop="other", plan_id="abc"))
    assert context == {
        "loop": "other",
        "plan_id": "abc",
        "workflow_id": "mapek-fix:c:k",
        "run_id": "r",
        "activity_type": "apply",
        "attempt": 2,
    }


def test_json_lines_hold_no_credential() -> None:
    """Message, fields and exception are redacted, one JSON object per line; the time is RFC 3339 in UTC."""
    record = make_record("Bearer geheim-4711 \n next", plan_id="token=geheim-4711")
    try:
        raise ValueError("password=geheim-4711")
    except ValueError:
        record.exc_info = sys.exc_info()
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert "geheim" not in line
    entry = json.loads(line)
    assert entry["level"] == "INFO"
    assert "ValueError" in entry["exception"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["time"])


def test_text_lines_cannot_be_forged() -> None:
    """A line feed or an escape sequence in a message starts no line and moves no cursor."""
    line = TextFormatter().format(make_record("a\n2026 INFO forged \x1b[2J Bearer geheim-4711", loop="charter"))
    assert "\n" not in line
    assert "\x1b" not in line
    assert "geheim" not in line
    assert line.endswith("[loop=charter]")


def make_config(tmp_path: Path, **logging_settings: Any) -> Config:
    return Config(logging=LoggingSettings(file=tmp_path / "logs" / "mapek.log", **logging_settings))


def test_the_log_file_rotates_and_is_private(tmp_path: Path) -> None:
    """The file rotates at max_bytes, backup_count files are kept, only the owner can read them."""
    configure_logging(make_config(tmp_path, max_bytes=400, backup_count=2, format="text"))
    for number in range(30):
        logging.getLogger("mapek.test").info("line %d", number)
    files = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert files == ["mapek.log", "mapek.log.1", "mapek.log.2"]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "logs").iterdir()}
    assert modes == {0o600}


def test_without_the_log_file_standard_error_remains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With enable_logging false no file is written; standard error gets the line, standard output nothing."""
    configure_logging(
        make_config(tmp_path).model_copy(update={"orchestrator": OrchestratorSettings(enable_logging=False)})
    )
    logging.getLogger("mapek.test").info("still here")
    captured = capsys.readouterr()
    assert "still here" in captured.err
    assert captured.out == ""
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    ("settings", "own", "foreign"),
    [
        ({}, "INFO", "INFO"),
        ({"logging": LoggingSettings(level="ERROR")}, "ERROR", "ERROR"),
        ({"orchestrator": OrchestratorSettings(log_level="DEBUG")}, "DEBUG", "INFO"),
        ({"staging": StagingSettings(verbose_logging=True)}, "DEBUG", "DEBUG"),
    ],
)
def test_levels_of_own_and_foreign_loggers(settings: dict[str, Any], own: str, foreign: str) -> None:
    """The project's loggers and all others have separate levels; verbose_logging sets both."""
    configure_logging(Config(**settings))
    assert logging.getLogger("mapek.x").getEffectiveLevel() == logging.getLevelName(own)
    assert logging.getLogger("foreign").getEffectiveLevel() == logging.getLevelName(foreign)
    assert all(logging.getLogger(name).getEffectiveLevel() >= logging.WARNING for name in NOISY_LOGGERS)


def test_a_log_file_that_is_not_writable_is_a_configuration_error(tmp_path: Path) -> None:
    """The message names the key and the path."""
    (tmp_path / "logs").write_text("in the way", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"logging\.file .*mapek\.log is not writable"):
        configure_logging(make_config(tmp_path))

"""A recording of monitoring data: `recording.json` and `samples.csv.gz`, read as a stream.

Its labels (`faults.json`) are for scoring and are never read here.
"""

import csv
import gzip
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError, field_validator

from activities.model.errors import ConfigurationError
from activities.model.invalid_value import describe_first_error

COLUMNS = ["timestamp", "component", "metric", "value"]
HEADER_FILE, SAMPLES_FILE = "recording.json", "samples.csv.gz"


class MetricHeader(BaseModel):
    """One metric of a recording: its unit, its kind (latency, availability, …) and the side of a breach."""

    model_config = ConfigDict(frozen=True)

    unit: str = ""
    kind: str = ""
    bad: Literal["high", "low", "both"] = "high"


class RecordingHeader(BaseModel):
    """The content of `recording.json`. Times are UTC; `topology` has (caller, callee).

    Samples up to and including `train_end` are history for forecasts to learn from.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    step_seconds: PositiveFloat
    start: datetime
    end: datetime
    metrics: dict[str, MetricHeader] = Field(default_factory=dict)
    topology: tuple[tuple[str, str], ...] = ()
    train_end: datetime | None = None

    @field_validator("start", "end", "train_end")
    @classmethod
    def _assume_utc(cls, time: datetime | None) -> datetime | None:
        return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time


class RecordedSample(NamedTuple):
    """One sample of an instant."""

    component: str
    metric: str
    value: float


class RecordedInstant(NamedTuple):
    """All samples of one time, unix seconds."""

    at: float
    samples: tuple[RecordedSample, ...]


class Recording:
    """One recording. After reading, `notes` lists what was unusable."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.header = _load_header(folder / HEADER_FILE)
        self.notes: list[str] = []

    def instants(self) -> Iterator[RecordedInstant]:
        """Yield the samples by time, oldest first, with one instant in memory.

        Samples out of order are dropped and counted; a truncated file ends early. Both add a note.

        Raises:
            ConfigurationError: the samples are missing or malformed.
        """
        latest, late_count = float("-inf"), 0
        for at, group in groupby(self._iter_samples(), key=lambda pair: pair[0]):
            rows = tuple(row for _, row in group)
            if at < latest:
                late_count += len(rows)
                continue
            latest = at
            yield RecordedInstant(at, rows)
        if late_count:
            self.notes.append(f"dropped {late_count} samples that were out of order")

    @property
    def duration_seconds(self) -> float:
        """Seconds from start to end."""
        return (self.header.end - self.header.start).total_seconds()

    @property
    def start_seconds(self) -> float:
        """The start, unix seconds."""
        return self.header.start.timestamp()

    def _iter_samples(self) -> Iterator[tuple[float, RecordedSample]]:
        path, number = self.folder / SAMPLES_FILE, 1
        try:
            with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
                lines = csv.reader(file)
                if next(lines, None) != COLUMNS:
                    raise ConfigurationError(f"{path}: line 1 must be {','.join(COLUMNS)}")
                for number, line in enumerate(lines, start=2):
                    yield _parse_line(line, path, number)
        except FileNotFoundError:
            raise ConfigurationError(f"{path} is missing") from None
        except (EOFError, OSError, zlib.error, UnicodeDecodeError, csv.Error) as error:
            self.notes.append(f"{path.name} is truncated after line {number}: {error}")


def find_recordings(folder: Path) -> tuple[Path, ...]:
    """Return the folder if it is a recording, else its sub-folders that are recordings, sorted.

    Raises:
        ConfigurationError: there is no recording.
    """
    if (folder / HEADER_FILE).is_file():
        return (folder,)
    recordings = tuple(sorted(path.parent for path in folder.glob(f"*/{HEADER_FILE}"))) if folder.is_dir() else ()
    if not recordings:
        raise ConfigurationError(f"{folder}: no {HEADER_FILE} here or in a direct sub-folder")
    return recordings


def _parse_line(line: list[str], path: Path, line_number: int) -> tuple[float, RecordedSample]:
    try:
        at, component, metric, value = line
        return float(at), RecordedSample(component, metric, float(value) if value else float("nan"))
    except ValueError:
        raise ConfigurationError(f"{path}: line {line_number}: must be {','.join(COLUMNS)}") from None


def _load_header(path: Path) -> RecordingHeader:
    try:
        return RecordingHeader.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {describe_first_error(error)}") from None

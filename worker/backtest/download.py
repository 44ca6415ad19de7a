"""Record a live Prometheus, window by window.

Each window is written before the next is queried, and only one is in memory. An interrupted download continues after
the last written window if it is started again with the same queries.
"""

import csv
import gzip
import hashlib
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from itertools import chain
from math import ceil
from pathlib import Path

from activities.model.errors import ConfigurationError
from activities.model.rule import MetricRule
from activities.model.timeseries import SampleSeries
from activities.model.violation import BreachSide
from activities.monitor.queries import component_of, values_queries
from activities.monitor.rules import build_rules
from activities.settings import LoopSettings
from worker.backtest.recording import COLUMNS, HEADER_FILE, SAMPLES_FILE

WINDOW_INSTANTS = 40
"""Instants of one query: as many as in a cycle, so that a download works wherever a cycle works."""
RECORDING_SOURCE = "prometheus"
_SIDE_NAMES = {BreachSide.ABOVE: "high", BreachSide.BELOW: "low", BreachSide.EITHER: "both"}

QueryRange = Callable[[str, float, float, float], Awaitable[tuple[SampleSeries, ...]]]
"""(query, first, last, step) to series: `query_range` of the client."""


@dataclass(frozen=True)
class RecordingRequest:
    """The metrics of a loop's rules from `start` to `end` (unix seconds, `end` excluded)."""

    settings: LoopSettings
    start: float
    end: float

    @property
    def step(self) -> float:
        """Seconds between samples, as in the loop's own analysis."""
        return max(self.settings.analyze.analysis_step, self.settings.monitor.scrape_interval)

    @property
    def rules(self) -> tuple[MetricRule, ...]:
        """The loop's rules."""
        return build_rules(self.settings.monitor)

    @property
    def queries(self) -> tuple[str, ...]:
        """The queries for the values of all rules."""
        return values_queries(self.rules, self.settings.monitor.rate_window, self.settings.max_components)

    def windows(self) -> Iterator[tuple[float, float]]:
        """Yield first and last instant of each window. The bounds of whole windows do not depend on the span."""
        length = WINDOW_INSTANTS * self.step
        window = self.start // length * length
        while window < self.end:
            first = ceil(max(window, self.start) / self.step) * self.step
            last = (ceil(min(window + length, self.end) / self.step) - 1) * self.step
            if first <= last:
                yield first, last
            window += length

    def build_header(self) -> dict[str, object]:
        """Return the content of `recording.json`."""
        return {
            "name": f"{self.settings.name} {_format_utc(self.start)}",
            "source": RECORDING_SOURCE,
            "step_seconds": self.step,
            "start": _format_utc(self.start),
            "end": _format_utc(self.end),
            "symptom": None,
            "metrics": {
                rule.metric: {"unit": rule.unit, "kind": rule.kind, "bad": _SIDE_NAMES[rule.breach]}
                for rule in self.rules
            },
            "topology": [list(edge) for edge in self.settings.topology.edges],
        }


async def download(request: RecordingRequest, query_range: QueryRange, folder: Path) -> AsyncIterator[float]:
    """Write the recording into `folder`; after each window yield the time (unix seconds) up to which it is complete.

    Raises:
        ConfigurationError: the folder has a recording of another source, or the span is empty.
        MapekError: Prometheus did not answer. The written windows stay, and the next call continues after them.
    """
    _validate_request(request, folder)
    parts = folder / f".parts-{hashlib.sha256(f'{request.step}{request.queries}'.encode()).hexdigest()[:12]}"
    parts.mkdir(parents=True, exist_ok=True)
    windows = []
    for first, last in request.windows():
        part = parts / f"{first:.3f}-{last:.3f}.csv.gz"
        if not part.is_file():
            responses = [await query_range(query, first, last, request.step) for query in request.queries]
            _write_part(part, _format_rows(chain.from_iterable(responses), first, request.step))
        windows.append(part)
        yield last
    _join_parts(windows, folder / SAMPLES_FILE)
    (folder / HEADER_FILE).write_text(json.dumps(request.build_header(), indent=1), encoding="utf-8")
    shutil.rmtree(parts)


def _validate_request(request: RecordingRequest, folder: Path) -> None:
    if request.end <= request.start:
        raise ConfigurationError(f"--from {_format_utc(request.start)} is not before --to {_format_utc(request.end)}")
    header = folder / HEADER_FILE
    if header.is_file() and f'"source": "{RECORDING_SOURCE}"' not in header.read_text(
        encoding="utf-8", errors="replace"
    ):
        raise ConfigurationError(f"{folder} has a recording of another source than Prometheus; choose another folder")


def _format_rows(all_series: Iterable[SampleSeries], first: float, step: float) -> list[tuple[str, ...]]:
    """Return the samples as rows in the order of a recording. Instants without a sample have no row."""
    lines = [
        (round((at - first) / step), component_of(series.labels), series.labels.get("rule", ""), repr(value))
        for series in all_series
        for at, value in series.points
    ]
    return [(f"{first + index * step:.3f}", *columns) for index, *columns in sorted(lines)]


def _write_part(part: Path, rows: Sequence[tuple[str, ...]]) -> None:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    unfinished = part.with_suffix(".half")
    unfinished.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
    unfinished.replace(part)


def _join_parts(parts: Sequence[Path], target: Path) -> None:
    """Concatenate the parts; several gzip members are one valid gzip file."""
    unfinished = target.with_name(f"{target.name}.half")
    with unfinished.open("wb") as file:
        file.write(gzip.compress((",".join(COLUMNS) + "\n").encode(), mtime=0))
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, file)
    unfinished.replace(target)


def _format_utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

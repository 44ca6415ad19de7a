"""Make a recording from a live Prometheus: in windows, each written before the next is asked for.

What was written is not asked for again: a download that broke off goes on where it was when it is started again with
the same question. One window is in memory at a time.
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
"""Instants asked for at once: as many as a cycle asks for, so that what a cycle can read a download can."""
RECORDING_SOURCE = "prometheus"
_SIDE_NAMES = {BreachSide.ABOVE: "high", BreachSide.BELOW: "low", BreachSide.EITHER: "both"}

QueryRange = Callable[[str, float, float, float], Awaitable[tuple[SampleSeries, ...]]]
"""(query, first, last, step) → answer: `query_range` of the client."""


@dataclass(frozen=True)
class RecordingRequest:
    """What is to be recorded: a loop's rules, from `start` to `end` (unix seconds, `end` not included)."""

    settings: LoopSettings
    start: float
    end: float

    @property
    def step(self) -> float:
        """Seconds between samples: those the loop would have analysed."""
        return max(self.settings.analyze.analysis_step, self.settings.monitor.scrape_interval)

    @property
    def rules(self) -> tuple[MetricRule, ...]:
        """The rules in force."""
        return build_rules(self.settings.monitor)

    @property
    def queries(self) -> tuple[str, ...]:
        """What to ask for all values."""
        return values_queries(self.rules, self.settings.monitor.rate_window, self.settings.max_components)

    def windows(self) -> Iterator[tuple[float, float]]:
        """Yield first and last instant of each window; whole windows are the same ones whatever the span."""
        length = WINDOW_INSTANTS * self.step
        at = self.start // length * length
        while at < self.end:
            first = ceil(max(at, self.start) / self.step) * self.step
            last = (ceil(min(at + length, self.end) / self.step) - 1) * self.step
            if first <= last:
                yield first, last
            at += length

    def build_header(self) -> dict[str, object]:
        """Return `recording.json`."""
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
    """Make the recording in `folder`; yield the time (unix seconds) up to which it is complete, after each window.

    Raises:
        ConfigurationError: the folder holds a recording that was not made here, or the span is empty.
        MapekError: Prometheus did not answer; what was written stays, and the next call goes on from there.
    """
    _validate_request(request, folder)
    parts = folder / f".parts-{hashlib.sha256(f'{request.step}{request.queries}'.encode()).hexdigest()[:12]}"
    parts.mkdir(parents=True, exist_ok=True)
    made = []
    for first, last in request.windows():
        part = parts / f"{first:.3f}-{last:.3f}.csv.gz"
        if not part.is_file():
            answers = [await query_range(query, first, last, request.step) for query in request.queries]
            _write_part(part, _format_rows(chain.from_iterable(answers), first, request.step))
        made.append(part)
        yield last
    _join_parts(made, folder / SAMPLES_FILE)
    (folder / HEADER_FILE).write_text(json.dumps(request.build_header(), indent=1), encoding="utf-8")
    shutil.rmtree(parts)


def _validate_request(request: RecordingRequest, folder: Path) -> None:
    if request.end <= request.start:
        raise ConfigurationError(f"--from {_format_utc(request.start)} is not before --to {_format_utc(request.end)}")
    head = folder / HEADER_FILE
    if head.is_file() and f'"source": "{RECORDING_SOURCE}"' not in head.read_text(encoding="utf-8", errors="replace"):
        raise ConfigurationError(f"{folder} holds a recording that was not made from Prometheus; choose another folder")


def _format_rows(answer: Iterable[SampleSeries], first: float, step: float) -> list[tuple[str, ...]]:
    """Return the samples as lines, in the order of a recording; instants without a sample have no line."""
    lines = [
        (round((at - first) / step), component_of(series.labels), series.labels.get("rule", ""), repr(value))
        for series in answer
        for at, value in series.points
    ]
    return [(f"{first + place * step:.3f}", *rest) for place, *rest in sorted(lines)]


def _write_part(part: Path, rows: Sequence[tuple[str, ...]]) -> None:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    half = part.with_suffix(".half")
    half.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
    half.replace(part)


def _join_parts(parts: Sequence[Path], target: Path) -> None:
    """Put the parts one after the other: several gzip members are one gzip file."""
    half = target.with_name(f"{target.name}.half")
    with half.open("wb") as file:
        file.write(gzip.compress((",".join(COLUMNS) + "\n").encode(), mtime=0))
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, file)
    half.replace(target)


def _format_utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

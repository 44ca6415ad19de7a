"""Recordings written by tests."""

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

SeriesValues = Mapping[tuple[str, str], Sequence[float | str | None]]
"""(component, metric) to values, None where there is no sample."""


def write_recording(
    folder: Path,
    lines: SeriesValues,
    *,
    step: int = 60,
    metrics: Mapping[str, Mapping[str, str]] | None = None,
    topology: Sequence[tuple[str, str]] = (),
    name: str = "made",
) -> Path:
    """Write a recording and return its folder."""
    start = 1_700_000_040
    count = max((len(values) for values in lines.values()), default=0)
    folder.mkdir(parents=True, exist_ok=True)
    default_metrics = {metric: {"unit": "seconds", "kind": "latency", "bad": "high"} for _, metric in lines}
    header = {
        "name": name,
        "step_seconds": step,
        "start": "2023-11-14T22:14:00Z",
        "end": "2023-11-15T22:14:00Z",
        "metrics": metrics or default_metrics,
        "topology": topology,
    }
    (folder / "recording.json").write_text(json.dumps(header))
    rows = [
        f"{start + step * i},{component},{metric},{values[i]}"
        for i in range(count)
        for (component, metric), values in sorted(lines.items())
        if i < len(values) and values[i] is not None
    ]
    write_samples(folder, rows)
    return folder


def write_samples(folder: Path, rows: Sequence[str]) -> None:
    """Write these rows as the samples of a recording."""
    with gzip.open(folder / "samples.csv.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(["timestamp,component,metric,value", *rows]) + "\n")


def make_steady_values(count: int, level: float = 1.0) -> list[float]:
    """Return values that vary a little around a level."""
    return [level + 0.01 * (i % 5) for i in range(count)]

"""Recordings made for a test."""

import gzip
import json


def write_recording(folder, lines, *, step=60, metrics=None, topology=(), name="made"):
    """Write a recording: `lines` maps (component, metric) to values, None where there is no sample."""
    start = 1_700_000_040
    count = max((len(values) for values in lines.values()), default=0)
    folder.mkdir(parents=True, exist_ok=True)
    usual = {metric: {"unit": "seconds", "kind": "latency", "bad": "high"} for _, metric in lines}
    head = {
        "name": name,
        "step_seconds": step,
        "start": "2023-11-14T22:14:00Z",
        "end": "2023-11-15T22:14:00Z",
        "metrics": metrics or usual,
        "topology": topology,
    }
    (folder / "recording.json").write_text(json.dumps(head))
    rows = [
        f"{start + step * i},{component},{metric},{values[i]}"
        for i in range(count)
        for (component, metric), values in sorted(lines.items())
        if i < len(values) and values[i] is not None
    ]
    write_samples(folder, rows)
    return folder


def write_samples(folder, rows):
    """Write these rows as the samples."""
    with gzip.open(folder / "samples.csv.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(["timestamp,component,metric,value", *rows]) + "\n")


def make_steady_values(count, level=1.0):
    """Return values that swing a little around a level."""
    return [level + 0.01 * (i % 5) for i in range(count)]

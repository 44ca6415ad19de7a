"""What a verb prints: tables and colours on a terminal, plain lines elsewhere, JSON with `--json`.

Results go to standard output, everything else to standard error. Text passes `sanitize_terminal`, JSON passes
`escape_json_text`, so that text from outside cannot move the cursor or forge a line.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from activities.sanitize import escape_json_text, sanitize_terminal

_SECONDS_BY_SUFFIX = {"_seconds": 1.0, "_ms": 1e-3, "_ns": 1e-9}
_TIME_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_TIME_KEY_PATTERN = re.compile(r"at|since|until|start|end|onset|next|.+_(at|since|until)")
"""Names of fields that are unix seconds in models, and RFC 3339 in JSON."""


def print_json(value: Any) -> None:
    """Print a value, models included, as indented JSON. Characters that a terminal would execute are escaped."""
    print(escape_json_text(json.dumps(to_json(value), indent=2, ensure_ascii=False)))


def to_json(value: Any, key: str = "") -> Any:
    """Return a value as JSON knows it, with times as RFC 3339 in UTC; a time of 0 is null."""
    if isinstance(value, BaseModel):
        return to_json(value.model_dump(mode="json"))
    if isinstance(value, dict):
        return {name: to_json(item, str(name)) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, datetime):
        return format_time(value.timestamp())
    if isinstance(value, (int, float)) and not isinstance(value, bool) and _TIME_KEY_PATTERN.fullmatch(key):
        return format_time(value) if value else None
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


def print_line(text: str = "") -> None:
    """Print one line."""
    print(sanitize_terminal(text))


def print_heading(text: str) -> None:
    """Print the heading of a group of lines."""
    if sys.stdout.isatty():
        Console().print(Text(sanitize_terminal(text), style="bold"))
    else:
        print(sanitize_terminal(text))


def print_list(title: str, texts: Sequence[str]) -> None:
    """Print a heading with indented lines below it, or nothing without lines."""
    if texts:
        print_heading(title)
        for text in texts:
            print(f"  {sanitize_terminal(text)}")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their columns."""
    safe_rows = [[sanitize_terminal(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in safe_rows:
            table.add_row(*map(Text, row))
        Console().print(table)
        return
    widths = [max(map(len, cells)) for cells in zip(columns, *safe_rows, strict=True)]
    for row in (list(columns), *safe_rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_status(text: str) -> None:
    """Print something that is not the result to standard error."""
    print("\n".join(sanitize_terminal(line) for line in text.splitlines()), file=sys.stderr)


@contextmanager
def spinner(text: str) -> Iterator[None]:
    """Show progress: a spinner on a terminal, otherwise one line."""
    if sys.stderr.isatty():
        with Console(stderr=True).status(Text(sanitize_terminal(text))):
            yield
    else:
        print_status(text)
        yield


def format_time(seconds: float | None) -> str:
    """Return unix seconds as RFC 3339, `2026-01-31T12:00:30Z`, or "-" for none."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else "-"


def format_quantity(metric: str, value: float) -> str:
    """Return a metric's value to read: `10 ms` if the metric's name ends in a unit of time, else `0.31`."""
    factor = next((factor for suffix, factor in _SECONDS_BY_SUFFIX.items() if metric.endswith(suffix)), None)
    if factor is None or not value:
        return f"{value:.4g}"
    seconds = factor * value
    size, unit = next(((size, unit) for size, unit in _TIME_UNITS if abs(seconds) >= size), _TIME_UNITS[-1])
    return f"{seconds / size:.4g} {unit}"

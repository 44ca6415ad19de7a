"""What a person sees: tables and colours on a terminal, plain lines everywhere else, JSON when asked for.

Results go to standard output and everything said about them to standard error. Text that came from outside passes
`terminal` first, so that it cannot move a cursor or forge a line.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from activities.sanitize import sanitize_terminal


def print_json(value: Any) -> None:
    """Print a value, nouns included, as indented JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=_to_json_value))


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
    """Print a heading with its lines indented below, nothing if there are none."""
    if texts:
        print_heading(title)
        for text in texts:
            print(f"  {sanitize_terminal(text)}")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their columns; the last column takes what is left of the line."""
    safe = [[sanitize_terminal(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        drawn = Table(box=None, header_style="bold", pad_edge=False)
        for column in columns:
            drawn.add_column(column, overflow="fold")
        for row in safe:
            drawn.add_row(*map(Text, row))
        Console().print(drawn)
        return
    widths = [max(map(len, down)) for down in zip(columns, *safe, strict=True)]
    for cells in (list(columns), *safe):
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


def print_status(text: str) -> None:
    """Say something that is not the result, on standard error."""
    print("\n".join(sanitize_terminal(part) for part in text.splitlines()), file=sys.stderr)


@contextmanager
def spinner(text: str) -> Iterator[None]:
    """Show that something goes on: a spinner on a terminal, otherwise one line."""
    if sys.stderr.isatty():
        with Console(stderr=True).status(Text(sanitize_terminal(text))):
            yield
    else:
        print_status(text)
        yield


def format_time(seconds: float | None) -> str:
    """Return unix seconds as `2026-01-31 12:00:30Z`, "-" for none."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if seconds else "-"


def _to_json_value(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)

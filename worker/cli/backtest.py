"""The verb backtest: what would the loop have done?"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from activities.clients.http import Http
from activities.settings import LoopSettings
from worker.assemble import loop_parts
from worker.backtest.backtest import cycles
from worker.backtest.download import Wanted, download
from worker.backtest.html_report import page
from worker.backtest.recording import Recording, recordings_in
from worker.backtest.summary import Summary
from worker.cli import output
from worker.cli.session import AsJson, of
from worker.config.legacy import seconds

Since = Annotated[
    str, typer.Option("--from", metavar="TIME", help="Record from here first: UTC like 2026-01-31T12:00, or 7d ago.")
]
Until = Annotated[str, typer.Option("--to", metavar="TIME", help="… up to here. Default: now.")]


def backtest(  # noqa: PLR0913 - a command's options are its parameters
    ctx: typer.Context,
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="A recording, a folder of them, or where to record to.")
    ] = None,
    since: Since = "",
    until: Until = "",
    out: Annotated[
        Path | None, typer.Option(help="Write a JSON line for each cycle; for a folder of recordings, a folder.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page with a chart (HTML).")] = None,
    loop: Annotated[str, typer.Option(help="Decide by the settings of this loop. Default: the first one.")] = "",
    as_json: AsJson = False,
) -> None:
    """Play a recording through the loop's own decisions: how often would it have acted, on what and why?

    With --from a recording is made of the loop's Prometheus first (--prometheus URL for another one).
    """
    session = of(ctx)
    settings = session.loop(loop) if loop else session.config.loops[0]
    if since:
        folder = folder or session.config.state / "recordings" / settings.name
        report = report or folder / "report.html"
        asyncio.run(record(Wanted(settings, moment(since), moment(until or "0s")), folder))
    if folder is None or (until and not since):
        raise typer.BadParameter("name a folder with a recording, or a time to record from: --from 7d")
    folders = recordings_in(folder)
    summaries = [play(Recording(one), settings, _target(out, one, len(folders))) for one in folders]
    if report is not None:
        report.write_text(page(summaries), encoding="utf-8")
        output.note(f"report: {report}")
    if as_json:
        return output.as_json([summary.figures() for summary in summaries])
    for summary in summaries:
        output.lines(summary.head.name, summary.sentences())
    return None


def moment(text: str) -> float:
    """Return unix seconds of `2026-01-31`, `2026-01-31T12:00` (UTC), or of so long ago: `7d`, `36h`.

    Raises:
        BadParameter: it is neither.
    """
    ago = seconds(text)
    if ago is not None:
        return time.time() - ago
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time: write 2026-01-31T12:00 (UTC), or 7d for a week ago") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


async def record(wanted: Wanted, folder: Path) -> None:
    """Make a recording of the loop's Prometheus, with a progress bar."""
    http = Http()
    try:
        ask = loop_parts(wanted.settings, http).prometheus.query_range
        with _progress(f"record {wanted.settings.name}", wanted.end - wanted.start) as bar:
            async for at in download(wanted, ask, folder):
                bar.update(bar.task_ids[0], completed=at - wanted.start)
    finally:
        await http.close()


def play(recording: Recording, settings: LoopSettings, target: Path | None) -> Summary:
    """Return what was counted in a recording; each cycle goes to `target` as soon as it is decided."""
    summary = Summary(recording.head)
    with _writing(target) as file, _progress(recording.head.name, recording.seconds) as bar:
        for cycle in cycles(recording, settings):
            summary.add(cycle)
            if file is not None:
                file.write(json.dumps(cycle.line(), separators=(",", ":")) + "\n")
            bar.update(bar.task_ids[0], completed=cycle.at - recording.start)
    summary.notes = tuple(recording.notes)
    return summary


def _target(out: Path | None, folder: Path, count: int) -> Path | None:
    if out is None or count == 1:
        return out
    out.mkdir(parents=True, exist_ok=True)
    return out / f"{folder.name}.jsonl"


@contextmanager
def _writing(target: Path | None) -> Iterator[IO[str] | None]:
    """Give a file that takes its name only when it is complete: half a file would be scored as a whole one."""
    if target is None:
        yield None
        return
    part = target.with_name(f"{target.name}.part")
    with part.open("w", encoding="utf-8") as file:
        yield file
    part.replace(target)


@contextmanager
def _progress(name: str, total: float) -> Iterator[Progress]:
    console = Console(stderr=True)
    with Progress(console=console, disable=not sys.stderr.isatty(), transient=True) as progress:
        progress.add_task(name, total=total or None)
        yield progress

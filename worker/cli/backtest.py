"""The verb backtest: what would the loop have done?"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from activities.settings import LoopSettings
from worker.cli import show
from worker.cli.session import AsJson, of
from worker.offline.backtest import cycles
from worker.offline.page import page
from worker.offline.recording import Recording, recordings_in
from worker.offline.summary import Summary


def backtest(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A recording, or a folder of recordings.")],
    out: Annotated[
        Path | None, typer.Option(help="Write a JSON line for each cycle; for a folder of recordings, a folder.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page with a chart (HTML).")] = None,
    loop: Annotated[str, typer.Option(help="Decide by the settings of this loop. Default: the first one.")] = "",
    as_json: AsJson = False,
) -> None:
    """Play a recording through the loop's own decisions: how often would it have acted, on what and why?"""
    session = of(ctx)
    settings = session.loop(loop) if loop else session.config.loops[0]
    folders = recordings_in(folder)
    summaries = [play(Recording(one), settings, _target(out, one, len(folders))) for one in folders]
    if report is not None:
        report.write_text(page(summaries), encoding="utf-8")
    if as_json:
        return show.as_json([summary.figures() for summary in summaries])
    for summary in summaries:
        show.lines(summary.head.name, summary.sentences())
    return None


def play(recording: Recording, settings: LoopSettings, target: Path | None) -> Summary:
    """Return what was counted in a recording; each cycle goes to `target` as soon as it is decided."""
    summary = Summary(recording.head)
    with _writing(target) as file, _bar(recording) as bar:
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
def _bar(recording: Recording) -> Iterator[Progress]:
    console = Console(stderr=True)
    with Progress(console=console, disable=not sys.stderr.isatty(), transient=True) as progress:
        progress.add_task(recording.head.name, total=recording.seconds or None)
        yield progress

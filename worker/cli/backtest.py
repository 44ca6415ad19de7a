"""`mapek backtest`: replay a recording through the loop's decisions."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from activities.clients.http import HttpClient
from activities.model.errors import ConfigurationError
from activities.model.types import parse_duration
from activities.settings import LoopSettings
from worker.assemble import build_loop_dependencies
from worker.backtest.download import RecordingRequest, download
from worker.backtest.html_report import html_report
from worker.backtest.recording import HEADER_FILE, SAMPLES_FILE, Recording, find_recordings
from worker.backtest.replay import replay_cycles
from worker.backtest.summary import BacktestSummary
from worker.cli import output
from worker.cli.output_path import (
    DECISIONS,
    RECORDING_HEADER,
    RECORDING_SAMPLES,
    REPORT,
    OutputKind,
    replaced_output,
    require_output_path,
)
from worker.cli.session import JsonOption, current_session

SinceOption = Annotated[
    str,
    typer.Option(
        "--from", metavar="TIME", help="Start of a new recording: UTC like 2026-01-31T12:00, or an age like 7d."
    ),
]
UntilOption = Annotated[str, typer.Option("--to", metavar="TIME", help="End of the new recording. Default: now.")]


def backtest(  # noqa: PLR0913 - a command's options are its parameters
    ctx: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="A recording, a folder of recordings, or the folder for a new one."),
    ] = None,
    since: SinceOption = "",
    until: UntilOption = "",
    output_path: Annotated[
        Path | None,
        typer.Option("--output", help="Write a JSON line for each cycle; for a folder of recordings, a folder."),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report with a chart.")] = None,
    loop: Annotated[str, typer.Option(help="Use the settings of this loop. Default: the first one.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Replay a recording: how often would the loop have acted, on what and why?

    With --from it first records from the loop's Prometheus, or from --prometheus URL.
    """
    session = current_session(ctx)
    settings = session.loop(loop) if loop else session.config.loops[0]
    store = session.config.knowledge.sqlite_path
    if since:
        folder = folder or session.config.state / "recordings" / settings.name
        report = report or folder / "report.html"
        require_recording_folder(folder, report, output_path, store)
        asyncio.run(record_prometheus(RecordingRequest(settings, parse_time(since), parse_time(until or "0s")), folder))
    if folder is None or (until and not since):
        raise typer.BadParameter("name a folder with a recording, or set --from, such as --from 7d")
    folders = find_recordings(folder)
    output_paths = _list_output_paths(output_path, folders)
    _require_outputs(zip([*output_paths, report], [DECISIONS] * len(folders) + [REPORT], strict=True), store)
    summaries = [
        replay(Recording(path), settings, decisions, store)
        for path, decisions in zip(folders, output_paths, strict=True)
    ]
    if report is not None:
        with replaced_output(report, REPORT, store) as unfinished:
            unfinished.write_text(html_report(summaries), encoding="utf-8")
        output.print_status(f"report: {report}")
    if as_json:
        return output.print_json([summary.to_json_object() for summary in summaries])
    for summary in summaries:
        output.print_list(summary.header.name, summary.format_lines())
    return None


def parse_time(text: str) -> float:
    """Return unix seconds of `2026-01-31`, `2026-01-31T12:00` (UTC), or of an age like `7d` or `36h`.

    Raises:
        BadParameter: the text is neither.
    """
    age = parse_duration(text)
    if age is not None:
        return time.time() - age
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"invalid time {text!r}: use 2026-01-31T12:00 (UTC), or 7d for a week ago") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


async def record_prometheus(request: RecordingRequest, folder: Path) -> None:
    """Record the loop's Prometheus, with a progress bar."""
    http = HttpClient()
    try:
        query_range = build_loop_dependencies(request.settings, http).prometheus.query_range
        with _progress_bar(f"record {request.settings.name}", request.end - request.start) as bar:
            async for at in download(request, query_range, folder):
                bar.update(bar.task_ids[0], completed=at - request.start)
    finally:
        await http.close()


def require_recording_folder(folder: Path, report: Path, decisions: Path | None, store: Path | None) -> None:
    """Check a new recording's files and the outputs before the download, which can take an hour.

    Raises:
        ConfigurationError: a path is refused.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise ConfigurationError(f"cannot record into {folder}: it is not a folder; choose another path")
    outputs: list[tuple[Path | None, OutputKind]] = [
        (folder / HEADER_FILE, RECORDING_HEADER),
        (folder / SAMPLES_FILE, RECORDING_SAMPLES),
        (report, REPORT),
        (decisions, DECISIONS),
    ]
    # The download creates the folder, and a new folder has no file of another program.
    _require_outputs(
        ((path, kind) for path, kind in outputs if path and (folder.exists() or path.parent != folder)), store
    )


def _require_outputs(outputs: Iterable[tuple[Path | None, OutputKind]], store: Path | None) -> None:
    """Check every path before the first is written. Two outputs at one path are refused."""
    used: set[Path] = set()
    for path, kind in outputs:
        if path is None:
            continue
        require_output_path(path, kind, store)
        if path.resolve() in used:
            raise ConfigurationError(
                f"cannot write {kind.name} to {path}: another output has this path; choose another"
            )
        used.add(path.resolve())


def replay(
    recording: Recording, settings: LoopSettings, output_path: Path | None, store: Path | None
) -> BacktestSummary:
    """Return the summary of a recording; each cycle is written to `output_path` as soon as it is decided."""
    summary = BacktestSummary(recording.header)
    with (
        _open_output(output_path, store) as file,
        _progress_bar(recording.header.name, recording.duration_seconds) as bar,
    ):
        for cycle in replay_cycles(recording, settings):
            summary.add(cycle)
            if file is not None:
                file.write(json.dumps(cycle.to_json_object(), separators=(",", ":")) + "\n")
            bar.update(bar.task_ids[0], completed=cycle.at - recording.start_seconds)
    summary.notes = tuple(recording.notes)
    return summary


def _list_output_paths(base_path: Path | None, folders: Sequence[Path]) -> list[Path | None]:
    """Return the file for the decisions of each recording; for several, create the folder of the files."""
    if base_path is None or len(folders) == 1:
        return [base_path] * len(folders)
    if os.path.lexists(base_path) and not base_path.is_dir():
        raise ConfigurationError(
            f"cannot write decisions of {len(folders)} recordings to {base_path}: it is not a folder; name a folder"
        )
    base_path.mkdir(parents=True, exist_ok=True)
    return [base_path / f"{folder.name}.jsonl" for folder in folders]


@contextmanager
def _open_output(output_path: Path | None, store: Path | None) -> Iterator[IO[str] | None]:
    """Yield a file that gets its name only when it is complete, so that no partial file is scored."""
    if output_path is None:
        yield None
        return
    with replaced_output(output_path, DECISIONS, store) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        yield file


@contextmanager
def _progress_bar(name: str, total: float) -> Iterator[Progress]:
    console = Console(stderr=True)
    with Progress(console=console, disable=not sys.stderr.isatty(), transient=True) as progress:
        progress.add_task(name, total=total or None)
        yield progress

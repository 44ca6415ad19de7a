"""Recording a Prometheus."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities.model.errors import ConfigurationError, Unreachable
from activities.model.timeseries import SampleSeries
from activities.plan.settings import PlanSettings
from activities.settings import LoopSettings
from tests.activities.monitor.conftest import PrometheusHistory, prometheus  # noqa: F401 - a fixture
from tests.support.prometheus_history import END_TIME
from tests.worker.backtest.recordings import write_recording
from worker.backtest.download import WINDOW_INSTANTS, RecordingRequest, download
from worker.backtest.recording import Recording, find_recordings
from worker.cli.main import run

LOOP_SETTINGS = LoopSettings(plan=PlanSettings(max_replicas=4))
"""Small enough for one query per window."""
START_TIME = 1_700_000_100.0
SPAN_SECONDS = WINDOW_INSTANTS * 15.0


class FakePrometheus:
    """A Prometheus with a limited number of answers that keeps the queried ranges."""

    def __init__(self, answer_count: int = 10**6) -> None:
        self.answers_left = answer_count
        self.queries: list[tuple[float, float]] = []

    async def query_range(self, _: str, first: float, last: float, step: float) -> tuple[SampleSeries, ...]:
        if not self.answers_left:
            raise Unreachable("Prometheus: connection refused")
        self.answers_left -= 1
        self.queries.append((first, last))
        points = tuple((first + i * step, 0.01 + i % 3) for i in range(round((last - first) / step) + 1))
        return tuple(
            SampleSeries(labels={"node_or_service": name, "rule": "failure_rate"}, points=points)
            for name in ("shop", "gateway")
        )


async def download_recording(folder: Path, source: FakePrometheus, span: float = 10 * SPAN_SECONDS) -> list[float]:
    """Record and return the progress after each window."""
    return [
        at
        async for at in download(
            RecordingRequest(LOOP_SETTINGS, START_TIME, START_TIME + span), source.query_range, folder
        )
    ]


def list_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_windows_cover_the_span_once(tmp_path: Path) -> None:
    """Every instant is queried once, in order, and a window is no longer than that of a cycle."""
    source = FakePrometheus()
    await download_recording(tmp_path, source)
    instants = [first + 15.0 * i for first, last in source.queries for i in range(round((last - first) / 15) + 1)]
    assert instants == [START_TIME + 15.0 * i for i in range(10 * WINDOW_INSTANTS)]
    assert max(last - first for first, last in source.queries) < SPAN_SECONDS
    rows = list(Recording(tmp_path).instants())
    assert [instant.at for instant in rows] == instants
    assert [row.component for row in rows[0].samples] == ["gateway", "shop"]
    assert list_files(tmp_path) == ["recording.json", "samples.csv.gz"]


async def test_an_interrupted_download_continues(tmp_path: Path) -> None:
    """Written windows are not queried again, and the recording equals an uninterrupted one."""
    failing = FakePrometheus(answer_count=4)
    with pytest.raises(Unreachable):
        await download_recording(tmp_path / "a", failing)
    assert not (tmp_path / "a" / "recording.json").exists()
    again, whole = FakePrometheus(), FakePrometheus()
    await download_recording(tmp_path / "a", again)
    await download_recording(tmp_path / "b", whole)
    assert [*failing.queries, *again.queries] == whole.queries
    assert (tmp_path / "a" / "samples.csv.gz").read_bytes() == (tmp_path / "b" / "samples.csv.gz").read_bytes()


async def test_another_recording_is_never_overwritten(tmp_path: Path) -> None:
    """A folder with a recording of another source is refused before the first query."""
    source = FakePrometheus()
    with pytest.raises(ConfigurationError, match="choose another folder"):
        await download_recording(write_recording(tmp_path / "x", {("shop", "p99"): [1.0]}), source)
    with pytest.raises(ConfigurationError, match="is not before"):
        await download_recording(tmp_path / "y", source, span=0.0)
    assert source.queries == []


def test_a_real_prometheus_is_recorded_and_replayed(
    prometheus: PrometheusHistory,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From a live Prometheus to a report: failing components are found despite NaN and gaps."""
    url, folder = str(prometheus._client.base_url), tmp_path / "rec"
    span = [datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S") for at in (END_TIME - 450, END_TIME)]
    arguments = ["backtest", str(folder), "--prometheus", url, "--from", span[0], "--to", span[1]]
    assert run([*arguments, "--output", str(tmp_path / "d.jsonl")]) == 0
    captured = capsys.readouterr()
    assert "would have acted" in captured.out
    assert "report.html" in captured.err
    assert "<svg" in (folder / "report.html").read_text()
    assert find_recordings(folder) == (folder,)
    last = json.loads((tmp_path / "d.jsonl").read_text().splitlines()[-1])
    violated = {(violation["component"], violation["metric"]) for violation in last["violations"]}
    assert {("failing", "failure_rate"), ("slow", "validation_latency_seconds")} <= violated


@pytest.mark.parametrize("arguments", [["--from", "soon"], ["--to", "7d"], [], ["--from", "1d", "--to", "2d"]])
def test_an_invalid_time_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """The error is printed before any server is queried."""
    assert run(["--state", str(tmp_path), "backtest", *arguments]) == 2
    assert capsys.readouterr().err


def test_an_unreachable_prometheus_is_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the address, and no partial recording is left behind."""
    assert run(["--state", str(tmp_path), "backtest", "--prometheus", "http://127.0.0.1:9", "--from", "1h"]) == 3
    assert "127.0.0.1:9" in capsys.readouterr().err
    assert list(tmp_path.rglob("recording.json")) == []

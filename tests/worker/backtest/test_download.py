"""Making a recording from a Prometheus."""

import json
from datetime import UTC, datetime

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
"""So small that one query asks for all of it."""
START_TIME = 1_700_000_100.0
SPAN_SECONDS = WINDOW_INSTANTS * 15.0


class FakePrometheus:
    """A Prometheus that answers so many times, and notes what it was asked for."""

    def __init__(self, answer_count=10**6):
        self.answers_left, self.queries = answer_count, []

    async def query_range(self, _, first, last, step):
        if not self.answers_left:
            raise Unreachable("Prometheus: connection refused")
        self.answers_left -= 1
        self.queries.append((first, last))
        points = tuple((first + i * step, 0.01 + i % 3) for i in range(round((last - first) / step) + 1))
        return tuple(
            SampleSeries(labels={"node_or_service": name, "rule": "failure_rate"}, points=points)
            for name in ("shop", "gateway")
        )


async def download_recording(folder, source, span=10 * SPAN_SECONDS):
    """Make a recording and return how far each step came."""
    return [
        at
        async for at in download(
            RecordingRequest(LOOP_SETTINGS, START_TIME, START_TIME + span), source.query_range, folder
        )
    ]


async def test_windows_cover_the_span_once(tmp_path):
    """Every instant is asked for once, in order, and a window holds no more than a cycle reads."""
    told = FakePrometheus()
    await download_recording(tmp_path, told)
    asked = [first + 15.0 * i for first, last in told.queries for i in range(round((last - first) / 15) + 1)]
    assert asked == [START_TIME + 15.0 * i for i in range(10 * WINDOW_INSTANTS)]
    assert max(last - first for first, last in told.queries) < SPAN_SECONDS
    rows = list(Recording(tmp_path).instants())
    assert [instant.at for instant in rows] == asked
    assert [row.component for row in rows[0].samples] == ["gateway", "shop"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recording.json", "samples.csv.gz"]


async def test_a_download_goes_on_where_it_broke_off(tmp_path):
    """What was written is not asked for again, and the recording is the same as in one go."""
    broken = FakePrometheus(answer_count=4)
    with pytest.raises(Unreachable):
        await download_recording(tmp_path / "a", broken)
    assert not (tmp_path / "a" / "recording.json").exists()
    again, whole = FakePrometheus(), FakePrometheus()
    await download_recording(tmp_path / "a", again)
    await download_recording(tmp_path / "b", whole)
    assert [*broken.queries, *again.queries] == whole.queries
    assert (tmp_path / "a" / "samples.csv.gz").read_bytes() == (tmp_path / "b" / "samples.csv.gz").read_bytes()


async def test_a_foreign_recording_is_never_overwritten(tmp_path):
    """A folder with another recording is refused before anything is asked."""
    told = FakePrometheus()
    with pytest.raises(ConfigurationError, match="choose another folder"):
        await download_recording(write_recording(tmp_path / "x", {("shop", "p99"): [1.0]}), told)
    with pytest.raises(ConfigurationError, match="is not before"):
        await download_recording(tmp_path / "y", told, span=0.0)
    assert told.queries == []


def test_last_week_of_a_real_prometheus(prometheus, tmp_path, capsys):  # noqa: F811 - the fixture
    """From a live Prometheus to a report: the failing components are found, NaN and gaps are no obstacle."""
    assert isinstance(prometheus, PrometheusHistory)
    url, folder = str(prometheus._client.base_url), tmp_path / "rec"
    span = [datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S") for at in (END_TIME - 450, END_TIME)]
    arguments = ["backtest", str(folder), "--prometheus", url, "--from", span[0], "--to", span[1]]
    assert run([*arguments, "--output", str(tmp_path / "d.jsonl")]) == 0
    said = capsys.readouterr()
    assert "would have acted" in said.out
    assert "report.html" in said.err
    assert "<svg" in (folder / "report.html").read_text()
    assert find_recordings(folder) == (folder,)
    last = json.loads((tmp_path / "d.jsonl").read_text().splitlines()[-1])
    violated = {(one["component"], one["metric"]) for one in last["violations"]}
    assert {("failing", "failure_rate"), ("slow", "validation_latency_seconds")} <= violated


@pytest.mark.parametrize("arguments", [["--from", "soon"], ["--to", "7d"], [], ["--from", "1d", "--to", "2d"]])
def test_a_wrong_time_is_wrong_use(tmp_path, capsys, arguments):
    """Exit 2 and a word, before any server is asked."""
    assert run(["--state", str(tmp_path), "backtest", *arguments]) == 2
    assert capsys.readouterr().err


def test_a_prometheus_that_is_away_is_said(tmp_path, capsys):
    """Exit 3, and a recording is not left half made."""
    assert run(["--state", str(tmp_path), "backtest", "--prometheus", "http://127.0.0.1:9", "--from", "1h"]) == 3
    assert "127.0.0.1:9" in capsys.readouterr().err
    assert list(tmp_path.rglob("recording.json")) == []

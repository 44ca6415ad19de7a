"""`mapek backtest` on recordings."""

import json
from pathlib import Path

import pytest

from tests.worker.backtest.recordings import make_steady_values, write_recording
from worker.cli.main import run


def test_decisions_and_report_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON line per cycle, an HTML report, and the counts as JSON; exit 0."""
    folder = write_recording(tmp_path / "one", {("shop", "p99"): [*make_steady_values(60), *[3.0] * 4]})
    decisions, report = tmp_path / "out.jsonl", tmp_path / "report.html"
    assert run(["backtest", str(folder), "--output", str(decisions), "--report", str(report), "--json"]) == 0
    (counts,) = json.loads(capsys.readouterr().out)
    assert (counts["cycles"], counts["executed"]) == (64, 1)
    assert [json.loads(line)["acts"] for line in decisions.read_text().splitlines()].count(True) == 2
    assert report.read_text().startswith("<!doctype html>")


def test_a_folder_of_recordings_gives_a_folder_of_decisions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each recording gets a file with its name."""
    for name in ("a", "b"):
        write_recording(tmp_path / "all" / name, {("shop", "p99"): make_steady_values(20)}, name=name)
    assert run(["backtest", str(tmp_path / "all"), "--output", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jsonl", "b.jsonl"]
    assert "would have acted 0 times" in capsys.readouterr().out


def test_a_folder_without_recording_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line names the missing file; no partial output is left behind."""
    assert run(["backtest", str(tmp_path), "--output", str(tmp_path / "out.jsonl")]) == 2
    assert "no recording.json" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []

"""The verb backtest."""

import json

from tests.worker.backtest.recordings import make_steady_values, write_recording
from worker.cli.main import run


def test_decisions_and_report_are_written(tmp_path, capsys):
    """One JSON line a cycle, a page, and the figures as JSON; exit 0."""
    folder = write_recording(tmp_path / "one", {("shop", "p99"): [*make_steady_values(60), *[3.0] * 4]})
    out, report = tmp_path / "out.jsonl", tmp_path / "report.html"
    assert run(["backtest", str(folder), "--output", str(out), "--report", str(report), "--json"]) == 0
    (figures,) = json.loads(capsys.readouterr().out)
    assert (figures["cycles"], figures["executed"]) == (64, 1)
    assert [json.loads(line)["acts"] for line in out.read_text().splitlines()].count(True) == 2
    assert report.read_text().startswith("<!doctype html>")


def test_a_folder_of_recordings_gives_a_folder_of_decisions(tmp_path, capsys):
    """Each recording gets its own file, named after it."""
    for name in ("a", "b"):
        write_recording(tmp_path / "all" / name, {("shop", "p99"): make_steady_values(20)}, name=name)
    assert run(["backtest", str(tmp_path / "all"), "--output", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jsonl", "b.jsonl"]
    assert "would have acted 0 times" in capsys.readouterr().out


def test_what_is_no_recording_is_wrong_use(tmp_path, capsys):
    """Exit 2 and one line that says what is missing; no half file is left behind."""
    assert run(["backtest", str(tmp_path), "--output", str(tmp_path / "out.jsonl")]) == 2
    assert "no recording.json" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []

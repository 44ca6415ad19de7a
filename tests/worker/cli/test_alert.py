"""`mapek alert inject` where there is no Alertmanager, and where it is used wrongly."""

from pathlib import Path

import pytest

from worker.cli.main import run


def test_nobody_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An Alertmanager that cannot be reached is told as such, with exit code 3."""
    code = run(["--state", str(tmp_path), "--alertmanager", "http://127.0.0.1:9", "alert", "inject", "Test"])
    assert code == 3
    assert "POST /api/v2/alerts" in capsys.readouterr().err


@pytest.mark.parametrize("label", ["novalue", "=x"])
def test_a_label_is_a_pair(tmp_path: Path, label: str) -> None:
    """Anything else is wrong use."""
    assert run(["--state", str(tmp_path), "alert", "inject", "Test", "--label", label]) == 2


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """The verb says what it does."""
    assert run(["alert", "inject", "--help"]) == 0
    assert "It is no evidence" in capsys.readouterr().out

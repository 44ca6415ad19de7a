"""`mapek alert inject` without an Alertmanager, and with invalid arguments."""

from pathlib import Path

import pytest

from worker.cli.main import run


def test_an_unreachable_alertmanager_is_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the failed request."""
    code = run(["--state", str(tmp_path), "--alertmanager", "http://127.0.0.1:9", "alert", "inject", "Test"])
    assert code == 3
    assert "POST /api/v2/alerts" in capsys.readouterr().err


@pytest.mark.parametrize("label", ["novalue", "=x"])
def test_an_invalid_label_is_2(tmp_path: Path, label: str) -> None:
    """A label must be NAME=VALUE."""
    assert run(["--state", str(tmp_path), "alert", "inject", "Test", "--label", label]) == 2


def test_help_says_that_the_alert_is_not_evidence(capsys: pytest.CaptureFixture[str]) -> None:
    """An operator reads that the alert itself changes no diagnosis."""
    assert run(["alert", "inject", "--help"]) == 0
    assert "It is not evidence" in capsys.readouterr().out

"""Secrets by file."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from activities.execute.settings import ExecuteSettings
from activities.model.errors import ConfigurationError
from worker.config.secrets import charter_token_reader, read_secret, token_reader


def test_a_rotated_file_is_picked_up(tmp_path: Path) -> None:
    """The file is read at each use; the environment's key goes before it; without either there is none."""
    path = tmp_path / "token"
    path.write_text("one\n", encoding="utf-8")
    token = token_reader(path)
    assert token() == "one"
    path.write_text("two", encoding="utf-8")
    assert token() == "two"
    assert charter_token_reader(ExecuteSettings(charter_api_key_file=path))() == "two"
    assert charter_token_reader(ExecuteSettings(charter_api_key=SecretStr("env"), charter_api_key_file=path))() == "env"
    assert charter_token_reader(ExecuteSettings())() == ""


@pytest.mark.parametrize("content", [b"", b" \n", b"two\nlines", b"\xff\xfe", b"x" * 5000])
def test_what_is_no_secret_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    """Empty, long, binary or many lines: refused by name alone."""
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="must contain one line") as caught:
        read_secret(path)
    assert "lines" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The path is in the message."""
    with pytest.raises(ConfigurationError, match="gone: cannot be read"):
        read_secret(tmp_path / "gone")

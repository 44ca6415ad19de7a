"""Secrets in files."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from activities.model.errors import ConfigurationError
from worker.config.secrets import read_secret, token_reader


def test_a_rotated_secret_takes_effect(tmp_path: Path) -> None:
    """The file is read at each use; a value overrides it; without both the token is empty."""
    path = tmp_path / "token"
    path.write_text("one\n", encoding="utf-8")
    token = token_reader(path)
    assert token() == "one"
    path.write_text("two", encoding="utf-8")
    assert token() == "two"
    assert token_reader(None)() == ""
    assert token_reader(path, SecretStr("env"))() == "env"


@pytest.mark.parametrize("content", [b"", b" \n", b"two\nlines", b"\xff\xfe", b"x" * 5000])
def test_an_invalid_secret_file_is_refused_without_its_content(tmp_path: Path, content: bytes) -> None:
    """An empty, long, binary or multi-line file is refused by its name."""
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="must contain one line") as caught:
        read_secret(path)
    assert "lines" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The message contains the path."""
    with pytest.raises(ConfigurationError, match="gone: cannot be read"):
        read_secret(tmp_path / "gone")

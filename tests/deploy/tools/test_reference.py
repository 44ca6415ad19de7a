"""The generated reference."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from deploy.tools import generated
from deploy.tools.generated import find_outdated, update
from deploy.tools.reference.__main__ import PAGE_BUILDERS, build_pages
from deploy.tools.reference.settings import read_field_docstrings
from deploy.tools.reference.table import markdown_cell, markdown_code, markdown_table


def test_the_reference_is_current() -> None:
    """Every page equals the one generated from the code."""
    assert sorted(path.name for path in find_outdated(build_pages())) == [], "run `make reference`"


def test_outdated_files_are_reported_or_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A check changes nothing and returns 1; without it the file is written, and a second run changes nothing."""
    monkeypatch.setattr(generated, "REPOSITORY_ROOT", tmp_path)
    contents = {tmp_path / "page.md": "new"}
    assert update(contents, check_only=True) == 1
    assert list(tmp_path.iterdir()) == []
    assert update(contents) == 0
    assert "page.md written" in capsys.readouterr().out
    assert (update(contents, check_only=True), capsys.readouterr().out) == (0, "")


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("cli.md", "## mapek resume LOOP"),
        ("configuration.md", '| `webhook_path` | string | `"/webhooks/alerts"` |'),
        ("configuration.md", "| `MAPEK_POSTGRES_URL` | `knowledge.postgres_url`: a secret, refused in the file |"),
        ("http.md", "| `POST /webhooks/alerts` |"),
        ("metrics.md", "| `mapek_cycles_total` | counter | `loop`, `trigger`, `outcome` |"),
    ],
)
def test_each_kind_is_listed(page: str, text: str) -> None:
    """A command, a key with its default, a secret, a route and a metric are on their page."""
    assert text in PAGE_BUILDERS[page]()


class DocumentedSettings(BaseModel):
    one_line: int = 1
    """The text."""
    two_lines: int = 2
    """The first line,
    and the second."""
    undocumented: int = 3


def test_docstrings_of_fields() -> None:
    """The string below a field is its docstring, also over several lines; a field without one has none."""
    docstrings = read_field_docstrings(DocumentedSettings)
    assert docstrings["one_line"] == "The text."
    assert "and the second." in docstrings["two_lines"]
    assert "undocumented" not in docstrings


def test_cells_are_escaped() -> None:
    """A bar or a line feed in a text does not break the table."""
    assert markdown_cell("a | b\n  c") == "a \\| b c"
    assert markdown_table(("x",), [(markdown_code("a|b"),)]).splitlines()[-1] == "| `a\\|b` |"

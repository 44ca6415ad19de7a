"""The index "Find a line" of ARCHITECTURE.md is complete and true: every module, every path, every name."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
INDEX = PAGE.split("\n## Find a line\n")[1].split("\n## ")[0]
ROOMS = ("workflows", "activities", "worker")
NOT_LISTED = ("activities/model/", "activities/clients/store/migrations/")
"""The nouns have a file each, under their own name; migrations are numbered."""


class Row(NamedTuple):
    """One question, the files that answer it, and the names in them."""

    question: str
    files: tuple[str, ...]
    names: tuple[str, ...]


def read_rows() -> list[Row]:
    """Return the rows of all tables of the index."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in INDEX.splitlines()
        if line.startswith("| ") and not line.startswith(("| Question", "|---"))
    ]
    quoted = re.compile(r"`([^`]+)`")
    return [Row(row[0], tuple(quoted.findall(row[1])), tuple(quoted.findall("".join(row[2:])))) for row in cells]


ROWS = read_rows()


def test_every_module_answers_a_question() -> None:
    """A new module needs a line with the question, in an operator's words, that it answers."""
    modules = {
        str(path.relative_to(ROOT)) for room in ROOMS for path in (ROOT / room).rglob("*.py") if path.stem != "__init__"
    }
    listed = {file for row in ROWS for file in row.files}
    assert sorted(module for module in modules - listed if not module.startswith(NOT_LISTED)) == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.question)
def test_a_question_leads_to_its_line(row: Row) -> None:
    """Each file exists, and each name is defined in one of them."""
    assert [file for file in row.files if not (ROOT / file).exists()] == []
    text = "\n".join((ROOT / file).read_text(encoding="utf-8") for file in row.files if (ROOT / file).is_file())
    definition = r"^\s*(?:async def |def |class )?{}\b\s*[(:=]"
    assert [name for name in row.names if not re.search(definition.format(name), text, re.MULTILINE)] == []


def test_no_question_is_asked_twice() -> None:
    """Each question has one line."""
    questions = [row.question for row in ROWS]
    assert len(questions) == len(set(questions))

"""Docstrings, comments, messages, pages and test names speak plain English: phrasings that have to be read twice."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("workflows", "activities", "worker", "deploy", "tests")
PAGES = ("*.md", "deploy/*.md", "deploy/charter/*.md", "tests/**/*.md")

BANNED = {
    r"whoever|whatever|whichever": "name the thing: the operator, the caller, any failure",
    r"nobody|somebody|anybody": "no operator, another writer, any caller",
    r"a person|people|persons?\b": "an operator, operators",
    r"(?:has|have|had) to\b": "must",
    r"\bstands?\b|\bstood\b|\bstanding\b": "is applied, is open, is in force",
    r"\btells?\b|\btold\b": "reports, returns, says which",
    r"gives? way|gave way|giving way": "yields",
    r"looks? (?:at|for|into)|looked (?:at|for|into)|looking (?:at|for|into)": "checks, reads, searches",
    r"what is (?:left|wrong|there|done|not|so|too|to be)": "name the thing",
    r"\bit is no\b|\bis no (?:key|name|number|list|page|file)\b": "is not a, invalid",
    r"(?:as|than) it should": "as configured",
    r"\bwish(?:es|ed)?\b": "request",
    r"\bby itself\b": "automatically, without an operator",
    r"\bat once\b": "immediately, at the same time",
    r"\banew\b": "again",
    r"\bit (?:is|was) so\b": "name the condition",
}
"""Phrasing → what to write instead."""

PATTERN = re.compile("|".join(f"(?P<p{number}>{phrase})" for number, phrase in enumerate(BANNED)), re.IGNORECASE)


def list_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of every docstring, string literal and comment of a module, and its test names."""
    source = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.lineno, node.name.replace("_", " ")


def find_banned(lines: Iterator[tuple[int, str]]) -> list[str]:
    """Return each banned phrase with its line and what to write instead."""
    advice = list(BANNED.values())
    return [
        f"line {line}: {match.group()!r} (write: {advice[int((match.lastgroup or 'p0')[1:])]})"
        for line, text in lines
        for match in PATTERN.finditer(text)
    ]


def list_modules() -> list[Path]:
    """Return every module but those that list what they ban."""
    every = (path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")))
    return [path for path in every if path not in (Path(__file__), ROOT / "tests/support/census.py")]


def list_pages() -> list[Path]:
    """Return every page of documentation."""
    return sorted({path for pattern in PAGES for path in ROOT.glob(pattern)})


@pytest.mark.parametrize("path", list_modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_has_no_banned_phrase(path: Path) -> None:
    """No docstring, comment, message or test name has a phrasing that is banned."""
    assert find_banned(list_texts(path)) == []


@pytest.mark.parametrize("path", list_pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_has_no_banned_phrase(path: Path) -> None:
    """No page has a phrasing that is banned."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert find_banned(iter(enumerate(lines, 1))) == []


def test_a_banned_phrase_is_found() -> None:
    """The search reports the line and the words to write instead."""
    assert find_banned(iter([(3, "Whoever waits")])) == [
        "line 3: 'Whoever' (write: name the thing: the operator, the caller, any failure)"
    ]

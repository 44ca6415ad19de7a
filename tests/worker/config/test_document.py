"""Reading of untrusted YAML."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.model.errors import ConfigurationError
from worker.config.document import MAX_BYTES, deep_merge, parse_document, parse_scalar, read_document


def parse_refused(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_document(text, "f.yaml")
    return str(caught.value)


def test_every_value_has_its_line() -> None:
    """The origin of a key or item is its line in the file."""
    document = parse_document("a:\n  b: 1\n  c:\n  - x\n  - d: 2\n", "f.yaml")
    assert document.data == {"a": {"b": 1, "c": ["x", {"d": 2}]}}
    assert document.origins[("a", "c", 1, "d")] == "f.yaml:5"
    assert document.find_origin(("a", "b", "unknown")) == "f.yaml:2"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [1", "f.yaml:1: not YAML: "),
        ("a: 1\n b: 2\n", "f.yaml:2: not YAML: "),
        ("- a", "f.yaml:1: not a mapping"),
        ("a: 1\n---\nb: 2", "not YAML: "),
        ("a: \x00", "not YAML: "),
        ("a: *nowhere", "not YAML: "),
    ],
)
def test_invalid_yaml_is_refused_with_its_line(text: str, problem: str) -> None:
    """A parser error is reported as one line."""
    message = parse_refused(text)
    assert problem in message
    assert "\n" not in message


def test_yaml_bombs_are_refused_quickly() -> None:
    """Many aliases, nested aliases, a recursive alias and deep nesting are refused."""
    levels = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
    started = time.monotonic()
    assert "aliases expand" in parse_refused(levels)
    assert "more than 100 aliases" in parse_refused("a: &a 1\nb: [" + ", ".join(["*a"] * 101) + "]")
    assert "aliases expand" in parse_refused("a: &a {b: *a}")
    assert "nested deeper than 20" in parse_refused("a: " + "[" * 50_000)
    assert time.monotonic() - started < 5.0


def test_an_alias_is_accepted() -> None:
    """An anchor that is used twice gives two equal values."""
    assert parse_document("a: &a [1]\nb: *a\n", "f").data == {"a": [1], "b": [1]}


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    """A file over 256 KiB, a binary file and a missing file are refused with their name."""
    large, binary = tmp_path / "large.yaml", tmp_path / "binary.yaml"
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    binary.write_bytes(b"a: \xff")
    for path, problem in ((large, "larger than 256 KiB"), (binary, "not UTF-8"), (tmp_path / "no", "cannot be read")):
        with pytest.raises(ConfigurationError, match=problem) as caught:
            read_document(path)
        assert str(caught.value).startswith(str(path))


def test_tags_dates_and_keys_are_not_interpreted() -> None:
    """Tags are refused, dates stay text, keys stay as written."""
    document = parse_document("on: 2024-01-01\nx: !!python/name:os.system ''\n", "f.yaml")
    assert document.data["on"] == "2024-01-01"
    assert any(problem.startswith("f.yaml:2: x: cannot be read as") for problem in document.problems)


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("0.5", 0.5), ("true", True), ("[a, b]", ["a", "b"]), ("http://a:1", "http://a:1"), ("a: b", "a: b")],
)
def test_a_variable_is_read_as_in_a_file(text: str, value: object) -> None:
    """The text of a variable is read as YAML, and stays text if it is not a valid value."""
    assert parse_scalar(text) == value


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    """Any text gives a document or a ConfigurationError."""
    message = ""
    try:
        parse_document(text, "f.yaml")
    except ConfigurationError as error:
        message = str(error)
    assert not message or message.startswith("f.yaml")


def test_deep_merge_combines_sections_and_replaces_values() -> None:
    """Mappings are merged key by key; values and lists are replaced."""
    assert deep_merge({"a": {"b": 1, "c": [1]}, "d": 1}, {"a": {"c": [2]}, "e": 2}) == {
        "a": {"b": 1, "c": [2]},
        "d": 1,
        "e": 2,
    }

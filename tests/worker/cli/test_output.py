"""What a verb prints as JSON: text from outside cannot move the cursor or reorder a line."""

import json

import pytest

from worker.cli import output


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("db\x9b2Jok", "db\\u009b2Jok"),  # C1: the one-byte form of ESC [, which clears the screen
        ("db\x1b[2Jok", "db\\u001b[2Jok"),
        ("a\u202egnp.exe", "a\\u202egnp.exe"),  # right-to-left override
        ("a\u2066b\u2069", "a\\u2066b\\u2069"),  # isolates
        ("a\u2028b", "a\\u2028b"),
        ("a\u200bb", "a\\u200bb"),
        ("a\U000e0041b", "a\\udb40\\udc41b"),  # a tag character outside the basic plane
        ("a\ud800b", "a\\ud800b"),  # a lone surrogate cannot be encoded
        ("a\x7fb", "a\\u007fb"),
        ("Müller é 中 🙂", "Müller é 中 🙂"),
    ],
)
def test_unsafe_characters_are_escaped(text: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Unsafe characters are `\\uXXXX`, plain text stays readable, and the value is the same."""
    output.print_json({"text": text})
    shown = capsys.readouterr().out
    assert shown == f'{{\n  "text": "{printed}"\n}}\n'
    assert json.loads(shown) == {"text": text}

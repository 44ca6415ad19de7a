"""Text from outside is only text at every sink."""

import json
import unicodedata
from urllib.parse import unquote

import httpx
from hypothesis import given
from hypothesis import strategies as st

from activities.sanitize import escape_json_text, escape_promql, quote_path_segment, sanitize_terminal

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
ESCAPED_TEXTS = st.text(st.sampled_from('\\"{}[]().*+?|^$\n\r\t/%#&=-_~`<>!@: a1é'))


def unquote_promql(quoted: str) -> str:
    """Read a double-quoted PromQL string as Go does: its escapes are those of JSON, for all we emit."""
    assert "\n" not in quoted
    return str(json.loads(f'"{quoted}"', strict=False))


@given(TEXTS | ESCAPED_TEXTS)
def test_a_promql_string_reads_back(value: str) -> None:
    """A label value between quotes is read back as itself and cannot end the string."""
    assert unquote_promql(escape_promql(value)) == value


@given(st.text())
def test_promql_can_always_be_sent(value: str) -> None:
    """Lone surrogates do not break the sending."""
    assert escape_promql(value).encode().count(b'"') >= value.count('"')


@given(st.text(), st.sampled_from([None, 2]))
def test_json_text_is_safe_and_has_the_same_value(value: str, indent: int | None) -> None:
    """JSON on a terminal has no control, format or unassigned character, and is read back as the same value."""
    shown = escape_json_text(json.dumps({"text": value}, indent=indent, ensure_ascii=False))
    unsafe = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert not {unicodedata.category(char) for char in shown if char != "\n"} & unsafe
    assert json.loads(shown) == {"text": value}


@given(st.text())
def test_a_terminal_only_prints(value: str) -> None:
    """What reaches a terminal is one line without control, format or unassigned characters, of the same length."""
    shown = sanitize_terminal(value)
    assert len(shown) == len(value)
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_a_terminal_shows_plain_text_as_it_is(value: str) -> None:
    """Ordinary text is not changed."""
    assert sanitize_terminal(value) == value


@given(st.text(min_size=1) | ESCAPED_TEXTS.filter(bool) | st.sampled_from([".", "..", "...", "a/../b", "%2e%2e"]))
def test_a_path_segment_stays_one(value: str) -> None:
    """Between two slashes every value is exactly one segment of the URL that httpx sends."""
    url = httpx.URL(f"http://x/a/{quote_path_segment(value)}/b?q#f")
    sent = url.raw_path.decode().partition("?")[0].split("/")
    assert (len(sent), sent[1], sent[3]) == (4, "a", "b")
    assert unquote(sent[2]) == value.encode("utf-8", "replace").decode()

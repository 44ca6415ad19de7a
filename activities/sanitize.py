"""One function per sink for text from outside. Pure."""

import json
import re
import unicodedata
from urllib.parse import quote

_PROMQL_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_SLACK_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_SLACK_EMPHASIS = re.compile(r"[*_~`@]")
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control, format, surrogate, private, unassigned; line and paragraph separators."""
_SLACK_URL_UNSAFE = re.compile(r"[<>|\s]")


def escape_promql(value: str) -> str:
    """Return `value` for use between double quotes in PromQL, as in `{instance="..."}`.

    Lone surrogates cannot be encoded; they become question marks.
    """
    return _replace_surrogates(value.translate(_PROMQL_ESCAPES))


def escape_slack(value: str) -> str:
    """Return `value` as one line of Slack mrkdwn that shows as plain text: no link, mention or emphasis.

    Slack has no escape for its emphasis characters; an invisible character before each disables it.
    """
    safe = "".join(_SLACK_ESCAPES.get(char, char) for char in sanitize_terminal(value))
    return _SLACK_EMPHASIS.sub("\u200b\\g<0>", safe)


def format_slack_link(name: str, url: str) -> str:
    """Return a link in Slack's mrkdwn. `url` must come from the configuration."""
    return f"<{_SLACK_URL_UNSAFE.sub('', url)}|{escape_slack(name).replace('|', ' ')}>"


def sanitize_terminal(value: str) -> str:
    """Return `value` as one line that a terminal only prints.

    Control and format characters (escape sequences, line ends, right-to-left overrides) become spaces or the
    replacement character. Example: a component named "db", line feed, "all healthy" is shown as "db all healthy", so it
    cannot forge a second line.
    """
    return "".join(_make_printable(char) for char in value)


def escape_json_text(text: str) -> str:
    """Return JSON text with the characters that a terminal would execute as `\\uXXXX`: the same value, safe to print.

    They are control, format and unassigned characters, among them the C1 escape introducer and right-to-left overrides.
    """
    return "".join(json.dumps(char)[1:-1] if char != "\n" and _is_unsafe(char) else char for char in text)


def quote_path_segment(value: str) -> str:
    """Return `value` as exactly one segment of a URL path: no slash, query or dot segment remains."""
    quoted = quote(_replace_surrogates(value), safe="")
    return quoted.replace(".", "%2E") if quoted in {".", ".."} else quoted


def _make_printable(char: str) -> str:
    if char in "\t\n\r\v\f\x85\u2028\u2029":
        return " "
    return "\ufffd" if _is_unsafe(char) else char


def _is_unsafe(char: str) -> bool:
    return unicodedata.category(char) in _UNSAFE_CATEGORIES


def _replace_surrogates(value: str) -> str:
    return value.encode("utf-8", "replace").decode("utf-8")

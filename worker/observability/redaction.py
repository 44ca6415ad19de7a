"""Removal of credentials from text before it is shown or written."""

import re

PLACEHOLDER = "[hidden]"

_SECRET_PATTERNS = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"), rf"\1 {PLACEHOLDER}"),
    # A scheme is short: without the limit, long text without `://` would be searched again from each of its letters.
    (re.compile(r"(?i)([a-z][a-z0-9+.-]{0,30}://)[^\s/@\"']+@"), rf"\1{PLACEHOLDER}@"),
    (
        re.compile(
            r"(?i)((?:api[_-]?key|access[_-]?key|token|secret|passwd|password|authorization)[\"']?\s*[=:]\s*[\"']?)"
            r"(?!\[hidden)(?!bearer |basic )[^\s\"',;&}\\]+"
        ),
        rf"\1{PLACEHOLDER}",
    ),
)


def redact(text: str) -> str:
    """Return `text` with bearer tokens, credentials in URLs and values of key-like names replaced by `[hidden]`."""
    for pattern, replacement in _SECRET_PATTERNS:
        text = pattern.sub(replacement, text)
    return text

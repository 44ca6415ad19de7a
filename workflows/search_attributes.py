"""The one function that builds search attributes, with their sizes bounded.

A keyword list over 2,048 bytes makes the server terminate the workflow, and a keyword over 255 bytes is refused:
so everything is cut here, and nowhere else are attributes made.
"""

from collections.abc import Sequence
from typing import Any

from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    SearchAttributeUpdate,
    TypedSearchAttributes,
)

MAX_KEYWORD_BYTES = 255
MAX_KEYWORD_LIST_BYTES = 1500


def truncate_keyword(text: str) -> str:
    """Return `text` cut to what a Keyword attribute may hold (255 bytes of UTF-8)."""
    raw = text.encode()
    return text if len(raw) <= MAX_KEYWORD_BYTES else raw[: MAX_KEYWORD_BYTES - 3].decode(errors="ignore") + "…"


def truncate_keywords(texts: Sequence[str]) -> list[str]:
    """Return as many texts, worst first, as fit into 1.5 KB; a last entry `+N more` counts the rest."""
    kept: list[str] = []
    room = MAX_KEYWORD_LIST_BYTES - len("+99999 more")
    for text in map(truncate_keyword, texts):
        if len(text.encode()) > room:
            break
        kept.append(text)
        room -= len(text.encode())
    left = len(texts) - len(kept)
    return [*kept, f"+{left} more"] if left else kept


def build_search_attributes(values: dict[SearchAttributeKey[Any], Any]) -> TypedSearchAttributes:
    """Return the values as search attributes, cut to size; empty ones are left out."""
    pairs = []
    for key, value in values.items():
        if value is None or value in ("", (), []):
            continue
        if isinstance(value, str):
            value = truncate_keyword(value)
        elif isinstance(value, (list, tuple)):
            value = truncate_keywords(value)
        pairs.append(SearchAttributePair(key, value))
    return TypedSearchAttributes(pairs)


def build_search_attribute_updates(values: dict[SearchAttributeKey[Any], Any]) -> list[SearchAttributeUpdate[Any]]:
    """Return the values as one upsert takes them, cut to size; empty ones are left as they are."""
    return [pair.key.value_set(pair.value) for pair in build_search_attributes(values)]

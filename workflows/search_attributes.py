"""The typed keys of the search attributes, and the one function that builds values, with their sizes bounded.

A keyword list over 2,048 bytes makes the server terminate the workflow, and a keyword over 255 bytes is refused.
So every value is truncated here, and no other module builds attributes.
"""

from collections.abc import Sequence
from typing import Any

from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    SearchAttributeUpdate,
    TypedSearchAttributes,
)

from activities.model.identifiers import SearchAttribute

LOOP = SearchAttributeKey.for_keyword(SearchAttribute.LOOP)
TRIGGER = SearchAttributeKey.for_keyword(SearchAttribute.TRIGGER)
OUTCOME = SearchAttributeKey.for_keyword(SearchAttribute.OUTCOME)
PHASE = SearchAttributeKey.for_keyword(SearchAttribute.PHASE)
KNOB = SearchAttributeKey.for_keyword(SearchAttribute.KNOB)
PLAN = SearchAttributeKey.for_keyword(SearchAttribute.PLAN)
ROOT_CAUSE = SearchAttributeKey.for_keyword(SearchAttribute.ROOT_CAUSE)
BLOCKED_BY = SearchAttributeKey.for_keyword(SearchAttribute.BLOCKED_BY)
VIOLATIONS = SearchAttributeKey.for_keyword_list(SearchAttribute.VIOLATIONS)
SCORE = SearchAttributeKey.for_float(SearchAttribute.SCORE)

SEARCH_ATTRIBUTES = (LOOP, TRIGGER, OUTCOME, PHASE, KNOB, PLAN, ROOT_CAUSE, BLOCKED_BY, VIOLATIONS, SCORE)

MAX_KEYWORD_BYTES = 255
MAX_KEYWORD_LIST_BYTES = 1500


def truncate_keyword(text: str) -> str:
    """Return `text` truncated to the size of a Keyword attribute (255 bytes of UTF-8)."""
    raw = text.encode()
    return text if len(raw) <= MAX_KEYWORD_BYTES else raw[: MAX_KEYWORD_BYTES - 3].decode(errors="ignore") + "…"


def truncate_keywords(texts: Sequence[str]) -> list[str]:
    """Return as many of the texts, most severe first, as fit into 1.5 KB. A last entry `+N more` counts the others."""
    kept: list[str] = []
    free_bytes = MAX_KEYWORD_LIST_BYTES - len("+99999 more")
    for text in map(truncate_keyword, texts):
        if len(text.encode()) > free_bytes:
            break
        kept.append(text)
        free_bytes -= len(text.encode())
    omitted = len(texts) - len(kept)
    return [*kept, f"+{omitted} more"] if omitted else kept


def build_search_attributes(values: dict[SearchAttributeKey[Any], Any]) -> TypedSearchAttributes:
    """Return the values as search attributes, truncated; empty values are left out."""
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
    """Return the values as the updates of one upsert, truncated; attributes with an empty value stay unchanged."""
    return [pair.key.value_set(pair.value) for pair in build_search_attributes(values)]

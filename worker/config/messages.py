"""Validation of one section: values become settings, or problems with the value and the fix."""

import difflib
import json
import re
import types
import typing
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from activities.model.invalid_value import describe_requirement
from activities.model.types import INVALID_SETTING, Settings, truncate
from worker.config.document import Document, KeyPath
from worker.config.sources import SECRET_KEYS
from worker.observability.redaction import redact

S = TypeVar("S", bound=Settings)


def validate_section(
    model: type[S], values: Any, key_path: KeyPath, document: Document, fallback: KeyPath | None = None
) -> S | None:
    """Return `values` as settings, or None after adding their problems to the document.

    Types are strict: the number 1 is not `true`, and the text "1" is not a number. A value that has no line below
    `key_path` is reported below `fallback`: the section that a loop overrides.
    """
    try:
        return model.model_validate_json(json.dumps({} if values is None else values), strict=True)
    except ValidationError as error:
        problems: dict[KeyPath, list[str]] = {}
        for detail in error.errors(include_url=False):
            inner = _input_key_path(detail, values)
            problems.setdefault(inner, []).append(_describe_error(model, inner, detail))
    for inner, texts in problems.items():
        reported = (*key_path, *inner)
        if fallback is not None and reported not in document.origins:
            reported = (*fallback, *inner)
        document.add_problem(reported, "; or ".join(dict.fromkeys(texts)))
    return None


def describe_unknown_key(key: str, known_keys: Iterable[str]) -> str:
    """Return the message for an unknown key, with the most similar known key, or all of them."""
    names = sorted(known_keys)
    close = difflib.get_close_matches(key.lower(), [n.lower() for n in names], n=1, cutoff=0.6)
    similar = next((n for n in names if close and n.lower() == close[0]), None)
    return f"unknown key; did you mean {similar}?" if similar else f"unknown key; there are {', '.join(names)}"


def _input_key_path(detail: ErrorDetails, values: Any) -> KeyPath:
    """Return the key path of an error without the union branches that pydantic adds to it."""
    key_path: list[str | int] = []
    for part in detail["loc"]:
        exists = part in values if isinstance(values, dict) else isinstance(values, list) and isinstance(part, int)
        if not exists:
            return (*key_path, part) if detail["type"] == "missing" else tuple(key_path)
        key_path.append(part)
        values = values[part]
    return tuple(key_path)


def _describe_error(model: type[Settings], key_path: KeyPath, detail: ErrorDetails) -> str:
    kind, value = detail["type"], detail.get("input")
    if kind == "extra_forbidden":
        return describe_unknown_key(str(key_path[-1]), _field_names(model, key_path[:-1]))
    if kind == "missing":
        return "is missing"
    context = detail.get("ctx", {})
    if detail["loc"] and detail["loc"][-1] == "[key]":
        return describe_unknown_key(str(key_path[-1]), re.findall(r"'([^']+)'", context.get("expected", "")))
    shown = "given" if any(key_path == p[-len(key_path) :] for p in SECRET_KEYS) else format_value(value)
    requirement = describe_requirement(detail)
    return requirement if kind == INVALID_SETTING and isinstance(value, dict) else f"is {shown}; {requirement}"


def format_value(value: Any) -> str:
    """Return a value as one short line without secrets."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return truncate(redact(json.dumps(value, ensure_ascii=False)), 60)


def _field_names(model: type[Settings], key_path: KeyPath) -> Iterable[str]:
    """Return the names of the fields at `key_path` below `model`."""
    for part in key_path:
        if isinstance(part, str) and part in model.model_fields:
            model = _find_settings_class(model.model_fields[part].annotation) or model
    return model.model_fields


def _find_settings_class(annotation: Any) -> type[Settings] | None:
    """Return the settings class inside `tuple[X, ...]`, `X | None` or `Annotated[X, ...]`."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, Settings) else None
    return next((model for a in typing.get_args(annotation) if (model := _find_settings_class(a))), None)

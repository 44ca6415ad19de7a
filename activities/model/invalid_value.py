"""The words for a value that a model refuses, without those of the library. Pure."""

from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from activities.model.types import INVALID_SETTING

REQUIREMENTS: Mapping[str, str] = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "string_type": "must be text (in quotes)",
    "string_too_short": "must not be empty",
    "path_type": "must be a path",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "date_type": "must be a date, as in 2026-12-24",
    "date_parsing": "must be a date, as in 2026-12-24",
    "date_from_datetime_parsing": "must be a date that exists, as in 2026-12-24",
    "datetime_type": "must be a time, as in 2026-12-24T08:00:00Z",
    "datetime_parsing": "must be a time, as in 2026-12-24T08:00:00Z",
    "datetime_from_date_parsing": "must be a time that exists, as in 2026-12-24T08:00:00Z",
    "timezone_aware": "must be a time with its zone, as in 2026-12-24T08:00:00Z",
    "missing": "is missing",
    "extra_forbidden": "unknown key",
}
"""What the value must be, by the error type of the library."""


def describe_requirement(detail: ErrorDetails) -> str:
    """Return what the value must be: `must be a whole number`, `must be less than 3`."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in REQUIREMENTS:
        return REQUIREMENTS[kind]
    if kind == INVALID_SETTING:
        return detail["msg"]
    if "expected" in context:
        return f"must be {context['expected']}"
    if "pattern" in context:
        return f"must look like {context['pattern']}"
    if kind == "json_invalid":
        return f"is not JSON: {context['error']}"
    if "error" in context:
        return str(context["error"])
    return f"must {detail['msg'].removeprefix('Input should ').removeprefix('Value should ')}"


def describe_first_error(error: ValidationError) -> str:
    """Return place and requirement of the first error, without the value: `size: must be a whole number`."""
    first = error.errors(include_url=False, include_input=False)[0]
    key_path = ".".join(str(part) for part in first["loc"])
    return f"{key_path or 'body'}: {describe_requirement(first)}"

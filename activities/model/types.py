"""The bases of every model that is stored or part of a history, and the types that settings share."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

DAY_SECONDS = 86400.0

MetricKey = tuple[str, str]
"""(component, metric)."""
FloatArray = npt.NDArray[np.float64]
"""One row per series, one column per instant, NaN without a sample."""
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
"""A share or a probability, 0 to 1."""


class FrozenModel(BaseModel):
    """A frozen value.

    Wire rule: fields are only added, each with a default, and unknown ones are ignored. So a history or a row from a
    newer or older worker can be read. NaN and infinities are kept in JSON as strings: the values of a faulty exporter
    must stay visible in the record of a decision.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy as pydantic does, but refuse an unknown field, which pydantic would store without an error.

        Raises:
            TypeError: `update` names a field that the model does not have.
        """
        unknown = sorted(set(update or ()) - type(self).model_fields.keys())
        if unknown:
            raise TypeError(f"{type(self).__name__} has no field {', '.join(unknown)}")
        return super().model_copy(update=update, deep=deep)


class MigratedModel(FrozenModel):
    """A frozen value with fields that had another name in older histories and rows.

    `FORMER_NAMES` maps each former name to the present one. Reading accepts both, and the present name takes
    precedence. Writing uses the present name. A model that strictly reads Charter's replies must not be one.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _read_former_names(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or cls.FORMER_NAMES.keys().isdisjoint(data):
            return data
        former = {cls.FORMER_NAMES[key]: value for key, value in data.items() if key in cls.FORMER_NAMES}
        return former | {key: value for key, value in data.items() if key not in cls.FORMER_NAMES}


class Settings(BaseModel):
    """A section of the configuration. Strict: a misspelt key is refused and not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


INVALID_SETTING = "invalid_setting"
"""The error type of `invalid_setting`."""


def invalid_setting(text: str) -> PydanticCustomError:
    """Return the error for an invalid value of a setting; the text follows the value: `is "8 o'clock"; must be …`."""
    return PydanticCustomError(INVALID_SETTING, "{text}", {"text": text})


_DURATION_PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SECONDS_PER_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str) -> float | None:
    """Return the seconds of `60s`, `5m`, `1.5h`, `250ms` or `7d`, a whole number as int; None for any other text."""
    match = _DURATION_PATTERN.fullmatch(text.strip())
    if match is None:
        return None
    seconds = float(match[1]) * _SECONDS_PER_UNIT[match[2]]
    return int(seconds) if seconds.is_integer() else seconds


def _read_duration(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    seconds = value if is_number else parse_duration(value) if isinstance(value, str) else None
    if seconds is None:
        raise invalid_setting("must be a number of seconds, or a duration such as 90s, 5m, 2h or 1d")
    return seconds


_DURATION_SCHEMA = Field(json_schema_extra={"format": "duration"})

Duration = Annotated[float, BeforeValidator(_read_duration), Field(ge=0.0), _DURATION_SCHEMA]
"""Seconds, written as a number or as `90s`, `5m`, `2h` or `1d`. Every setting that is a time has this type."""
PositiveDuration = Annotated[float, BeforeValidator(_read_duration), Field(gt=0.0), _DURATION_SCHEMA]
WholeDuration = Annotated[int, BeforeValidator(_read_duration), Field(ge=1), _DURATION_SCHEMA]
"""A duration of whole seconds, one or more."""


def encode_json(value: object, *, allow_nan: bool = True) -> bytes:
    """Return `value` as compact JSON bytes with sorted keys: equal values have equal bytes.

    Raises:
        ValueError: a float is NaN or infinite, and `allow_nan` is False.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=allow_nan).encode()


def truncate(text: str, limit: int = 200) -> str:
    """Return `text` truncated to `limit` characters, with an ellipsis as the last one."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def with_outcome_prefix(outcome: str, text: str) -> str:
    """Return the text with its outcome in front, once: `fixed: violated pairs 3 → 0`."""
    return text if text.startswith(outcome) else f"{outcome}: {text}"

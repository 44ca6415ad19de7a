"""The base of every noun that crosses a workflow's history or the store."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator


class FrozenModel(BaseModel):
    """A frozen value.

    Wire rule: fields are only ever added, each with a default, and unknown ones are ignored, so that a
    history or a row written by a newer or older worker can still be read. NaN and infinities survive JSON
    as strings: a lying exporter must stay visible in the record of what was decided.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy as pydantic does, but refuse a key that is no field: pydantic would store it without a word.

        Raises:
            TypeError: `update` names a field that the model does not have.
        """
        unknown = sorted(set(update or ()) - type(self).model_fields.keys())
        if unknown:
            raise TypeError(f"{type(self).__name__} has no field {', '.join(unknown)}")
        return super().model_copy(update=update, deep=deep)


class MigratedModel(FrozenModel):
    """A frozen value some of whose fields had another name in histories and rows written before.

    `FORMER_NAMES` maps each former name to the present one. Reading takes both, and the present name wins; writing
    uses the present one. A model that Charter's answers are read into strictly cannot be one.
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
    """A section of the configuration: strict, so that a misspelt key is refused and not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def truncate(text: str, limit: int = 200) -> str:
    """Return `text` cut to `limit` characters, with an ellipsis as the last one if anything was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def with_outcome_prefix(outcome: str, text: str) -> str:
    """Return the text with its outcome in front, once: `fixed: violated pairs 3 → 0`."""
    return text if text.startswith(outcome) else f"{outcome}: {text}"

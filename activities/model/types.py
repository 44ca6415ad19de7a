"""The base of every noun that crosses a workflow's history or the store."""

from pydantic import BaseModel, ConfigDict


class Noun(BaseModel):
    """A frozen value.

    Wire rule: fields are only ever added, each with a default, and unknown ones are ignored, so that a
    history or a row written by a newer or older worker can still be read. NaN and infinities survive JSON
    as strings: a lying exporter must stay visible in the record of what was decided.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")


class Settings(BaseModel):
    """A section of the configuration: strict, so that a misspelt key is refused and not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def clipped(text: str, limit: int = 200) -> str:
    """Return `text` cut to `limit` characters, with an ellipsis as the last one if anything was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def headed(outcome: str, text: str) -> str:
    """Return the text with its outcome in front, once: `fixed: violated pairs 3 → 0`."""
    return text if text.startswith(outcome) else f"{outcome}: {text}"

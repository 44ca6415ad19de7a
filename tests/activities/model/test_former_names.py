"""Payloads written before fields were renamed: every former name is read, and no value is lost.

`former_payloads.json` holds one payload per model, written by the code before the renaming, with a value other than
the default in every field.
"""

import importlib
import json
import pkgutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import activities.model
from activities.model.types import MigratedModel

PAYLOADS: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "former_payloads.json").read_text())
DROPPED_FIELDS = {
    "AdaptiveLimits": {"outlooks"},  # never filled
    "AnalysisInput": {"outlooks"},  # never filled
    "Diagnosis": {"outlooks"},  # never filled
    "Plan": {"approval_deadline", "leading"},  # the settings of the worker and the present diagnosis decide
}
"""Former fields that no model has today; a payload with them is still read."""


def list_migrated_models() -> dict[str, type[MigratedModel]]:
    """Return every model that has former names, by its class name."""
    for module in pkgutil.iter_modules(activities.model.__path__):
        importlib.import_module(f"activities.model.{module.name}")
    return {model.__name__: model for model in MigratedModel.__subclasses__() if model.FORMER_NAMES}


MODELS = list_migrated_models()


def count_leaves(value: Any) -> Counter[str]:
    """Return how often each scalar is in a payload. The names below the top level have payloads of their own."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return sum(map(count_leaves, value), Counter[str]())
    return Counter([repr(value)])


def test_every_model_with_former_names_has_a_payload() -> None:
    """A model that gains a former name must show that it reads it."""
    assert MODELS.keys() == PAYLOADS.keys()


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_former_name_is_in_the_payload(name: str) -> None:
    """No former name is in a table without a payload that has it, and none is a present field too."""
    model = MODELS[name]
    assert model.FORMER_NAMES.keys() <= PAYLOADS[name].keys()
    assert model.FORMER_NAMES.keys().isdisjoint(model.model_fields)
    assert set(model.FORMER_NAMES.values()) <= model.model_fields.keys()


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_former_field_is_read(name: str) -> None:
    """Each value of a former payload is the value of its field today."""
    model, payload = MODELS[name], PAYLOADS[name]
    present = model.model_validate(payload)
    for former, value in payload.items():
        if former in DROPPED_FIELDS.get(name, set()):
            continue
        field = model.FORMER_NAMES.get(former, former)
        assert field in model.model_fields, f"{name}.{former} is lost"
        written = present.model_dump(mode="json", include={field})[field]
        assert count_leaves(value) <= count_leaves(written), f"{name}.{former} is lost"


@pytest.mark.parametrize("name", sorted(MODELS))
def test_what_was_read_is_written_with_the_present_names(name: str) -> None:
    """A former payload that is written again is read to the same value."""
    present = MODELS[name].model_validate(PAYLOADS[name])
    assert MODELS[name].model_validate_json(present.model_dump_json()) == present
    assert MODELS[name].FORMER_NAMES.keys().isdisjoint(present.model_dump())

"""Messages on invalid values: every setting with values of every type, in the words of the project."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from activities.model.errors import ConfigurationError
from activities.model.invalid_value import describe_first_error
from worker.config.document import KeyPath
from worker.config.load import PROCESS_SECTIONS, load_config
from worker.config.loops import LOOP_SECTIONS

LIBRARY_WORDS = re.compile(
    r"Value error|Assertion|[Ii]nput|should (?:be|have|match)|\b[Vv]alid |pydantic|ctx|Traceback|Extra |Field required"
)
SECTIONS = {**PROCESS_SECTIONS, **LOOP_SECTIONS}
WRONG_VALUES: tuple[Any, ...] = (None, "x", "", "2026-02-30", -1, 1.5, 10**30, True, [None], {"x": 1})


def iter_keys(model: type[BaseModel], prefix: KeyPath) -> Iterator[KeyPath]:
    """Yield the key path of every setting and section below a settings class; a list has one item, 0."""
    for name, field in model.model_fields.items():
        annotation, key_path = field.annotation, (*prefix, name)
        yield key_path
        items = [item for item in get_args(annotation) if isinstance(item, type) and issubclass(item, BaseModel)]
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from iter_keys(annotation, key_path)
        elif items:
            yield from iter_keys(items[0], (*key_path, 0))


def write_value(key_path: KeyPath, value: object) -> object:
    """Return the configuration that sets one key."""
    for part in reversed(key_path):
        value = [value] if part == 0 else {part: value}
    return value


@pytest.mark.parametrize("section", SECTIONS)
def test_no_message_has_the_words_of_a_library(tmp_path: Path, section: str) -> None:
    """Each invalid value of each setting is refused with place and requirement, one line per problem."""
    path = tmp_path / "mapek.yaml"
    lines = set()
    for key_path in [(section,), *iter_keys(SECTIONS[section], (section,))]:
        for value in WRONG_VALUES:
            path.write_text(json.dumps(write_value(key_path, value)))
            try:
                load_config(path, state=tmp_path / "state", environ={})
            except ConfigurationError as error:
                lines |= set(str(error).splitlines())
    assert len(lines) > 10
    assert [line for line in sorted(lines) if LIBRARY_WORDS.search(line)] == []
    assert [line for line in sorted(lines) if not re.match(r"\S+mapek\.yaml:\d+: \S+: \S", line)] == []


class Answer(BaseModel):
    """An answer of a remote, with a value of each type."""

    count: int = 0
    share: float = 0.0
    name: str = ""
    at: AwareDatetime | None = None
    members: list[int] = []


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('{"count": "x"}', "count: must be a whole number"),
        ('{"share": []}', "share: must be a number"),
        ('{"name": 5}', "name: must be text"),
        ('{"at": "soon"}', "at: must be a time, as in"),
        ('{"at": "2026-01-01T00:00:00"}', "at: must be a time with its zone"),
        ('{"members": [1, null]}', "members.1: must be a whole number"),
        ("[]", "body: must be a mapping"),
        ("{", "body: is not JSON: EOF"),
    ],
)
def test_an_invalid_answer_is_described_in_plain_words(body: str, text: str) -> None:
    """The description has the place and the requirement, and not the value."""
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(Answer).validate_json(body, strict=True)
    described = describe_first_error(refused.value)
    assert described.startswith(text)
    assert not LIBRARY_WORDS.search(described)

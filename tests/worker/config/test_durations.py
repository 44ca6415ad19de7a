"""Durations: every setting that is a time takes seconds or a text with a unit."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from activities.model.types import parse_duration
from deploy.tools.reference.settings import build_settings_page
from tests.worker.config.test_load import load_refused, load_written_config
from worker.config.document import KeyPath, format_key_path, parse_document
from worker.config.load import PROCESS_SECTIONS
from worker.config.loops import LOOP_SECTIONS


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("60s", 60),
        ("5m", 300),
        ("1.5h", 5400),
        ("250ms", 0.25),
        ("7d", 604800),
        ("5", None),
        ("m", None),
        ("-5s", None),
    ],
)
def test_duration_texts(text: str, value: float | None) -> None:
    """A duration is read in seconds; any other text is no duration."""
    assert parse_duration(text) == value


def iter_duration_keys(model: type[BaseModel], prefix: KeyPath) -> Iterator[KeyPath]:
    """Yield the key path of every duration below a settings class; a list has one item, 0."""
    for name, field in model.model_fields.items():
        annotation, key_path = field.annotation, (*prefix, name)
        items = [item for item in get_args(annotation) if isinstance(item, type) and issubclass(item, BaseModel)]
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from iter_duration_keys(annotation, key_path)
        elif items:
            yield from iter_duration_keys(items[0], (*key_path, 0))
        elif "'format': 'duration'" in str(model.model_json_schema()["properties"][name]):
            yield key_path


LIST_ENTRIES: dict[str, dict[str, Any]] = {
    "windows": {"name": "w", "cron": "0 22 * * *"},
    "targets": {"name": "ops", "kind": "webhook", "address": "https://ops.example"},
}
"""Minimal entries of the lists that contain durations."""

DURATION_KEYS = [
    key_path
    for section, model in {**PROCESS_SECTIONS, **LOOP_SECTIONS}.items()
    for key_path in iter_duration_keys(model, (section,))
]


def write_duration(key_path: KeyPath, value: object) -> dict[str, Any]:
    """Return the configuration that sets one duration."""
    settings: Any = [value] if key_path[-1] == "recheck_seconds" else value
    for index in range(len(key_path) - 1, -1, -1):
        key = key_path[index]
        settings = [LIST_ENTRIES[str(key_path[index - 1])] | settings] if key == 0 else {key: settings}
    return settings if isinstance(settings, dict) else {}


def test_every_time_in_seconds_is_a_duration() -> None:
    """No number in the reference is documented in seconds without being a duration."""
    text = build_settings_page()
    rows = [
        line for line in text.splitlines() if re.match(r"\| `\S*(seconds|interval|window|delay)` \|.*\|.*\|.*\|", line)
    ]
    assert [row for row in rows if not re.search(r"\| (list of )?duration", row)] == []
    assert len(rows) >= 15


@pytest.mark.parametrize("key_path", DURATION_KEYS, ids=format_key_path)
def test_every_duration_is_written_as_a_number_or_with_a_unit(tmp_path: Path, key_path: KeyPath) -> None:
    """`30s` is 30, in lists too; other texts are refused with examples."""
    written = load_written_config(tmp_path, write_duration(key_path, "30s"))
    number = load_written_config(tmp_path, write_duration(key_path, 30))
    assert written.model_dump() == number.model_dump()
    (problem,) = load_refused(tmp_path, write_duration(key_path, "soon"))
    assert 'is "soon"; must be a number of seconds, or a duration such as 90s, 5m, 2h or 1d' in problem


def test_free_form_values_are_never_rewritten(tmp_path: Path) -> None:
    """Parameters of a policy are data, also where a key has the name of a duration."""
    parameters = {"window": "60s", "delay": "5m", "kept": 1, "leave": 2}
    config = load_written_config(tmp_path, {"plan": {"known_policies": [{"name": "p", "parameters": parameters}]}})
    assert config.loops[0].plan.known_policies[0].parameters == parameters


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("8:00", "480"),
        ("010001", "4097"),
        ("00", "0"),
        ("1:30:00", "5400"),
        ("-010", "-8"),
        ("1:30.5", "90.5"),
        ("190:20:30", "685230"),
        ("0b11", "3"),
        ("1_000", "1000"),
        ("1_000.5", "1000.5"),
        ("on", "true"),
        ("Off", "false"),
        ("yes", "true"),
        ("NO", "false"),
    ],
)
def test_scalars_that_yaml_reads_otherwise_are_refused(tmp_path: Path, value: str, read: str) -> None:
    """Other bases, underscores and words for booleans are refused with the two ways to write the value.

    Quoted text stays text, and free-form data is refused alike: it would reach Charter as another value.
    """
    for text in (
        f"plan: {{settle_seconds: {value}}}",
        f"plan: {{known_policies: [{{name: p, parameters: {{at: {value}}}}}]}}",
    ):
        (problem, *_) = load_refused(tmp_path, text)
        assert f'is {value}, which YAML reads as {read}; write {read}, or "{value}" for text' in problem
    quoted = f'plan: {{known_policies: [{{name: p, parameters: {{at: "{value}"}}}}]}}'
    assert load_written_config(tmp_path, quoted).loops[0].plan.known_policies[0].parameters == {"at": value}


@pytest.mark.parametrize(
    ("value", "read"),
    [
        *(
            ("0", 0),
            ("-3", -3),
            ("+3", 3),
            ("0x1F", 31),
            (".5", 0.5),
            ("1.0e+3", 1000.0),
            ("true", True),
            ("False", False),
        ),
        *(("1e3", "1e3"), ("08", "08"), ("0o17", "0o17"), ("1,000", "1,000"), ("y", "y"), ("~", None), ("", None)),
        *(("2026-12-24", "2026-12-24"), ("2026-12-24T08:00:00Z", "2026-12-24T08:00:00Z")),
    ],
)
def test_scalars_that_yaml_reads_as_they_show_are_kept(value: str, read: object) -> None:
    """Plain numbers, booleans, nulls and dates are values; other texts stay text."""
    document = parse_document(f"key: {value}", "file")
    assert (document.data, document.problems) == ({"key": read}, [])


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (".inf", "must be a finite number"),
        ("-.INF", "must be a finite number"),
        (".nan", "must be a finite number"),
        ("2026-13-45", "put it in quotes if it is text"),
        ("=", "put it in quotes if it is text"),
        ("~", "is null; must be a number of seconds"),
        ("", "is null; must be a number of seconds"),
        ("2026-12-24", 'is "2026-12-24"; must be a number of seconds'),
        ("1e3", 'is "1e3"; must be a number of seconds'),
    ],
)
def test_odd_scalars_are_refused_for_a_number(tmp_path: Path, value: str, problem: str) -> None:
    """Infinite numbers, impossible dates, nulls and texts are refused, and never become 0 or a default."""
    assert problem in load_refused(tmp_path, f"plan:\n  settle_seconds: {value}")[0]

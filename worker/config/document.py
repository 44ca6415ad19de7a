"""Reading a YAML file with the line of every value, within limits of size, depth and aliases.

A file is one document of mappings, sequences and plain scalars. Keys stay as written (`on` is "on"), and dates stay
text. A key given twice and a value that YAML reads as another one than it shows (`8:00`, `010`, `1_000`, `on`) are
refused.
"""

import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from activities.model.errors import ConfigurationError

MAX_BYTES = 256 * 1024
MAX_ALIASES = 100
MAX_DEPTH = 20
MAX_EXPANDED_VALUES = 20_000
"""Values after all aliases are followed. Aliases of aliases grow without limit otherwise."""

KeyPath = tuple[str | int, ...]
"""Keys and indices from the root to a value: ("loops", 0, "name")."""

_SCALAR_TYPES = (str, int, float, bool, type(None))
_PLAIN_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*|0x[0-9a-fA-F]+|[0-9]*\.[0-9]*([eE][-+]?[0-9]+)?)")
"""The numbers that YAML reads as they show. It reads 010 as 8, 8:00 as 480, 0b11 as 3 and 1_000 as 1000."""


@dataclass
class Document:
    """The values of a file, the line of each, and the problems found so far.

    `origins[key_path]` is `file:line` of a key or of an item of a sequence. Each problem is a complete line of text.
    """

    data: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def set_value(self, key_path: KeyPath, value: Any, origin: str) -> None:
        """Set a value and its origin. A value on the path that is not a mapping is replaced by one."""
        target = self.data
        for key in key_path[:-1]:
            inner = target.get(str(key))
            target = inner if isinstance(inner, dict) else target.setdefault(str(key), {})
        target[str(key_path[-1])] = value
        self.origins[key_path] = origin

    def get_value(self, key_path: KeyPath) -> Any:
        """Return the value at `key_path`, None if there is none."""
        value: Any = self.data
        for part in key_path:
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value

    def find_origin(self, key_path: KeyPath) -> str:
        """Return the origin of `key_path`, or of the nearest value above it that was given."""
        while key_path and key_path not in self.origins:
            key_path = key_path[:-1]
        return self.origins.get(key_path, "configuration")

    def add_problem(self, key_path: KeyPath, text: str) -> None:
        """Add a problem of `key_path`, unless the key path has one already."""
        start = f"{self.find_origin(key_path)}: {format_key_path(key_path)}: "
        if not any(line.startswith(start) for line in self.problems):
            self.problems.append(start + text)

    def format_problems(self) -> str:
        """Return the problems in the order of the file, one per line."""
        return "\n".join(sorted(self.problems, key=_parse_line_number))


def format_key_path(key_path: KeyPath) -> str:
    """Return a key path as text: `loops[0].monitor.metrics[2].name`."""
    text = ""
    for part in key_path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _parse_line_number(problem: str) -> int:
    number = re.match(r".*?:(\d+): ", problem)
    return int(number[1]) if number else 0


def read_document(path: Path) -> Document:
    """Return the values of a file.

    Raises:
        ConfigurationError: the file cannot be read, is too large, or is not YAML.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise ConfigurationError(f"{path}: larger than {MAX_BYTES // 1024} KiB; a configuration is a few hundred lines")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    return parse_document(text, str(path))


def parse_document(text: str, name: str) -> Document:
    """Return the values of YAML text; `name` is the file name in messages.

    Raises:
        ConfigurationError: the text is not YAML, not one mapping, or beyond a limit.
    """
    try:
        _enforce_yaml_limits(text, name)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = f"{name}:{mark.line + 1}" if mark else name
        raise ConfigurationError(f"{position}: not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{name}: not YAML: {' '.join(str(error).split())}") from None
    if node is None:
        return Document()
    if not isinstance(node, yaml.MappingNode):
        raise ConfigurationError(f"{name}:1: not a mapping; a configuration is `section:` with its keys below")
    reader = _NodeReader(name)
    data = reader.read_value(node, ())
    return Document(data, reader.origins, reader.problems)


def parse_scalar(text: str) -> Any:
    """Return a value as a file would give it: `5` is a number, `[a, b]` a list, `a: b` stays text."""
    try:
        document = parse_document(f"value: {text}", "value")
    except ConfigurationError:
        return text
    return text if document.problems or set(document.data) != {"value"} else document.data["value"]


def _enforce_yaml_limits(text: str, name: str) -> None:
    depth = aliases = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        position = f"{name}:{event.start_mark.line + 1}" if event.start_mark else name
        if isinstance(event, yaml.AliasEvent):
            aliases += 1
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if aliases > MAX_ALIASES:
            raise ConfigurationError(f"{position}: more than {MAX_ALIASES} aliases; write the values out")
        if depth > MAX_DEPTH:
            raise ConfigurationError(f"{position}: nested deeper than {MAX_DEPTH} levels")


def _is_read_otherwise(value: Any, text: str) -> bool:
    """Return whether YAML reads another value than the text shows."""
    if isinstance(value, bool):
        return text.lower() not in ("true", "false")
    return isinstance(value, int | float) and not _PLAIN_NUMBER.fullmatch(text)


class _NodeReader:
    """Converts nodes into values and records the line of each."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.origins: dict[KeyPath, str] = {}
        self.problems: list[str] = []
        self._scalars = yaml.SafeLoader("")
        self._value_count = 0

    def read_value(self, node: yaml.Node, key_path: KeyPath) -> Any:
        self._value_count += 1
        if self._value_count > MAX_EXPANDED_VALUES or len(key_path) > MAX_DEPTH:
            raise ConfigurationError(
                f"{self._format_position(node)}: aliases expand beyond {MAX_EXPANDED_VALUES} values; write them out"
            )
        if isinstance(node, yaml.MappingNode):
            return self._read_mapping(node, key_path)
        if isinstance(node, yaml.SequenceNode):
            return [self._read_item(child, (*key_path, index)) for index, child in enumerate(node.value)]
        return self._read_scalar(node, key_path)

    def _read_item(self, node: yaml.Node, key_path: KeyPath) -> Any:
        self.origins[key_path] = self._format_position(node)
        return self.read_value(node, key_path)

    def _read_mapping(self, node: yaml.MappingNode, key_path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, child in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                self._add_problem(
                    key, key_path, "contains a key that is not plain text; write `key: value` without merge keys"
                )
                continue
            inner = (*key_path, key.value)
            if key.value in values:
                self._add_problem(key, inner, f"is given twice (first at {self.origins[inner]}); keep one of them")
                continue
            self.origins[inner] = self._format_position(key)
            values[key.value] = self.read_value(child, inner)
        return values

    def _read_scalar(self, node: yaml.Node, key_path: KeyPath) -> Any:
        try:
            value = self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError):
            self._add_problem(
                node, key_path, f"cannot be read as {node.tag.rpartition(':')[2]}; put it in quotes if it is text"
            )
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self._add_problem(node, key_path, f"is {node.value}; must be a finite number")
            return 0.0
        if _is_read_otherwise(value, node.value):
            read = json.dumps(value)
            text = f'is {node.value}, which YAML reads as {read}; write {read}, or "{node.value}" for text'
            self._add_problem(node, key_path, text)
        return value if isinstance(value, _SCALAR_TYPES) else str(node.value)

    def _add_problem(self, node: yaml.Node, key_path: KeyPath, text: str) -> None:
        self.problems.append(f"{self._format_position(node)}: {format_key_path(key_path) or 'file'}: {text}")

    def _format_position(self, node: yaml.Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}"


def deep_merge(base: Any, override: Any) -> Any:
    """Merge `override` into `base`: mappings key by key; any other value replaces, None does not."""
    if not isinstance(override, dict):
        return base if override is None else override
    merged = dict(base) if isinstance(base, dict) else {}
    return {**merged, **{key: deep_merge(merged.get(key), value) for key, value in override.items()}}

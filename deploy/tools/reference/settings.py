"""The reference page of the configuration, from types, defaults and docstrings of the settings."""

import ast
import inspect
import itertools
import json
import textwrap
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined, to_jsonable_python

from activities.settings import LoopSettings
from deploy.tools.reference.table import markdown_code, markdown_page, markdown_table
from worker.config.document import format_key_path
from worker.config.legacy import IGNORED_ORIGINAL_KEYS, REFUSED_FORMER_KEYS
from worker.config.load import Config
from worker.config.schema import LoopEntry
from worker.config.sources import ENV_KEYS, ENV_SPECIAL, SECRET_KEYS

TABLE_HEADER = ("Key", "Value", "Default", "Meaning")
MAX_DEFAULT_CHARS = 60
"""Characters of a default that are shown."""

INTRODUCTION = (
    "One YAML file: `--config`, `MAPEK_CONFIG`. The environment and the flags override it; `MAPEK__SECTION__KEY` "
    "sets any key but those of `loops`. "
    "`mapek config check` reports an invalid key, type or combination with its line."
)


def build_settings_page() -> str:
    """Return the page of all keys."""
    sections = {name: model for name, model in iter_section_models(Config) if name != "loops"}
    sections |= dict(iter_section_models(LoopSettings))
    blocks = [render_section(name, model) for name, model in sections.items() if issubclass(model, BaseModel)]
    return markdown_page(
        "Configuration",
        INTRODUCTION,
        *blocks,
        render_section("loops[]", LoopEntry),
        render_environment(),
        render_replaced_keys(),
        render_renamed_keys(),
    )


def iter_section_models(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the fields of a model that are sections."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel) and name != "topology":
            yield name, field.annotation


def render_section(name: str, model: type[BaseModel]) -> str:
    """Return the table of one section, with the keys of its inner sections."""
    description = textwrap.dedent(inspect.getdoc(model) or "")
    return "\n\n".join(
        [f"## {name}", " ".join(description.split()), markdown_table(TABLE_HEADER, iter_rows("", model))]
    )


def iter_rows(key_prefix: str, model: type[BaseModel]) -> Iterator[tuple[str, str, str, str]]:
    """Yield a row for each key below a model."""
    docstrings, schema = read_field_docstrings(model), model.model_json_schema()
    for name, field in model.model_fields.items():
        key = f"{key_prefix}{name}"
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from iter_rows(f"{key}.", inner)
            continue
        kind = describe_type(schema["properties"][name], schema.get("$defs", {}))
        yield markdown_code(key), kind, format_default(field), docstrings.get(name, "")
        for entry in get_args(inner):
            if isinstance(entry, type) and issubclass(entry, BaseModel):
                yield from iter_rows(f"{key}[].", entry)


def read_field_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstring below each field of a class and of its bases."""
    docstrings: dict[str, str] = {}
    for kind in reversed([kind for kind in model.__mro__ if issubclass(kind, BaseModel) and kind is not BaseModel]):
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
        lines = body.body if isinstance(body, ast.ClassDef) else []
        for field, text in itertools.pairwise(lines):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(field.target, ast.Name):
                docstrings[field.target.id] = str(ast.literal_eval(text.value))
    return docstrings


def describe_type(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return the type and the limits of a value in words."""
    if "$ref" in schema:
        return describe_type(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return " or ".join(
            dict.fromkeys(
                describe_type(option, definitions) for option in schema["anyOf"] if option.get("type") != "null"
            )
        )
    if "enum" in schema or "const" in schema:
        return ", ".join(markdown_code(str(value)) for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        inner = schema.get("items") or {}
        return f"list of {describe_type(inner, definitions)}" if inner else "list"
    kind = "duration" if schema.get("format") == "duration" else schema.get("type", "any")
    return f"{kind}{describe_bounds(schema)}"


def describe_bounds(schema: dict[str, Any]) -> str:
    """Return the limits of a number."""
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    # For a type with a validator, pydantic writes its own names of the bounds.
    signs |= {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    limits = [f"{sign} {schema[name]:g}" for name, sign in signs.items() if name in schema]
    return f", {', '.join(limits)}" if limits else ""


def format_default(field: Any) -> str:
    """Return a default in YAML, truncated to `MAX_DEFAULT_CHARS`."""
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    text = json.dumps(to_jsonable_python(value), ensure_ascii=False)
    return (
        markdown_code(text if len(text) <= MAX_DEFAULT_CHARS else f"{text[: MAX_DEFAULT_CHARS - 1]}…")
        if value is not None
        else ""
    )


def render_environment() -> str:
    """Return the table of the environment variables that have their own names."""
    variables = [(markdown_code(name), markdown_code(format_key_path(key_path))) for name, key_path in ENV_KEYS.items()]
    secrets = [
        (markdown_code(name), f"{markdown_code(format_key_path(key_path))}: a secret, refused in the file")
        for key_path, (name, _) in SECRET_KEYS.items()
    ]
    others = [(markdown_code(name), meaning) for name, meaning in ENV_SPECIAL.items()]
    return "\n\n".join(["## Environment", markdown_table(("Variable", "Sets"), [*variables, *secrets, *others])])


def render_replaced_keys() -> str:
    """Return the table of keys that are accepted and change nothing."""
    rows = [(markdown_code(format_key_path(key_path)), advice) for key_path, advice in IGNORED_ORIGINAL_KEYS.items()]
    return "\n\n".join(["## Keys of the original that change nothing", markdown_table(("Key", "Instead"), rows)])


def render_renamed_keys() -> str:
    """Return the table of former keys, which are refused."""
    rows = [(markdown_code(former), markdown_code(present)) for former, present, _ in REFUSED_FORMER_KEYS]
    return "\n\n".join(["## Former keys, which are refused", markdown_table(("Key", "New name"), rows)])

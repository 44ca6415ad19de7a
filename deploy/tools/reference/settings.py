"""Every key of the configuration, from the settings' own types, defaults and docstrings."""

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
from deploy.tools.reference.table import code, page, table
from worker.config.document import dotted
from worker.config.legacy import REPLACED
from worker.config.load import Config
from worker.config.schema import LoopEntry
from worker.config.sources import OTHERS, SECRETS, TEXTS

HEAD = ("Key", "Value", "Default", "Meaning")
LONGEST = 60
"""Characters of a default that are shown."""

ABOUT = (
    "One YAML file: `--config`, `MAPEK_CONFIG`. Above it stand the environment and the flags; `MAPEK__SECTION__KEY` "
    "sets any key but those of `loops`. `mapek config check` refuses a wrong key, type or combination, with its line."
)


def settings_page() -> str:
    """Return the page of all keys."""
    sections = {name: model for name, model in models(Config) if name != "loops"}
    sections |= dict(models(LoopSettings))
    blocks = [section(name, model) for name, model in sections.items() if issubclass(model, BaseModel)]
    return page("Configuration", ABOUT, *blocks, section("loops[]", LoopEntry), environment(), replaced())


def models(whole: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the fields of a model that are sections."""
    for name, field in whole.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel) and name != "topology":
            yield name, field.annotation


def section(name: str, model: type[BaseModel]) -> str:
    """Return one section's table; a section within it is told key by key."""
    about = textwrap.dedent(inspect.getdoc(model) or "")
    return "\n\n".join([f"## {name}", " ".join(about.split()), table(HEAD, rows("", model))])


def rows(above: str, model: type[BaseModel]) -> Iterator[tuple[str, str, str, str]]:
    """Yield a row for each key below a model."""
    said, schema = docstrings(model), model.model_json_schema()
    for name, field in model.model_fields.items():
        key = f"{above}{name}"
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from rows(f"{key}.", inner)
            continue
        kind = kind_of(schema["properties"][name], schema.get("$defs", {}))
        yield code(key), kind, default_of(field), said.get(name, "")
        for entry in get_args(inner):
            if isinstance(entry, type) and issubclass(entry, BaseModel):
                yield from rows(f"{key}[].", entry)


def docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return the text under each field of a class and of those it comes from."""
    found: dict[str, str] = {}
    for kind in reversed([kind for kind in model.__mro__ if issubclass(kind, BaseModel) and kind is not BaseModel]):
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
        lines = body.body if isinstance(body, ast.ClassDef) else []
        for field, text in itertools.pairwise(lines):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(field.target, ast.Name):
                found[field.target.id] = str(ast.literal_eval(text.value))
    return found


def kind_of(schema: dict[str, Any], named: dict[str, Any]) -> str:
    """Return what a value has to be, in words."""
    if "$ref" in schema:
        return kind_of(named[schema["$ref"].rpartition("/")[2]], named)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(kind_of(one, named) for one in schema["anyOf"] if one.get("type") != "null"))
    if "enum" in schema or "const" in schema:
        return ", ".join(code(str(one)) for one in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        inner = schema.get("items") or {}
        return f"list of {kind_of(inner, named)}" if inner else "list"
    return f"{schema.get('type', 'any')}{bounds(schema)}"


def bounds(schema: dict[str, Any]) -> str:
    """Return a number's limits."""
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {schema[name]:g}" for name, sign in signs.items() if name in schema]
    return f", {', '.join(limits)}" if limits else ""


def default_of(field: Any) -> str:
    """Return a default as YAML would have it, shortened if it is long."""
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "needed"
    text = json.dumps(to_jsonable_python(value), ensure_ascii=False)
    return code(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…") if value is not None else ""


def environment() -> str:
    """Return the table of variables with a name of their own."""
    texts = [(code(name), code(dotted(place))) for name, place in TEXTS.items()]
    secrets = [
        (code(name), f"{code(dotted(place))}: a secret, refused in the file") for place, (name, _) in SECRETS.items()
    ]
    others = [(code(name), meaning) for name, meaning in OTHERS.items()]
    return "\n\n".join(["## Environment", table(("Variable", "Sets"), [*texts, *secrets, *others])])


def replaced() -> str:
    """Return the table of keys that are accepted and change nothing."""
    gone = [(code(dotted(place)), instead) for place, instead in REPLACED.items()]
    return "\n\n".join(["## Keys of the original that change nothing", table(("Key", "Instead"), gone)])

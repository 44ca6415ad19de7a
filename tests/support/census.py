"""Count the names of the project and those that break its naming rules: `python -m tests.support.census`.

The rules are in CONTRIBUTING.md, "Names". Every count but the totals must be 0; `tests/test_census.py` holds it.
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("workflows", "activities", "worker", "deploy", "tests")
MAX_CRUMB_LINES = 30

REGULAR_PARTICIPLE = re.compile(r"[a-z]+(?:ed|ing)")
_IRREGULAR_PARTICIPLES = (
    "told seen held made kept begun known left found given taken sent asked heard shown drawn frozen said done gone "
    "written thrown undone stood meant laid lent borne bound built bought caught chosen cut driven eaten fallen felt "
    "forgotten gotten grown hidden lost met paid put read run sold spent spoken stolen struck taught thought torn "
    "understood won worn wound"
)
_NOT_PARTICIPLES = "read run put cut bound feed seed need speed embed string timing ping pending"
"""Words that look like a participle and are a verb, a noun or an adjective that reads as a predicate."""

_BANNED_NAMES = "told seen odd held mine what about whose thing standing wanted asked begun who why ask say"
"""Names that say nothing of the declaration they name; no function, parameter or local variable has one."""


@dataclass(frozen=True)
class Declaration:
    """One declaration: `kind` is function, method, class, constant, parameter or local."""

    path: str
    line: int
    kind: str
    name: str

    def __str__(self) -> str:
        """Return `path:line kind name`."""
        return f"{self.path}:{self.line} {self.kind} {self.name}"


@dataclass(frozen=True)
class Census:
    """What was counted; the tuples hold the offenders."""

    names: Mapping[str, int]
    participles: tuple[Declaration, ...]
    banned: tuple[Declaration, ...]
    crumbs: tuple[str, ...]
    untyped: tuple[Declaration, ...]
    ambiguous: tuple[str, ...]


_SHARED_NAMES = ("main", "log", "T")
"""An entry point, a module's logger and a type variable mean the same in every module."""


def take_census() -> Census:
    """Return the census of this checkout."""
    modules = {path: ast.parse(path.read_text(encoding="utf-8")) for path in list_sources()}
    declarations = [declaration for path, tree in modules.items() for declaration in list_names(path, tree)]
    return Census(
        names={
            room: sum(
                declaration.path.startswith(f"{room}/") and is_public(declaration) for declaration in declarations
            )
            for room in ROOMS
        },
        participles=tuple(declaration for declaration in declarations if is_bare_participle(declaration)),
        banned=tuple(
            declaration for declaration in declarations if declaration.name.lstrip("_") in _BANNED_NAMES.split()
        ),
        crumbs=tuple(sorted(find_crumbs(modules))),
        untyped=tuple(declaration for path, tree in modules.items() for declaration in find_untyped(path, tree)),
        ambiguous=tuple(sorted(find_ambiguous(modules))),
    )


def list_sources() -> list[Path]:
    """Return every Python file of the project."""
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def is_public(declaration: Declaration) -> bool:
    """Return whether the name can be used from another file."""
    return declaration.kind in ("function", "method", "class", "constant") and not declaration.name.startswith("_")


def is_bare_participle(declaration: Declaration) -> bool:
    """Return whether a function or method is named by one participle, which says neither verb nor predicate."""
    word = declaration.name.lstrip("_")
    if declaration.kind not in ("function", "method") or word in _NOT_PARTICIPLES.split():
        return False
    return word in _IRREGULAR_PARTICIPLES.split() or REGULAR_PARTICIPLE.fullmatch(word) is not None


def list_names(path: Path, tree: ast.Module) -> Iterator[Declaration]:
    """Yield every declaration of a module, parameters and local variables included."""
    yield from _list_scope(str(path.relative_to(ROOT)), tree, "module")


def _list_scope(path: str, scope: ast.AST, kind: str) -> Iterator[Declaration]:
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not _is_property(node):
                yield Declaration(path, node.lineno, "method" if kind == "class" else "function", node.name)
            for argument in _arguments(node):
                yield Declaration(path, argument.lineno, "parameter", argument.arg)
            yield from _list_scope(path, node, "function")
        elif isinstance(node, ast.ClassDef):
            yield Declaration(path, node.lineno, "class", node.name)
            yield from _list_scope(path, node, "class")
        else:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                named = {"module": "constant", "function": "local"}.get(kind)
                if named:
                    yield Declaration(path, node.lineno, named, node.id)
            yield from _list_scope(path, node, kind)


def find_untyped(path: Path, tree: ast.Module) -> Iterator[Declaration]:
    """Yield the functions that lack the type of a parameter or of what they return."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
            node.returns is None or any(argument.annotation is None for argument in _arguments(node))
        ):
            yield Declaration(str(path.relative_to(ROOT)), node.lineno, "function", node.name)


def find_crumbs(modules: Mapping[Path, ast.Module]) -> Iterator[str]:
    """Yield the product's files of at most 30 lines that one other file alone imports."""
    importers: dict[str, set[Path]] = {}
    for path, tree in modules.items():
        if not path.is_relative_to(ROOT / "tests"):
            for module in _imported_modules(tree):
                importers.setdefault(module, set()).add(path)
    for path in modules:
        relative = path.relative_to(ROOT)
        if relative.parts[0] == "tests" or relative.stem.startswith("__") or "migrations" in relative.parts:
            continue
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines <= MAX_CRUMB_LINES and len(importers.get(".".join(relative.with_suffix("").parts), ())) == 1:
            yield str(relative)


def find_ambiguous(modules: Mapping[Path, ast.Module]) -> Iterator[str]:
    """Yield the public names that two modules of one room of the product define."""
    owners: dict[tuple[str, str], list[str]] = {}
    for path, tree in modules.items():
        relative = path.relative_to(ROOT)
        if relative.parts[0] == "tests" or "migrations" in relative.parts:
            continue
        room = "/".join(relative.parts[: max(1, min(2, len(relative.parts) - 1))])
        for name in _top_level_names(tree):
            owners.setdefault((room, name), []).append(str(relative))
    for (room, name), paths in owners.items():
        if len(paths) > 1:
            yield f"{room}: {name} in {', '.join(paths)}"


def _top_level_names(tree: ast.Module) -> set[str]:
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    names |= {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return {name for name in names if not name.startswith("_") and name not in _SHARED_NAMES}


def _imported_modules(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
    return [argument for argument in every if argument is not None and argument.arg not in ("self", "cls")]


def _is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(
        (isinstance(decorator, ast.Name) and decorator.id in ("property", "cached_property"))
        or (isinstance(decorator, ast.Attribute) and decorator.attr in ("fixture", "setter"))
        or (isinstance(decorator, ast.Call) and getattr(decorator.func, "attr", "") == "fixture")
        for decorator in node.decorator_list
    )


def main(arguments: list[str]) -> int:
    """Print the census, with `--all` every offender; return 1 if anything breaks a rule."""
    census = take_census()
    for room, count in census.names.items():
        print(f"{room:<12} {count:>6} public names")
    offences = {
        "functions named by a bare participle": census.participles,
        "banned names": census.banned,
        f"files of at most {MAX_CRUMB_LINES} lines with one importer": census.crumbs,
        "functions without complete types": census.untyped,
        "public names with two meanings in a room": census.ambiguous,
    }
    for title, found in offences.items():
        print(f"{len(found):>6} {title}")
        if "--all" in arguments:
            print("".join(f"         {offender}\n" for offender in found), end="")
    return 1 if any(offences.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The allowed imports between the rooms, and the purity of the deciding code."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PRODUCT_PACKAGES = ("workflows", "activities", "worker", "deploy")
PHASES = ("monitor", "analyze", "plan", "execute", "knowledge")

MAY_IMPORT: dict[str, set[str]] = {
    "activities.model": set(),
    "activities.sanitize": set(),
    "activities.kill_switch": {"activities.model", "activities.sanitize"},
    "activities.clients": {"activities.model", "activities.sanitize"},
    "activities.monitor": {"activities.model", "activities.sanitize"},
    "activities.analyze": {"activities.model", "activities.monitor"},
    "activities.knowledge": {"activities.model"},
    "activities.plan": {"activities.model", "activities.monitor", "activities.analyze", "activities.knowledge"},
    "activities.execute": {"activities.model", *(f"activities.{phase}" for phase in PHASES)},
    "activities.notify": {"activities.model", "activities.sanitize"},
    "activities.settings": {"activities.model", *(f"activities.{phase}" for phase in PHASES)},
    "activities.decision": {
        "activities.model",
        "activities.settings",
        *(f"activities.{phase}" for phase in PHASES if phase != "execute"),
    },
    "activities.readings": {
        "activities.model",
        "activities.clients",
        "activities.dependencies",
        "activities.settings",
        *(f"activities.{phase}" for phase in PHASES),
    },
    "activities.dependencies": {"activities.model", "activities.clients", "activities.settings"},
    "activities.heartbeat": set(),
    "activities.singleflight": set(),
    "activities.upkeep": {"activities.model", *(f"activities.{phase}" for phase in PHASES if phase != "execute")},
    "workflows": {"activities"},
    "worker": {"activities", "workflows"},
    "deploy.simulator": set(),
    "deploy.tools.dashboards": {"deploy.tools.generated"},
    "deploy.tools.generated": set(),
    "deploy.tools": set(),
    "deploy.tools.release": {"deploy.tools.generated"},
    "deploy.tools.reference": {"activities", "workflows", "worker", "deploy.tools.generated"},
    "deploy.devstack": {"activities", "workflows", "worker"},
}
"""Room → rooms it may import, besides itself; a name includes everything below it."""

ACTIVITY_MAY_IMPORT: set[str] = {
    "activities.clients",
    "activities.notify",
    "activities.readings",
    "activities.dependencies",
    "activities.heartbeat",
    "activities.singleflight",
    "activities.decision",
    "activities.settings",
}
"""What an `activity.py`, the Temporal side of its room, may import in addition."""

IMPURE_MODULES = frozenset(
    (
        *("temporalio", "httpx", "asyncio", "time", "random", "os", "sqlite3"),
        *("prometheus_client", "sqlalchemy", "socket", "threading", "logging"),
    )
)
CLOCK_FUNCTIONS = frozenset({"now", "utcnow", "today"})


def list_sources() -> list[Path]:
    """Return every module of the product."""
    return [
        path for top in ("workflows", "activities", "worker", "deploy") for path in sorted((ROOT / top).rglob("*.py"))
    ]


def module_name(path: Path) -> str:
    """Return the dotted name of a module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def list_imports(path: Path) -> set[str]:
    """Return the dotted names a module imports anywhere."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def find_room(module: str) -> str | None:
    """Return the room of a module, None if it has none."""
    return next((room for room in sorted(MAY_IMPORT, key=len, reverse=True) if is_within(module, room)), None)


def is_within(module: str, room: str) -> bool:
    """Return whether a module is a room or in it."""
    return module == room or module.startswith(room + ".")


def is_pure(path: Path) -> bool:
    """Return whether a module must be pure: the deciding code and the models."""
    parts = path.relative_to(ROOT).parts
    if parts[0] != "activities" or path.name == "activity.py":
        return False
    return parts[1] in ("model", "notify", "decision.py", "settings.py", *PHASES)


@pytest.mark.parametrize("path", list_sources(), ids=module_name)
def test_imports_follow_the_arrows(path: Path) -> None:
    """A room imports only the rooms it may."""
    room = find_room(module_name(path))
    if room is None:
        assert path.read_text().count("import ") == 0, "a module outside the rooms imports nothing"
        return
    allowed = MAY_IMPORT[room] | {room} | (ACTIVITY_MAY_IMPORT if path.name == "activity.py" else set())
    product = {name for name in list_imports(path) if name.split(".")[0] in PRODUCT_PACKAGES}
    forbidden = {name for name in product if not any(is_within(name, target) for target in allowed)}
    assert forbidden == set()


@pytest.mark.parametrize("path", [p for p in list_sources() if p.parts[-2:] != ("worker", "main.py")], ids=module_name)
def test_only_workflows_and_the_worker_import_activity_files(path: Path) -> None:
    """What several phases read is in `activities/readings/`, not in the `activity.py` of one of them."""
    sideways = {name for name in list_imports(path) if name.startswith("activities.") and ".activity." in name}
    assert path.is_relative_to(ROOT / "workflows") or sideways == set()


@pytest.mark.parametrize("path", [p for p in list_sources() if is_pure(p)], ids=module_name)
def test_deciding_code_is_pure(path: Path) -> None:
    """Deciding code has no clock, no randomness and no I/O."""
    tree = ast.parse(path.read_text())
    assert {name.split(".")[0] for name in list_imports(path)} & IMPURE_MODULES == set()
    methods = {n.func.attr for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)}
    assert methods & CLOCK_FUNCTIONS == set()
    assert "open" not in {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}


@pytest.mark.parametrize("path", [p for p in list_sources() if p.name == "__init__.py"], ids=module_name)
def test_packages_import_nothing(path: Path) -> None:
    """The import of a pure module never imports a client."""
    assert list_imports(path) == set()


def test_the_rooms_are_loaded_from_this_checkout() -> None:
    """No installed package shadows a room."""
    import activities
    import worker
    import workflows

    assert {Path(str(room.__file__)).parent.parent for room in (activities, worker, workflows)} == {ROOT}

"""The loops of the configuration: each loop overrides the loop sections of the file with its own values."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from activities.analyze.settings import AnalyzeSettings
from activities.execute.settings import ExecuteSettings
from activities.knowledge.settings import KnowledgeSettings
from activities.model.topology import Topology
from activities.model.types import Settings
from activities.monitor.settings import MonitorSettings
from activities.plan.settings import PlanSettings
from activities.settings import LoopSettings
from worker.config.document import Document, KeyPath, deep_merge
from worker.config.messages import validate_section
from worker.config.schema import LoopEntry
from worker.config.sources import SECRET_KEYS

LOOP_SECTIONS: Mapping[str, type[Settings]] = {
    "monitor": MonitorSettings,
    "analyze": AnalyzeSettings,
    "plan": PlanSettings,
    "execute": ExecuteSettings,
    "knowledge": KnowledgeSettings,
}
"""Sections that apply to all loops; a loop may override their keys."""

_SHARED_STORE_KEYS = ("database", "sqlite_path", "postgres_url")


def build_loops(
    document: Document, environ: Mapping[str, str], state: Path, simulator: bool
) -> Iterator[LoopSettings | None]:
    """Yield the settings of each loop of the file, None for one with problems, which are added to the document.

    `simulator` is the default for a loop that does not set it.
    """
    entries = document.data.get("loops", [{}])
    if not isinstance(entries, list) or not entries:
        document.add_problem(("loops",), "must be a list with at least one loop, `- name: charter`")
        return
    for index, values in enumerate(entries):
        loop_path: KeyPath = ("loops", index)
        entry = validate_section(LoopEntry, values, loop_path, document)
        overrides = {name: values.get(name) if isinstance(values, dict) else None for name in LOOP_SECTIONS}
        for key in overrides["knowledge"] if isinstance(overrides["knowledge"], dict) else ():
            if key in _SHARED_STORE_KEYS:
                document.add_problem(
                    (*loop_path, "knowledge", key), "all loops share one store; set it in section knowledge"
                )
        sections = {
            name: validate_section(
                model, deep_merge(document.get_value((name,)), overrides[name]), (*loop_path, name), document, (name,)
            )
            for name, model in LOOP_SECTIONS.items()
        }
        yield (
            None
            if entry is None or None in sections.values()
            else _build_loop(entry, sections, environ, state, simulator)
        )


def _build_loop(
    entry: LoopEntry, sections: dict[str, Any], environ: Mapping[str, str], state: Path, simulator: bool
) -> LoopSettings:
    execute, knowledge = sections["execute"], sections["knowledge"]
    if "charter_api_key_file" not in entry.execute:
        sections["execute"] = execute.model_copy(
            update={"charter_api_key": _read_secret_variable(environ, ("execute", "charter_api_key"))}
        )
    sections["knowledge"] = knowledge.model_copy(
        update={
            "postgres_url": _read_secret_variable(environ, ("knowledge", "postgres_url")),
            "sqlite_path": knowledge.sqlite_path or state / "knowledge.db",
        }
    )
    settings: dict[str, Any] = {"name": entry.name, "charter": entry.charter}
    settings["simulator"] = simulator if entry.simulator is None else entry.simulator
    if entry.components is not None:
        settings["components"] = entry.components
    if entry.topology is not None:
        settings["topology"] = Topology(edges=entry.topology.edges)
    return LoopSettings(**settings, **sections)


def _read_secret_variable(environ: Mapping[str, str], key_path: KeyPath) -> SecretStr | None:
    value = environ.get(SECRET_KEYS[key_path][0], "").strip()
    return SecretStr(value) if value else None

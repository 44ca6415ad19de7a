"""The loops of the configuration: each is the file's deciding sections with what it sets itself laid over them."""

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
from worker.config.document import Document, Place
from worker.config.messages import check
from worker.config.schema import LoopEntry
from worker.config.sources import SECRETS

DECIDING: Mapping[str, type[Settings]] = {
    "monitor": MonitorSettings,
    "analyze": AnalyzeSettings,
    "plan": PlanSettings,
    "execute": ExecuteSettings,
    "knowledge": KnowledgeSettings,
}
"""The sections that decide: each stands for all loops, and a loop may lay its own over it."""

_ONE_STORE = ("database", "sqlite_path", "postgres_url")


def loops_of(
    document: Document, environ: Mapping[str, str], state: Path, simulator: bool
) -> Iterator[LoopSettings | None]:
    """Yield the settings of each loop of the file, None for one with mistakes; problems are in the document.

    `simulator` is whether the Charter is one, for a loop that does not say so itself.
    """
    entries = document.data.get("loops", [{}])
    if not isinstance(entries, list) or not entries:
        document.problem(("loops",), "must be a list with at least one loop, `- name: charter`")
        return
    for index, values in enumerate(entries):
        place: Place = ("loops", index)
        entry = check(LoopEntry, values, place, document)
        given = {name: values.get(name) if isinstance(values, dict) else None for name in DECIDING}
        for key in (given["knowledge"] or {}) if isinstance(given["knowledge"], dict) else ():
            if key in _ONE_STORE:
                document.problem((*place, "knowledge", key), "all loops share one store; set it in section knowledge")
        sections = {
            name: check(model, _laid_over(document.get((name,)), given[name]), (*place, name), document, (name,))
            for name, model in DECIDING.items()
        }
        yield None if entry is None or None in sections.values() else _loop(entry, sections, environ, state, simulator)


def _loop(
    entry: LoopEntry, sections: dict[str, Any], environ: Mapping[str, str], state: Path, simulator: bool
) -> LoopSettings:
    execute, knowledge = sections["execute"], sections["knowledge"]
    if "charter_api_key_file" not in entry.execute:
        sections["execute"] = execute.model_copy(
            update={"charter_api_key": _secret(environ, ("execute", "charter_api_key"))}
        )
    sections["knowledge"] = knowledge.model_copy(
        update={
            "postgres_url": _secret(environ, ("knowledge", "postgres_url")),
            "sqlite_path": knowledge.sqlite_path or state / "knowledge.db",
        }
    )
    names: dict[str, Any] = {"name": entry.name, "charter": entry.charter}
    names["simulator"] = simulator if entry.simulator is None else entry.simulator
    if entry.components is not None:
        names["components"] = entry.components
    if entry.topology is not None:
        names["topology"] = Topology(edges=entry.topology.edges)
    return LoopSettings(**names, **sections)


def _secret(environ: Mapping[str, str], place: Place) -> SecretStr | None:
    value = environ.get(SECRETS[place][0], "").strip()
    return SecretStr(value) if value else None


def _laid_over(below: Any, above: Any) -> Any:
    """Return `below` with `above` laid over it: mappings key by key, everything else replaced."""
    if not isinstance(above, dict):
        return below if above is None else above
    merged = dict(below) if isinstance(below, dict) else {}
    return {**merged, **{key: _laid_over(merged.get(key), value) for key, value in above.items()}}

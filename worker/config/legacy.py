"""Spellings of the original configuration that mean something a little different here, and keys that mean nothing."""

import re
from collections.abc import Mapping
from typing import Any

from worker.config.document import Document, Place, dotted

REPLACED: Mapping[Place, str] = {
    ("monitor", "poll_interval"): "Monitor runs once a cycle: set orchestrator.loop_interval",
    ("alertmanager", "webhook_port"): "alerts come in on the service's own port: set api.port",
    ("performance", "metric_cache_ttl"): "samples are never cached: monitor.scrape_interval says how old one may be",
    ("performance", "policy_cache_ttl"): "policies are read whenever a plan is made",
    (
        "performance",
        "async_executor",
    ): "everything runs asynchronously: performance.max_concurrent_analyses is the bound",
}
"""Keys of the original that are accepted and change nothing, each with what replaces it."""

_DURATIONS = {
    "window",
    "loop_interval",
    "timeout_seconds",
    "scrape_interval",
    "rate_window",
    "analysis_step",
    "adaptive_step",
    "adaptive_refresh",
    "delay",
    "interval",
    "settle_seconds",
    "kept",
    "no_effect",
    "rolled_back",
    "deadline_seconds",
    "duration_seconds",
    "reverse_seconds",
    "away_seconds",
    "relapse_window",
    "freeze_seconds",
    "foreign_seconds",
    "leave_seconds",
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def translate(document: Document) -> tuple[str, ...]:
    """Rewrite the document into the spellings of the settings and return the notes on keys without meaning here."""
    notes = _drop_replaced(document)
    loops = document.data.get("loops")
    prefixes: list[Place] = [(), *(("loops", index) for index in range(len(loops) if isinstance(loops, list) else 0))]
    for prefix in prefixes:
        _name_algorithms(document, (*prefix, "analyze"))
        _spell_monitor(document, (*prefix, "monitor"))
        _spell_costs(document, (*prefix, "plan"))
    _read_durations(document.data)
    return notes


def seconds(text: str) -> float | None:
    """Return "60s", "5m", "1.5h", "250ms" or "7d" in seconds, whole ones as int; None if it is no duration."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        return None
    value = float(match[1]) * _SECONDS[match[2]]
    return int(value) if value.is_integer() else value


def _drop_replaced(document: Document) -> tuple[str, ...]:
    notes = []
    for place, instead in REPLACED.items():
        section = document.data.get(str(place[0]))
        if isinstance(section, dict) and place[1] in section:
            del section[str(place[1])]
            notes.append(f"{document.origin(place)}: {dotted(place)}: changes nothing here; {instead}")
    return tuple(notes)


def _name_algorithms(document: Document, place: Place) -> None:
    """Turn the original's list of `{name: temporal, ...}` into `temporal: {...}`."""
    entries = document.get((*place, "algorithms"))
    if not isinstance(entries, list):
        return
    named: dict[str, Any] = {}
    for index, entry in enumerate(entries):
        old = (*place, "algorithms", index)
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or entry["name"] in named:
            document.problem(old, "needs a `name` of its own: temporal, spatial, causal or frequency")
            continue
        named[entry["name"]] = {key: value for key, value in entry.items() if key != "name"}
        _move(document, old, (*place, "algorithms", entry["name"]))
    document.get(place)["algorithms"] = named


def _spell_monitor(document: Document, place: Place) -> None:
    """Turn metric names into entries, and the original's `promql` of a query into `query`."""
    section = document.get(place)
    if not isinstance(section, dict):
        return
    if isinstance(section.get("metrics"), list):
        section["metrics"] = [{"name": entry} if isinstance(entry, str) else entry for entry in section["metrics"]]
    queries = section.get("queries")
    for index, query in enumerate(queries if isinstance(queries, list) else ()):
        if isinstance(query, dict) and "promql" in query and "query" not in query:
            query["query"] = query.pop("promql")
            entry = (*place, "queries", index)
            _move(document, (*entry, "promql"), (*entry, "query"))


def _spell_costs(document: Document, place: Place) -> None:
    """Turn `scale_up` and `scale-up` into `SCALE_UP`."""
    costs = document.get((*place, "cost_model"))
    if not isinstance(costs, dict):
        return
    spelled: dict[str, Any] = {}
    for key, value in costs.items():
        name = key.upper().replace("-", "_")
        if name in spelled:
            document.problem((*place, "cost_model", key), f"is given twice, also as another spelling of {name}")
        spelled[name] = value
        _move(document, (*place, "cost_model", key), (*place, "cost_model", name))
    document.get(place)["cost_model"] = spelled


def _move(document: Document, old: Place, new: Place) -> None:
    for place in [p for p in document.origins if p[: len(old)] == old]:
        document.origins[(*new, *place[len(old) :])] = document.origins[place]


def _read_durations(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _read_durations(item)
    elif isinstance(value, dict):
        for key, inner in value.items():
            duration = seconds(inner) if key in _DURATIONS and isinstance(inner, str) else None
            if duration is not None:
                value[key] = duration
            _read_durations(inner)

"""Spellings of the original configuration that mean something a little different here, and keys that mean nothing."""

import re
from collections.abc import Mapping
from typing import Any

from worker.config.document import Document, KeyPath, format_key_path

REPLACED_KEYS: Mapping[KeyPath, str] = {
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

_DURATION_KEYS = {
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
_DURATION_PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SECONDS_PER_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def upgrade_legacy(document: Document) -> tuple[str, ...]:
    """Rewrite the document into the spellings of the settings and return the notes on keys without meaning here."""
    notes = _drop_replaced_keys(document)
    loops = document.data.get("loops")
    prefixes: list[KeyPath] = [(), *(("loops", index) for index in range(len(loops) if isinstance(loops, list) else 0))]
    for prefix in prefixes:
        _convert_algorithms(document, (*prefix, "analyze"))
        _normalize_monitor(document, (*prefix, "monitor"))
        _normalize_costs(document, (*prefix, "plan"))
    _parse_durations(document.data)
    return notes


def parse_duration(text: str) -> float | None:
    """Return "60s", "5m", "1.5h", "250ms" or "7d" in seconds, whole ones as int; None if it is no duration."""
    match = _DURATION_PATTERN.fullmatch(text.strip())
    if match is None:
        return None
    value = float(match[1]) * _SECONDS_PER_UNIT[match[2]]
    return int(value) if value.is_integer() else value


def _drop_replaced_keys(document: Document) -> tuple[str, ...]:
    notes = []
    for place, instead in REPLACED_KEYS.items():
        section = document.data.get(str(place[0]))
        if isinstance(section, dict) and place[1] in section:
            del section[str(place[1])]
            notes.append(f"{document.find_origin(place)}: {format_key_path(place)}: changes nothing here; {instead}")
    return tuple(notes)


def _convert_algorithms(document: Document, key_path: KeyPath) -> None:
    """Turn the original's list of `{name: temporal, ...}` into `temporal: {...}`."""
    entries = document.get_value((*key_path, "algorithms"))
    if not isinstance(entries, list):
        return
    named: dict[str, Any] = {}
    for index, entry in enumerate(entries):
        old = (*key_path, "algorithms", index)
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or entry["name"] in named:
            document.add_problem(old, "needs a `name` of its own: temporal, spatial, causal or frequency")
            continue
        named[entry["name"]] = {key: value for key, value in entry.items() if key != "name"}
        _move_origins(document, old, (*key_path, "algorithms", entry["name"]))
    document.get_value(key_path)["algorithms"] = named


def _normalize_monitor(document: Document, key_path: KeyPath) -> None:
    """Turn metric names into entries, and the original's `promql` of a query into `query`."""
    section = document.get_value(key_path)
    if not isinstance(section, dict):
        return
    if isinstance(section.get("metrics"), list):
        section["metrics"] = [{"name": entry} if isinstance(entry, str) else entry for entry in section["metrics"]]
    queries = section.get("queries")
    for index, query in enumerate(queries if isinstance(queries, list) else ()):
        if isinstance(query, dict) and "promql" in query and "query" not in query:
            query["query"] = query.pop("promql")
            entry = (*key_path, "queries", index)
            _move_origins(document, (*entry, "promql"), (*entry, "query"))


def _normalize_costs(document: Document, key_path: KeyPath) -> None:
    """Turn `scale_up` and `scale-up` into `SCALE_UP`."""
    costs = document.get_value((*key_path, "cost_model"))
    if not isinstance(costs, dict):
        return
    spelled: dict[str, Any] = {}
    for key, value in costs.items():
        name = key.upper().replace("-", "_")
        if name in spelled:
            document.add_problem((*key_path, "cost_model", key), f"is given twice, also as another spelling of {name}")
        spelled[name] = value
        _move_origins(document, (*key_path, "cost_model", key), (*key_path, "cost_model", name))
    document.get_value(key_path)["cost_model"] = spelled


def _move_origins(document: Document, old: KeyPath, new: KeyPath) -> None:
    for place in [p for p in document.origins if p[: len(old)] == old]:
        document.origins[(*new, *place[len(old) :])] = document.origins[place]


def _parse_durations(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _parse_durations(item)
    elif isinstance(value, dict):
        for key, inner in value.items():
            duration = parse_duration(inner) if key in _DURATION_KEYS and isinstance(inner, str) else None
            if duration is not None:
                value[key] = duration
            _parse_durations(inner)

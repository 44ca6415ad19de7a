"""Keys and spellings of before: the original project's are accepted, this project's former ones are refused."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from worker.config.document import Document, KeyPath, format_key_path
from worker.config.messages import format_value

REPLACED_KEYS: Mapping[KeyPath, str] = {
    ("monitor", "poll_interval"): "Monitor runs once a cycle: set orchestrator.loop_interval",
    ("alertmanager", "webhook_port"): "alerts arrive at the port of the service: set api.port",
    ("performance", "metric_cache_ttl"): "samples are never cached: monitor.scrape_interval limits their age",
    ("performance", "policy_cache_ttl"): "policies are read for every plan",
    ("performance", "async_executor"): "activities are always asynchronous: set performance.max_concurrent_analyses",
}
"""Keys of the original project that are accepted and change nothing, each with its replacement."""


class RenamedKey(NamedTuple):
    """A former key, with every list as `[]`, its present name in the same section, and renamed values."""

    former: str
    name: str
    values: Mapping[Any, str] = {}


RENAMED_KEYS = (
    RenamedKey("monitor.metrics[].leave", "clear_threshold"),
    RenamedKey("monitor.metrics[].bad", "breach"),
    RenamedKey("plan.least_effect", "min_effectiveness"),
    RenamedKey("plan.rates.share_at_once", "max_concurrent_fraction"),
    RenamedKey("plan.rates.away_seconds", "risky_delay"),
    RenamedKey("plan.rates.reverse_seconds", "reversal_delay"),
    RenamedKey("plan.oscillation.foreign_seconds", "external_change_hold"),
    RenamedKey("plan.storm.least", "min_components"),
    RenamedKey("plan.storm.ill", "affected_fraction"),
    RenamedKey("plan.storm.leave", "exit_factor"),
    RenamedKey("plan.storm.leave_seconds", "exit_hold"),
    RenamedKey("plan.windows[].opens", "mode", {True: "allow", False: "block"}),
    RenamedKey("plan.error_budget.least", "min_remaining"),
    RenamedKey("plan.cooldown.kept", "after_success"),
    RenamedKey("knowledge.autonomy.auto_bound", "auto_min_success"),
    RenamedKey("knowledge.autonomy.pinned", "overrides"),
    RenamedKey("api.webhook_old_token_file", "webhook_previous_token_file"),
)
"""Former keys of this project; each is refused with its present name."""


def upgrade_legacy(document: Document) -> tuple[str, ...]:
    """Rewrite the document into the spellings of the settings and return notes on the keys without effect.

    A former key of this project becomes a problem of the document.
    """
    notes = _drop_replaced_keys(document)
    for section in _loop_prefixes(document):
        for renamed in RENAMED_KEYS:
            _refuse_renamed_key(document, section, renamed)
        _convert_algorithms(document, (*section, "analyze"))
        _normalize_monitor(document, (*section, "monitor"))
        _normalize_costs(document, (*section, "plan"))
    return notes


def _loop_prefixes(document: Document) -> list[KeyPath]:
    """Return the key path of the file and of each loop in it: both hold the same sections."""
    loops = document.data.get("loops")
    return [(), *(("loops", index) for index in range(len(loops) if isinstance(loops, list) else 0))]


def _drop_replaced_keys(document: Document) -> tuple[str, ...]:
    notes = []
    for key_path, replacement in REPLACED_KEYS.items():
        section = document.data.get(str(key_path[0]))
        if isinstance(section, dict) and key_path[1] in section:
            del section[str(key_path[1])]
            origin = document.find_origin(key_path)
            notes.append(f"{origin}: {format_key_path(key_path)}: changes nothing here; {replacement}")
    return tuple(notes)


def _refuse_renamed_key(document: Document, prefix: KeyPath, renamed: RenamedKey) -> None:
    keys = re.findall(r"\w+|\[\]", renamed.former)
    for key_path in list(_find_key_paths(document.get_value(prefix), keys, prefix)):
        value = document.get_value(key_path[:-1]).pop(str(key_path[-1]))
        present = format_key_path((*key_path[:-1], renamed.name))
        text = f"is {format_value(value)}; this key is now called {present}"
        if isinstance(value, bool) and value in renamed.values:
            text = f"{text}: write {renamed.name}: {renamed.values[value]}"
        document.add_problem(key_path, text)


def _find_key_paths(values: Any, keys: list[str], key_path: KeyPath) -> Iterator[KeyPath]:
    """Yield the key path of each value that the keys reach; `[]` is every item of a list."""
    if not keys:
        yield key_path
    elif keys[0] == "[]":
        for index, item in enumerate(values if isinstance(values, list) else ()):
            yield from _find_key_paths(item, keys[1:], (*key_path, index))
    elif isinstance(values, dict) and keys[0] in values:
        yield from _find_key_paths(values[keys[0]], keys[1:], (*key_path, keys[0]))


def _convert_algorithms(document: Document, key_path: KeyPath) -> None:
    """Convert the original's list of `{name: temporal, ...}` into `temporal: {...}`."""
    entries = document.get_value((*key_path, "algorithms"))
    if not isinstance(entries, list):
        return
    by_name: dict[str, Any] = {}
    for index, entry in enumerate(entries):
        entry_path = (*key_path, "algorithms", index)
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or entry["name"] in by_name:
            document.add_problem(entry_path, "needs a `name` of its own: temporal, spatial, causal or frequency")
            continue
        by_name[entry["name"]] = {key: value for key, value in entry.items() if key != "name"}
        _copy_origins(document, entry_path, (*key_path, "algorithms", entry["name"]))
    document.get_value(key_path)["algorithms"] = by_name


def _normalize_monitor(document: Document, key_path: KeyPath) -> None:
    """Convert metric names into entries, and the original's `promql` of a query into `query`."""
    section = document.get_value(key_path)
    if not isinstance(section, dict):
        return
    if isinstance(section.get("metrics"), list):
        section["metrics"] = [{"name": entry} if isinstance(entry, str) else entry for entry in section["metrics"]]
    queries = section.get("queries")
    for index, query in enumerate(queries if isinstance(queries, list) else ()):
        if isinstance(query, dict) and "promql" in query and "query" not in query:
            query["query"] = query.pop("promql")
            entry_path = (*key_path, "queries", index)
            _copy_origins(document, (*entry_path, "promql"), (*entry_path, "query"))


def _normalize_costs(document: Document, key_path: KeyPath) -> None:
    """Convert `scale_up` and `scale-up` into `SCALE_UP`."""
    costs = document.get_value((*key_path, "cost_model"))
    if not isinstance(costs, dict):
        return
    by_name: dict[str, Any] = {}
    for key, value in costs.items():
        name = key.upper().replace("-", "_")
        if name in by_name:
            document.add_problem((*key_path, "cost_model", key), f"is a second spelling of {name}; keep one of them")
        by_name[name] = value
        _copy_origins(document, (*key_path, "cost_model", key), (*key_path, "cost_model", name))
    document.get_value(key_path)["cost_model"] = by_name


def _copy_origins(document: Document, source: KeyPath, target: KeyPath) -> None:
    for key_path in [path for path in document.origins if path[: len(source)] == source]:
        document.origins[(*target, *key_path[len(source) :])] = document.origins[key_path]

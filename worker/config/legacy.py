"""Former configuration keys: those of the original project are accepted, those of this project are refused."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from worker.config.document import Document, KeyPath, format_key_path
from worker.config.messages import format_value

IGNORED_ORIGINAL_KEYS: Mapping[KeyPath, str] = {
    ("monitor", "poll_interval"): "Monitor runs once a cycle: set orchestrator.loop_interval",
    ("alertmanager", "webhook_port"): "alerts arrive at the port of the service: set api.port",
    ("performance", "metric_cache_ttl"): "samples are never cached: monitor.scrape_interval limits their age",
    ("performance", "policy_cache_ttl"): "policies are read for every plan",
    ("performance", "async_executor"): "activities are always asynchronous: set performance.max_concurrent_analyses",
}
"""Keys of the original project that are accepted and change nothing, each with its replacement."""


_KEY_PATTERN = re.compile(r"\w+|\[\]")


class RenamedKey(NamedTuple):
    """A former key, the present one (in both a list is `[]`), and renamed values."""

    former: str
    present: str
    values: Mapping[Any, str] = {}


REFUSED_FORMER_KEYS = (
    RenamedKey("monitor.metrics[].leave", "monitor.metrics[].clear_threshold"),
    RenamedKey("monitor.metrics[].bad", "monitor.metrics[].breach"),
    RenamedKey("plan.least_effect", "plan.min_effectiveness"),
    RenamedKey("plan.rates.share_at_once", "plan.rates.max_concurrent_fraction"),
    RenamedKey("plan.rates.away_seconds", "plan.rates.risky_delay"),
    RenamedKey("plan.rates.reverse_seconds", "plan.rates.reversal_delay"),
    RenamedKey("plan.oscillation.foreign_seconds", "plan.oscillation.external_change_hold"),
    RenamedKey("plan.storm.least", "plan.storm.min_components"),
    RenamedKey("plan.storm.ill", "plan.storm.affected_fraction"),
    RenamedKey("plan.storm.unexplained", "plan.storm.unexplained_fraction"),
    RenamedKey("plan.storm.leave", "plan.storm.exit_factor"),
    RenamedKey("plan.storm.leave_seconds", "plan.storm.exit_hold"),
    RenamedKey("plan.windows[].opens", "plan.windows[].mode", {True: "allow", False: "block"}),
    RenamedKey("plan.error_budget.least", "plan.error_budget.min_remaining"),
    RenamedKey("plan.cooldown.kept", "plan.cool_down.after_success"),
    RenamedKey("plan.cooldown", "plan.cool_down"),
    RenamedKey("knowledge.autonomy.auto_bound", "knowledge.autonomy.auto_min_success"),
    RenamedKey("knowledge.autonomy.pinned", "knowledge.autonomy.overrides"),
    RenamedKey("api.webhook_old_token_file", "api.webhook_previous_token_file"),
)
"""Former keys of this project; each is refused with its present name. A key comes before the section it is in."""


def upgrade_legacy(document: Document) -> tuple[str, ...]:
    """Rewrite the document into the spellings of the settings and return notes on the keys without effect.

    A former key of this project becomes a problem of the document.
    """
    notes = _drop_ignored_keys(document)
    for section in _loop_prefixes(document):
        for renamed in REFUSED_FORMER_KEYS:
            _refuse_renamed_key(document, section, renamed)
        _convert_algorithms(document, (*section, "analyze"))
        _normalize_monitor(document, (*section, "monitor"))
        _normalize_costs(document, (*section, "plan"))
    return notes


def _loop_prefixes(document: Document) -> list[KeyPath]:
    """Return the key path of the file and of each loop in it: both hold the same sections."""
    loops = document.data.get("loops")
    return [(), *(("loops", index) for index in range(len(loops) if isinstance(loops, list) else 0))]


def _drop_ignored_keys(document: Document) -> tuple[str, ...]:
    notes = []
    for key_path, replacement in IGNORED_ORIGINAL_KEYS.items():
        section = document.data.get(str(key_path[0]))
        if isinstance(section, dict) and key_path[1] in section:
            del section[str(key_path[1])]
            origin = document.find_origin(key_path)
            notes.append(f"{origin}: {format_key_path(key_path)}: changes nothing here; {replacement}")
    return tuple(notes)


def _refuse_renamed_key(document: Document, prefix: KeyPath, renamed: RenamedKey) -> None:
    keys, present_keys = (_KEY_PATTERN.findall(name) for name in (renamed.former, renamed.present))
    for key_path in list(_find_key_paths(document.get_value(prefix), keys, prefix)):
        value = document.get_value(key_path[:-1]).pop(str(key_path[-1]))
        if value == {}:
            continue  # A section without a key, or whose only keys were refused before.
        found = key_path[len(prefix) :]
        present = [part if key == "[]" else key for key, part in zip(present_keys, found, strict=True)]
        text = f"is {format_value(value)}; this key is now called {format_key_path((*prefix, *present))}"
        if isinstance(value, bool) and value in renamed.values:
            text = f"{text}: write {present[-1]}: {renamed.values[value]}"
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

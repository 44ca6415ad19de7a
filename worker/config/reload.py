"""Reload of a changed configuration without a restart: as a whole or not at all."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from activities.clients.store.audit import AuditLog
from activities.dependencies import LoopDependencies
from activities.model.audit import AuditEntry, AuditKind
from activities.model.errors import ConfigurationError, StoreUnavailable
from activities.model.types import truncate
from activities.settings import LoopSettings
from worker.config.load import Config
from worker.observability.metrics import Metrics

log = logging.getLogger("mapek.worker")

POLL_SECONDS = 5.0
"""Seconds between two reads of the file."""
MAX_SUMMARY_CHARS = 400
"""Characters of the summary in an audit row."""

_LOADER_FIELDS = ("file", "notes", "mapek_url", "state")
"""Fields set by the loader, not by the file."""
_RELOADABLE_SECTIONS = ("notify", "links")
_RELOADABLE_LOOP_KEYS = ("components", "topology", "monitor", "analyze", "plan", "execute", "knowledge")
_FIXED_LOOP_KEYS = (
    "monitor.prometheus_url",
    "execute.charter_url",
    "execute.charter_api_key_file",
    "knowledge.database",
    "knowledge.sqlite_path",
    "knowledge.postgres_url",
)
"""Loop keys that need a restart: a running remediation must keep its Charter and its store."""

Changes = Mapping[str, tuple[Any, Any]]
"""Dotted key → (old value, new value). Keys of a loop start with its name: `charter:plan.max_replicas`."""


def diff_configs(old: Config, new: Config) -> Changes:
    """Return the differences. Secrets are masked, so a changed secret is no difference."""
    before, now = dict(_flatten(old)), dict(_flatten(new))
    keys = sorted(before.keys() | now.keys())
    return {key: (before.get(key), now.get(key)) for key in keys if before.get(key) != now.get(key)}


def find_restart_keys(changes: Changes) -> tuple[str, ...]:
    """Return the changed keys that take effect only at a restart."""
    return tuple(key for key in changes if not _is_reloadable(key))


def _is_reloadable(key: str) -> bool:
    loop, colon, inner = key.rpartition(":")
    section = inner.split(".")[0]
    if not colon:
        return section in _RELOADABLE_SECTIONS
    return bool(loop) and section in _RELOADABLE_LOOP_KEYS and inner not in _FIXED_LOOP_KEYS


def _flatten(config: Config) -> Iterator[tuple[str, Any]]:
    dump = config.model_dump(mode="json", exclude=set(_LOADER_FIELDS))
    for loop in dump.pop("loops"):
        yield from _iter_leaves(loop, f"{loop['name']}:")
    yield from _iter_leaves(dump, "")


def _iter_leaves(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict) or not value:
        yield prefix, value
        return
    for key, inner in value.items():
        yield from _iter_leaves(inner, f"{prefix}{key}" if not prefix or prefix.endswith(":") else f"{prefix}.{key}")


def describe_changes(changes: Changes, loop: str) -> str:
    """Return the changes of one loop and of the sections that all loops share as text; "" for none."""
    loop_changes = {
        key.removeprefix(f"{loop}:"): pair for key, pair in changes.items() if key.rpartition(":")[0] in ("", loop)
    }
    lines = (f"{key} {json.dumps(old)} → {json.dumps(new)}" for key, (old, new) in loop_changes.items())
    return truncate("; ".join(lines), MAX_SUMMARY_CHARS)


@dataclass
class ConfigReloader:
    """The configuration in effect, and its replacement when the file changes.

    `loops` are the dependencies that activities use; `build_loop` builds those of one loop. `last_digest` is the digest
    of the file at the last read, "" before the first.
    """

    config: Config
    loops: dict[str, LoopDependencies]
    build_loop: Callable[[LoopSettings], LoopDependencies]
    audit: AuditLog
    metrics: Metrics
    clock: Callable[[], float]
    worker_identity: str
    last_digest: str = ""

    async def watch(self, reload_config: Callable[[], Config]) -> None:
        """Apply changes of the file until cancelled."""
        self.last_digest = self.last_digest or self.read_digest()
        while self.config.file:
            await asyncio.sleep(POLL_SECONDS)
            digest = self.read_digest()
            # A missing file is being replaced.
            if digest and digest != self.last_digest:
                await self.apply(reload_config)
                self.last_digest = digest

    def read_digest(self) -> str:
        """Return the digest of the file, "" if the file cannot be read."""
        try:
            return hashlib.sha256(self.config.file.read_bytes()).hexdigest() if self.config.file else ""
        except OSError:
            return ""

    async def apply(self, reload_config: Callable[[], Config]) -> None:
        """Apply the changed configuration, or log why the one before stays in effect."""
        try:
            new = reload_config()
        except ConfigurationError as error:
            return self.reject(str(error))
        changes = diff_configs(self.config, new)
        if fixed := find_restart_keys(changes):
            return self.reject(f"these keys need a restart of the worker: {', '.join(fixed)}")
        if not changes:
            return None
        self.config = new
        for settings in new.loops:
            self.loops[settings.name] = self.build_loop(settings)
        self.metrics.reloads.labels("taken").inc()
        for settings in new.loops:
            await self.audit_change(settings.name, describe_changes(changes, settings.name))
        return None

    def reject(self, reason: str) -> None:
        """Log why the change is rejected."""
        self.metrics.reloads.labels("refused").inc()
        log.error("rejected the changed configuration, the one before stays in effect: %s", reason)

    async def audit_change(self, loop: str, summary: str) -> None:
        """Write a change into the audit log. A failed write is logged; the change stays in effect."""
        if not summary:
            return
        log.info("the configuration of loop %s changed: %s", loop, summary)
        entry = AuditEntry(
            at=self.clock(), kind=AuditKind.CONFIG, loop=loop, worker_identity=self.worker_identity, summary=summary
        )
        try:
            await self.audit.append(entry)
        except StoreUnavailable as error:
            log.error("cannot write the configuration change to the audit log: %s", error)

"""A changed configuration takes effect without a restart: as a whole or not at all, and the last good one stays."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from activities.clients.store.audit import AuditLog
from activities.dependencies import LoopDependencies
from activities.model.audit import AuditEntry
from activities.model.errors import ConfigurationError, StoreUnavailable
from activities.model.types import truncate
from activities.settings import LoopSettings
from worker.config.load import Config
from worker.observability.metrics import Metrics

log = logging.getLogger("mapek.worker")

POLL_SECONDS = 5.0
"""Seconds between two looks at the file."""
MAX_SUMMARY_CHARS = 400
"""Characters of an audit row."""

_LOADER_FIELDS = ("file", "notes", "mapek_url", "state")
"""How it was read, not what it says."""
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
"""A remediation that is under way has to find the same Charter and the same store again."""

Changes = Mapping[str, tuple[Any, Any]]
"""Dotted key → (value before, value now); a loop's keys begin with its name, as in `charter:plan.max_replicas`."""


def diff_configs(old: Config, new: Config) -> Changes:
    """Return what differs. Secrets are masked, so that a changed one shows no difference."""
    before, now = dict(_flatten(old)), dict(_flatten(new))
    keys = sorted(before.keys() | now.keys())
    return {key: (before.get(key), now.get(key)) for key in keys if before.get(key) != now.get(key)}


def find_restart_keys(changes: Changes) -> tuple[str, ...]:
    """Return the changed keys that a running worker cannot take over."""
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
    """Return what changed for one loop, itself and what all share; empty if nothing did."""
    mine = {key.removeprefix(f"{loop}:"): pair for key, pair in changes.items() if key.rpartition(":")[0] in ("", loop)}
    lines = (f"{key} {json.dumps(old)} → {json.dumps(new)}" for key, (old, new) in mine.items())
    return truncate("; ".join(lines), MAX_SUMMARY_CHARS)


@dataclass
class ConfigReloader:
    """The configuration in force. `loops` are the parts the activities use; `remake` makes those of one loop anew.

    `seen` is the digest of the file that was looked at last, empty before the first look.
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
        """Take over what changes in the file, for ever."""
        self.last_digest = self.last_digest or self.read_digest()
        while self.config.file:
            await asyncio.sleep(POLL_SECONDS)
            content = self.read_digest()
            # A file that is missing for a moment is being replaced.
            if content and content != self.last_digest:
                await self.apply(reload_config)
                self.last_digest = content

    def read_digest(self) -> str:
        """Return the digest of the file's content, empty if it cannot be read."""
        try:
            return hashlib.sha256(self.config.file.read_bytes()).hexdigest() if self.config.file else ""
        except OSError:
            return ""

    async def apply(self, reload_config: Callable[[], Config]) -> None:
        """Put a changed configuration in force, or say why the last good one stays."""
        try:
            new = reload_config()
        except ConfigurationError as error:
            return self.reject(str(error))
        changes = diff_configs(self.config, new)
        if fixed := find_restart_keys(changes):
            return self.reject(f"these changes need a restart of the worker: {', '.join(fixed)}")
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
        """Say why nothing of the change is in force."""
        self.metrics.reloads.labels("refused").inc()
        log.error("the changed configuration is refused, the one before stays in force: %s", reason)

    async def audit_change(self, loop: str, summary: str) -> None:
        """Write a change into the audit; it is in force even where that cannot be written."""
        if not summary:
            return
        log.info("the configuration of %s changed: %s", loop, summary)
        entry = AuditEntry(
            at=self.clock(), kind="config", loop=loop, worker_identity=self.worker_identity, summary=summary
        )
        try:
            await self.audit.append(entry)
        except StoreUnavailable as error:
            log.error("the change of the configuration cannot be written into the audit: %s", error)

"""A changed configuration takes effect without a restart: as a whole or not at all, and the last good one stays."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from activities.clients.store.audit import Audit
from activities.dependencies import LoopParts
from activities.model.audit import AuditEntry
from activities.model.errors import ConfigurationError, StoreUnavailable
from activities.model.types import clipped
from activities.settings import LoopSettings
from worker.config.load import Config
from worker.observability.metrics import Metrics

log = logging.getLogger("mapek.worker")

LOOK = 5.0
"""Seconds between two looks at the file."""
TOLD = 400
"""Characters of an audit row."""

_LOADING = ("file", "notes", "mapek_url", "state")
"""How it was read, not what it says."""
_WHOLE = ("notify", "links")
_OF_LOOP = ("components", "topology", "monitor", "analyze", "plan", "execute", "knowledge")
_FIXED = (
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


def differences(old: Config, new: Config) -> Changes:
    """Return what differs. Secrets are masked, so that a changed one shows no difference."""
    before, now = dict(_flat(old)), dict(_flat(new))
    keys = sorted(before.keys() | now.keys())
    return {key: (before.get(key), now.get(key)) for key in keys if before.get(key) != now.get(key)}


def needing_restart(changes: Changes) -> tuple[str, ...]:
    """Return the changed keys that a running worker cannot take over."""
    return tuple(key for key in changes if not _taken_over(key))


def _taken_over(key: str) -> bool:
    loop, colon, inner = key.rpartition(":")
    section = inner.split(".")[0]
    if not colon:
        return section in _WHOLE
    return bool(loop) and section in _OF_LOOP and inner not in _FIXED


def _flat(config: Config) -> Iterator[tuple[str, Any]]:
    dump = config.model_dump(mode="json", exclude=set(_LOADING))
    for loop in dump.pop("loops"):
        yield from _leaves(loop, f"{loop['name']}:")
    yield from _leaves(dump, "")


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict) or not value:
        yield place, value
        return
    for key, inner in value.items():
        yield from _leaves(inner, f"{place}{key}" if not place or place.endswith(":") else f"{place}.{key}")


def in_words(changes: Changes, loop: str) -> str:
    """Return what changed for one loop, itself and what all share; empty if nothing did."""
    mine = {key.removeprefix(f"{loop}:"): pair for key, pair in changes.items() if key.rpartition(":")[0] in ("", loop)}
    lines = (f"{key} {json.dumps(old)} → {json.dumps(new)}" for key, (old, new) in mine.items())
    return clipped("; ".join(lines), TOLD)


@dataclass
class Reloading:
    """The configuration in force. `loops` are the parts the activities use; `remake` makes those of one loop anew.

    `seen` is the digest of the file that was looked at last, empty before the first look.
    """

    config: Config
    loops: dict[str, LoopParts]
    remake: Callable[[LoopSettings], LoopParts]
    audit: Audit
    metrics: Metrics
    clock: Callable[[], float]
    worker: str
    seen: str = ""

    async def watch(self, reload: Callable[[], Config]) -> None:
        """Take over what changes in the file, for ever."""
        self.seen = self.seen or self.content()
        while self.config.file:
            await asyncio.sleep(LOOK)
            content = self.content()
            # A file that is missing for a moment is being replaced.
            if content and content != self.seen:
                await self.take(reload)
                self.seen = content

    def content(self) -> str:
        """Return the digest of the file's content, empty if it cannot be read."""
        try:
            return hashlib.sha256(self.config.file.read_bytes()).hexdigest() if self.config.file else ""
        except OSError:
            return ""

    async def take(self, reload: Callable[[], Config]) -> None:
        """Put a changed configuration in force, or say why the last good one stays."""
        try:
            new = reload()
        except ConfigurationError as error:
            return self.keep(str(error))
        changes = differences(self.config, new)
        if fixed := needing_restart(changes):
            return self.keep(f"these changes need a restart of the worker: {', '.join(fixed)}")
        if not changes:
            return None
        self.config = new
        for settings in new.loops:
            self.loops[settings.name] = self.remake(settings)
        self.metrics.reloads.labels("taken").inc()
        for settings in new.loops:
            await self.write_down(settings.name, in_words(changes, settings.name))
        return None

    def keep(self, why: str) -> None:
        """Say why nothing of the change is in force."""
        self.metrics.reloads.labels("refused").inc()
        log.error("the changed configuration is refused, the one before stays in force: %s", why)

    async def write_down(self, loop: str, text: str) -> None:
        """Write a change into the audit; it is in force even where that cannot be written."""
        if not text:
            return
        log.info("the configuration of %s changed: %s", loop, text)
        entry = AuditEntry(at=self.clock(), kind="config", loop=loop, worker=self.worker, text=text)
        try:
            await self.audit.append(entry)
        except StoreUnavailable as error:
            log.error("the change of the configuration cannot be written into the audit: %s", error)

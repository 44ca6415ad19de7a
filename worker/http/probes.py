"""Probes of the components: concurrent, with a timeout, and cached for a second."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Literal, TypedDict

from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from activities.model.errors import MapekError, Unreachable
from activities.model.types import truncate
from worker.observability.activity_metrics import LastRun
from worker.observability.redaction import redact

log = logging.getLogger("mapek.http")

PROBE_TIMEOUT_SECONDS = 2.0
CACHE_SECONDS = 1.0

Probe = Callable[[], Awaitable[str]]
"""Returns one line of detail if the component is up, raises MapekError if it is down."""


class ComponentHealth(TypedDict):
    """The result of one probe."""

    status: Literal["up", "down"]
    detail: str


class Probes:
    """The probes by component. `clock` returns monotonic seconds."""

    def __init__(self, probes: Mapping[str, Probe], clock: Callable[[], float] = time.monotonic) -> None:
        self._probes = probes
        self._clock = clock
        self._cached: dict[str, tuple[float, ComponentHealth]] = {}
        self._locks = {name: asyncio.Lock() for name in probes}

    async def check(self, names: Iterable[str] | None = None) -> dict[str, ComponentHealth]:
        """Return the health of the named components (default: all), at most a second old. Unknown names are dropped."""
        known = [name for name in (self._probes if names is None else names) if name in self._probes]
        results = await asyncio.gather(*(self._check_one(name) for name in known))
        return dict(zip(known, results, strict=True))

    async def _check_one(self, name: str) -> ComponentHealth:
        async with self._locks[name]:
            checked_at, health = self._cached.get(name, (-CACHE_SECONDS, None))
            if health is None or self._clock() - checked_at >= CACHE_SECONDS:
                health = await _run_probe(name, self._probes[name])
                self._cached[name] = (self._clock(), health)
            return health


async def _run_probe(name: str, probe: Probe) -> ComponentHealth:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
            return ComponentHealth(status="up", detail=_to_detail(await probe()))
    except TimeoutError:
        return ComponentHealth(status="down", detail=f"no answer within {PROBE_TIMEOUT_SECONDS:g} s")
    except MapekError as error:
        return ComponentHealth(status="down", detail=_to_detail(str(error)))
    except Exception as error:
        # After an unexpected error the component's health is unknown; "up" would be a guess.
        log.exception("probe %s failed", name)
        return ComponentHealth(status="down", detail=f"unknown: {type(error).__name__}")


def _to_detail(text: str) -> str:
    return truncate(redact(text))


def worker_probe(workers: list[Worker], last_run: LastRun, activity: str) -> Probe:
    """Return the probe of a component in this process; it is up while all workers run."""

    async def probe() -> str:
        if not workers or not all(worker.is_running for worker in workers):
            raise Unreachable("the workers are not running")
        return last_run.describe(activity)

    return probe


def single_probe(check: Callable[[], Awaitable[None]], detail: str) -> Probe:
    """Return a probe that makes one check."""
    return combined_probe([check], detail)


def combined_probe(checks: list[Callable[[], Awaitable[None]]], detail: str) -> Probe:
    """Return a probe that makes several checks of the same kind."""

    async def probe() -> str:
        for check in checks:
            await check()
        return detail

    return probe


def temporal_probe(client: Client, address: str) -> Probe:
    """Return the probe of the Temporal server."""

    async def probe() -> str:
        try:
            serving = await client.service_client.check_health()
        except RPCError as error:
            raise Unreachable(f"Temporal at {address}: {error.status.name}") from error
        if not serving:
            raise Unreachable(f"Temporal at {address} reports that it is not serving")
        return f"serving namespace {client.namespace}"

    return probe

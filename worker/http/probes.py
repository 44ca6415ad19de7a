"""Asking the parts how they are: at once, bounded in time, and not again within a second however often one asks."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Literal, TypedDict

from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from activities.model.errors import MapekError, Unreachable
from activities.model.types import clipped
from worker.observability.activity_metrics import LastRun
from worker.observability.redaction import redacted

log = logging.getLogger("mapek.http")

PROBE_SECONDS = 2.0
FRESH_SECONDS = 1.0

Probe = Callable[[], Awaitable[str]]
"""Returns one line of detail if the part is well, raises MapekError if it is not."""


class Health(TypedDict):
    """One part's answer."""

    status: Literal["up", "down"]
    detail: str


class Probes:
    """The parts by name. `clock` gives monotonic seconds."""

    def __init__(self, probes: Mapping[str, Probe], clock: Callable[[], float] = time.monotonic) -> None:
        self._probes = probes
        self._clock = clock
        self._known: dict[str, tuple[float, Health]] = {}
        self._locks = {name: asyncio.Lock() for name in probes}

    async def ask(self, names: Iterable[str] | None = None) -> dict[str, Health]:
        """Return the answers of the named parts (all by default) that exist, none older than a second."""
        wanted = [name for name in (self._probes if names is None else names) if name in self._probes]
        answers = await asyncio.gather(*(self._one(name) for name in wanted))
        return dict(zip(wanted, answers, strict=True))

    async def _one(self, name: str) -> Health:
        async with self._locks[name]:
            at, health = self._known.get(name, (-FRESH_SECONDS, None))
            if health is None or self._clock() - at >= FRESH_SECONDS:
                health = await _asked(name, self._probes[name])
                self._known[name] = (self._clock(), health)
            return health


async def _asked(name: str, probe: Probe) -> Health:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return Health(status="up", detail=_line(await probe()))
    except TimeoutError:
        return Health(status="down", detail=f"no answer within {PROBE_SECONDS:g} s")
    except MapekError as error:
        return Health(status="down", detail=_line(str(error)))
    except Exception as error:
        # A probe with a bug says nothing about the part; saying "up" would be a guess.
        log.exception("probe %s failed", name)
        return Health(status="down", detail=f"cannot be told: {type(error).__name__}")


def _line(text: str) -> str:
    return clipped(redacted(text))


def component(workers: list[Worker], last_run: LastRun, activity: str) -> Probe:
    """Return the probe of a part that runs in this process: well while the workers run."""

    async def probe() -> str:
        if not workers or not all(worker.is_running for worker in workers):
            raise Unreachable("the workers do not run")
        return last_run.text(activity)

    return probe


def well(ask: Callable[[], Awaitable[None]], text: str) -> Probe:
    """Return a probe that asks one thing."""
    return all_well([ask], text)


def all_well(asks: list[Callable[[], Awaitable[None]]], text: str) -> Probe:
    """Return a probe that asks several things of the same kind."""

    async def probe() -> str:
        for ask in asks:
            await ask()
        return text

    return probe


def temporal_probe(client: Client, address: str) -> Probe:
    """Return the probe of the Temporal server."""

    async def probe() -> str:
        try:
            serving = await client.service_client.check_health()
        except RPCError as error:
            raise Unreachable(f"Temporal at {address}: {error.status.name}") from error
        if not serving:
            raise Unreachable(f"Temporal at {address} says that it does not serve")
        return f"serving namespace {client.namespace}"

    return probe

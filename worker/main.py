"""The worker process: `mapek worker`. Starts what runs, waits for a signal, ends it in order."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio.client import Client
from temporalio.runtime import MetricBuffer
from temporalio.worker import Worker

from activities.analyze.activity import AnalyzeActivities
from activities.execute.activity import ExecuteActivities
from activities.execute.prepare.activity import PrepareActivities
from activities.execute.verify.activity import VerifyActivities
from activities.knowledge.activity import KnowledgeActivities
from activities.model.errors import ConfigurationError
from activities.monitor.activity import MonitorActivities
from activities.plan.activity import PlanActivities
from activities.upkeep.activity import UpkeepActivities
from worker.assemble import Assembly, assemble
from worker.config.load import Config
from worker.config.schema import TemporalSettings
from worker.http.service import Tls, serve
from worker.observability.activity_metrics import watch_schedules
from worker.observability.pollers import MEASUREMENTS, watch_store, watch_tasks
from worker.sqlite_lock import the_only_one
from worker.temporal import bootstrap
from worker.temporal.client import connect
from worker.temporal.versioning import current_build, deployment_of, runner_of, to_make_current
from workflows import names
from workflows.cycle import MapekCycle
from workflows.loop import MapekLoop
from workflows.remediation import Remediation
from workflows.upkeep import MapekUpkeep

log = logging.getLogger("mapek.worker")

Assembling = Callable[[Config, Client], AbstractAsyncContextManager[Assembly]]

Work = Callable[[], Coroutine[Any, Any, None]]
"""Something that goes on in the background, begun by calling it."""

WORKFLOWS = [MapekCycle, Remediation, MapekLoop, MapekUpkeep]

PASSED_THROUGH = ("activities", "workflows", "pydantic_core", "annotated_types")
"""Modules the sandbox does not load anew for every workflow: ours are pure or only referenced by name."""

GRACE = timedelta(seconds=10)
"""For running activities at shutdown; a verification that is cut off goes on at the next worker."""

STICKY = timedelta(seconds=1)
"""How long the next workflow task waits for a worker that died; the default of 10 s was the largest delay."""

AGAIN = 15.0
"""Seconds until what broke in the background is begun anew: often enough for its figures, seldom enough for the log."""

VERIFICATIONS = 200
"""Verifications at once: they mostly sleep."""


async def run(config: Config, assembling: Assembling = assemble, reload: Callable[[], Config] | None = None) -> int:
    """Run the worker until SIGINT or SIGTERM. Returns 0. `assembling` makes everything it works with,
    `reload` reads the configuration again when its file has changed.

    Raises:
        ConfigurationError: something a person has to mend first; the message names the command.
        Unreachable: Temporal cannot be reached.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        measured = MetricBuffer(MEASUREMENTS)
        client = await connect(config.temporal, measured)
        await check(client)
        stack.enter_context(the_only_one(config))
        assembly = await stack.enter_async_context(assembling(config, client))
        await assembly.check()
        for worker in workers(client, config, assembly):
            assembly.workers.append(await stack.enter_async_context(worker))
        await stack.enter_async_context(serve(assembly.service, config.api.host, config.api.port, tls_of(config)))
        for work in background(client, config, assembly, measured, reload):
            await stack.enter_async_context(in_background(work))
        log.info("worker %s serves %s", client.identity, ", ".join(names_of(config)))
        await tell_of_version(client, config.temporal)
        await stop.wait()
        log.info("stopping: running activities have %d s to end", GRACE.total_seconds())
    return 0


async def tell_of_version(client: Client, settings: TemporalSettings) -> None:
    """Write into the log that this worker does nothing new, if another version, or none, is current."""
    if not settings.deployment_name:
        return
    current = await current_build(client, settings.deployment_name)
    if current != settings.build_id:
        stands = f"build {current} is current" if current else "nothing is current: no cycle runs"
        log.warning("%s in deployment %s; %s", stands, settings.deployment_name, to_make_current(settings))


def tls_of(config: Config) -> Tls | None:
    """Return the certificates of the service, None to serve plain HTTP."""
    api = config.api
    return Tls(api.tls_cert_file, api.tls_key_file, api.tls_client_ca_file) if api.tls_cert_file else None


def names_of(config: Config) -> list[str]:
    """Return the names of the loops this worker serves."""
    return [loop.name for loop in config.loops]


def background(
    client: Client,
    config: Config,
    assembly: Assembly,
    measured: MetricBuffer,
    reload: Callable[[], Config] | None,
) -> list[Work]:
    """Return what goes on beside the work that Temporal hands out."""
    works: list[Work] = [
        partial(watch_schedules, client, names_of(config), assembly.metrics),
        partial(watch_store, assembly.parts, assembly.metrics),
        partial(watch_tasks, measured, assembly.metrics),
        assembly.sender.run,
    ]
    return works if reload is None else [*works, partial(assembly.reloading.watch, reload)]


@asynccontextmanager
async def in_background(work: Work) -> AsyncIterator[None]:
    """Keep the work going while the block runs."""
    task = asyncio.create_task(kept_going(work))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def kept_going(work: Work, pause: float = AGAIN) -> None:
    """Do the work, and begin anew `pause` seconds after it broke: what it shows must not stand still unnoticed."""
    while True:
        try:
            return await work()
        except Exception:
            log.exception("a part of the worker broke, and begins again in %.0f s", pause)
            await asyncio.sleep(pause)


async def check(client: Client) -> None:
    """Refuse to start where a schedule's start would fail without a trace."""
    absent = await bootstrap.missing(client)
    if absent:
        lacking = ", ".join(key.name for key in absent)
        raise ConfigurationError(f"search attributes are not registered: {lacking}; run `mapek bootstrap` first")


def workers(client: Client, config: Config, assembly: Assembly) -> list[Worker]:
    """Return the two workers: one for everything, one that only verifies, so that it delays nothing else."""
    deployment = deployment_of(config.temporal)
    common = Worker(
        client,
        task_queue=names.QUEUE,
        workflows=WORKFLOWS,
        activities=common_activities(assembly),
        workflow_runner=runner_of(config.temporal, PASSED_THROUGH),
        interceptors=[assembly.interceptor],
        deployment_config=deployment,
        max_cached_workflows=200,
        max_concurrent_activities=config.performance.max_concurrent_analyses,
        sticky_queue_schedule_to_start_timeout=STICKY,
        graceful_shutdown_timeout=GRACE,
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        default_heartbeat_throttle_interval=timedelta(seconds=1),
    )
    verifying = Worker(
        client,
        task_queue=names.VERIFY_QUEUE,
        activities=[VerifyActivities(assembly.parts).verify],
        interceptors=[assembly.interceptor],
        deployment_config=deployment,
        max_concurrent_activities=VERIFICATIONS,
        graceful_shutdown_timeout=timedelta(seconds=1),
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        default_heartbeat_throttle_interval=timedelta(seconds=1),
    )
    return [common, verifying]


def common_activities(assembly: Assembly) -> list[Callable[..., Any]]:
    """Return the activities of the common queue: all but the verification."""
    parts = assembly.parts
    execute, knowledge = ExecuteActivities(parts), KnowledgeActivities(parts)
    return [
        MonitorActivities(parts).monitor,
        AnalyzeActivities(parts).analyze,
        PlanActivities(parts).plan,
        PrepareActivities(parts).prepare,
        execute.apply,
        execute.undo,
        knowledge.record,
        knowledge.release,
        UpkeepActivities(parts, assembly.locks).upkeep,
    ]

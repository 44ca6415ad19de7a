"""`mapek doctor`: asks every server, and names what is missing with the command that mends it."""

import asyncio
import time
from collections.abc import Awaitable
from itertools import chain
from typing import Literal

import typer
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.clients.alertmanager import AlertmanagerClient
from activities.clients.http import Http
from activities.clients.prometheus import PrometheusClient
from activities.model.errors import MapekError, RetryableError, Unreachable
from activities.model.rule import MetricRule
from activities.model.types import Noun
from activities.monitor.queries import COMPONENT, coverage_detail_queries, steady_signals, values_queries
from activities.monitor.rules import rules_of
from activities.settings import LoopSettings
from worker.assemble import loop_parts
from worker.cli import output
from worker.cli.session import RPC, AsJson, Session, of, verb
from worker.config.schema import TemporalSettings
from worker.temporal import bootstrap
from worker.temporal.versioning import current_build, to_make_current
from workflows import names

REMOTE_SECONDS = 2.0
SCRAPED = "see whether Prometheus scrapes Charter, and has the recording rules"


class Finding(Noun):
    """One thing that was looked at. `mend` is the command or change that helps, empty if all is well."""

    part: str
    state: Literal["ok", "missing", "unreachable"] = "ok"
    detail: str = ""
    mend: str = ""


@verb
async def doctor(ctx: typer.Context, as_json: AsJson = False) -> int:
    """Ask every server, and name what is missing with the command that mends it."""
    with output.waiting("asking every server"):
        findings = await _examined(of(ctx))
    if as_json:
        output.as_json(findings)
    else:
        for finding in findings:
            mend = f"; {finding.mend}" if finding.mend else ""
            output.line(f"{finding.state:<11} {finding.part}: {finding.detail}{mend}")
    states = {finding.state for finding in findings}
    return 3 if "unreachable" in states else 1 if "missing" in states else 0


async def _examined(session: Session) -> list[Finding]:
    """Ask all servers at once: a person is told within seconds, however many are silent."""
    config = session.config
    http = Http()
    try:
        asking = [_temporal(session), _store(session), *(_loop(http, loop) for loop in config.loops)]
        if config.alertmanager.enabled:
            asking.append(_alertmanager(http, config.alertmanager.url))
        answers = await asyncio.gather(*asking)
    finally:
        await http.close()
    return [Finding(part="config", detail=str(config.file or "defaults")), *chain.from_iterable(answers)]


async def _temporal(session: Session) -> list[Finding]:
    settings = session.config.temporal
    try:
        async with session.temporal() as client:
            request = DescribeNamespaceRequest(namespace=settings.namespace)
            await client.workflow_service.describe_namespace(request, timeout=RPC)
            schedules = [
                await _schedule(client, schedule, loop.name)
                for loop in session.config.loops
                for schedule in (names.schedule_id(loop.name), names.upkeep_schedule_id(loop.name))
            ]
            queues = [await _pollers(client, queue) for queue in (names.QUEUE, names.VERIFY_QUEUE)]
            reached = Finding(part="temporal", detail=f"{settings.address}, namespace {settings.namespace}")
            versions = [await version_of(client, settings)] if settings.deployment_name else []
            return [reached, await _attributes(client), *schedules, *queues, *versions]
    except MapekError as error:
        return [_failed("temporal", error, "if the namespace is missing, run `mapek bootstrap`")]


async def version_of(client: Client, settings: TemporalSettings) -> Finding:
    """Look which version of the worker deployment is current: without one no cycle runs, and nothing else says so."""
    current = await current_build(client, settings.deployment_name, RPC)
    part = f"deployment {settings.deployment_name}"
    if current == settings.build_id:
        return Finding(part=part, detail=f"build {current} is current")
    detail = f"build {current} is current, not {settings.build_id}" if current else "nothing is current: no cycle runs"
    return Finding(part=part, state="missing", detail=detail, mend=f"run `{to_make_current(settings)}`")


async def _attributes(client: Client) -> Finding:
    absent = [key.name for key in await bootstrap.missing(client)]
    if absent:
        return Finding(
            part="search attributes", state="missing", detail=", ".join(absent), mend="run `mapek bootstrap`"
        )
    return Finding(part="search attributes", detail=f"all {len(names.SEARCH_ATTRIBUTES)} are registered")


async def _schedule(client: Client, schedule: str, loop: str) -> Finding:
    part = f"schedule {schedule}"
    try:
        found = await client.get_schedule_handle(schedule).describe(rpc_timeout=RPC)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return Finding(part=part, state="missing", detail="does not exist", mend="run `mapek bootstrap`")
    if found.schedule.state.paused:
        note = found.schedule.state.note or "no note"
        return Finding(part=part, state="missing", detail=f"paused: {note}", mend=f"run `mapek resume {loop}`")
    return Finding(part=part, detail=f"{found.info.num_actions} started")


async def _pollers(client: Client, queue: str) -> Finding:
    """Look for whoever polled for activities within the last minutes."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )
    found = await client.workflow_service.describe_task_queue(request, timeout=RPC)
    workers = sorted({poller.identity for poller in found.pollers})
    if not workers:
        return Finding(part=f"queue {queue}", state="missing", detail="nobody polls it", mend="start `mapek worker`")
    return Finding(part=f"queue {queue}", detail=f"polled by {', '.join(workers)}")


async def _store(session: Session) -> list[Finding]:
    knowledge = session.config.knowledge
    if knowledge.database == "sqlite" and knowledge.sqlite_path and not knowledge.sqlite_path.is_file():
        detail = f"there is none at {knowledge.sqlite_path} yet"
        return [Finding(part="store", state="missing", detail=detail, mend="start `mapek worker`")]
    try:
        async with session.store() as store:
            broken = await store.audit.verify_chain()
    except MapekError as error:
        return [_failed("store", error, "see section knowledge")]
    if broken is not None:
        detail = f"audit row {broken} is not what was written"
        return [Finding(part="store", state="missing", detail=detail, mend="find out who changed it; restore a backup")]
    return [Finding(part="store", detail=f"{knowledge.database}, audit unbroken")]


async def _loop(http: Http, loop: LoopSettings) -> list[Finding]:
    parts, url = loop_parts(loop, http), loop.execute.charter_url
    key = "execute.charter_url and CHARTER_API_KEY"
    of_charter, of_prometheus = await asyncio.gather(
        _asked(f"charter {loop.charter}", url, parts.charter.committee(), key), _signals(parts.prometheus, loop)
    )
    return [of_charter, *of_prometheus]


async def _alertmanager(http: Http, url: str) -> list[Finding]:
    return [
        await _asked("alertmanager", url, AlertmanagerClient(http, url, REMOTE_SECONDS).ready(), "alertmanager.url")
    ]


async def _signals(prometheus: PrometheusClient, loop: LoopSettings) -> list[Finding]:
    """Run every rule's query and the coverage as of now."""
    url, rules, now = loop.monitor.prometheus_url, rules_of(loop.monitor), time.time()
    reached = await _asked("prometheus", url, prometheus.ready(), "monitor.prometheus_url")
    if reached.state != "ok":
        return [reached]
    max_age = 2 * loop.monitor.scrape_interval
    try:
        queries = [_rule(prometheus, rule, loop.monitor.rate_window, now) for rule in rules]
        of_rules = await asyncio.gather(*queries)
        details = coverage_detail_queries(rules, max_age, loop.most_components)
        ages = await asyncio.gather(*(prometheus.query(query, now) for query in details))
    except MapekError as error:
        return [reached, _failed(f"rules of {loop.name}", error, "see section monitor")]
    fresh = {
        (s.labels.get(COMPONENT, ""), s.labels.get("signal", ""))
        for s in chain.from_iterable(ages)
        if s.value <= max_age
    }
    steady = steady_signals(rules)
    of_components = [_component(c, [s for s in steady if (c, s) not in fresh]) for c in loop.components]
    return [reached, *of_rules, *of_components]


async def _rule(prometheus: PrometheusClient, rule: MetricRule, window: float, now: float) -> Finding:
    """Run one rule's query; one that counts rare events may have nothing to say yet."""
    part = f"rule {rule.metric}"
    (query,) = values_queries([rule], window, 1)
    answer = await prometheus.query(query, now)
    if answer:
        return Finding(part=part, detail=f"{len(answer)} components")
    if not rule.steady:
        return Finding(part=part, detail="nothing yet, as is usual for rare events")
    return Finding(part=part, state="missing", detail="its query returns nothing", mend=SCRAPED)


def _component(component: str, absent: list[str]) -> Finding:
    part = f"component {component}"
    if absent:
        return Finding(part=part, state="missing", detail=f"no fresh sample of {', '.join(absent)}", mend=SCRAPED)
    return Finding(part=part, detail="all signals are fresh")


async def _asked(part: str, what: str, asking: Awaitable[object], key: str) -> Finding:
    try:
        async with asyncio.timeout(REMOTE_SECONDS):
            await asking
    except TimeoutError:
        return _failed(part, Unreachable(f"{what} gives no answer within {REMOTE_SECONDS:g} s"), f"check {key}")
    except MapekError as error:
        return _failed(part, error, f"start it, or check {key}")
    return Finding(part=part, detail=what)


def _failed(part: str, error: MapekError, mend: str) -> Finding:
    away = isinstance(error, RetryableError)
    return Finding(part=part, state="unreachable" if away else "missing", detail=str(error), mend=mend)

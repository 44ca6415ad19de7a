"""`mapek doctor`: check every server, and print the fix for each problem."""

import asyncio
import time
from collections.abc import Awaitable
from itertools import chain
from typing import Literal

import typer
from pydantic import BaseModel, Field, TypeAdapter
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
    GetSystemInfoRequest,
)
from temporalio.client import Client

from activities.clients.alertmanager import AlertmanagerClient
from activities.clients.http import HttpClient
from activities.clients.http_messages import Request
from activities.clients.prometheus import PrometheusClient
from activities.model import identifiers
from activities.model.errors import ConfigurationError, MapekError, RetryableError, Unreachable
from activities.model.rule import MetricRule
from activities.model.types import FrozenModel
from activities.monitor.metric_names import COMPONENT_LABEL
from activities.monitor.queries import coverage_detail_queries, required_signals, values_queries
from activities.monitor.rules import build_rules
from activities.settings import LoopSettings
from worker.assemble import build_loop_dependencies
from worker.cli import output
from worker.cli.session import RPC_TIMEOUT, JsonOption, Session, async_command, current_session
from worker.config.load import Config
from worker.config.schema import TemporalSettings
from worker.config.secrets import token_reader
from worker.temporal.attribute_registration import find_missing_attributes
from worker.temporal.rpc import none_if_missing
from worker.temporal.versioning import find_current_build, format_promote_command
from workflows.search_attributes import SEARCH_ATTRIBUTES

REMOTE_TIMEOUT_SECONDS = 2.0
SCRAPE_FIX = "check that Prometheus scrapes Charter and has the recording rules"


class WorkerHealth(BaseModel):
    """The part of the worker's `/health` that doctor reads; without authorization it has no components."""

    components: dict[str, dict[str, str]] = Field(default_factory=dict)


HEALTH_SCHEMA = TypeAdapter(WorkerHealth)


class Finding(FrozenModel):
    """The result of one check. `fix` is the command or change that helps, empty if the state is ok."""

    part: str
    state: Literal["ok", "missing", "unreachable"] = "ok"
    detail: str = ""
    fix: str = ""


@async_command
async def doctor(ctx: typer.Context, as_json: JsonOption = False) -> int:
    """Check every server, and print the fix for each problem."""
    with output.spinner("checking every server"):
        findings = await _check_all(current_session(ctx))
    if as_json:
        output.print_json(findings)
    else:
        for finding in findings:
            fix = f"; {finding.fix}" if finding.fix else ""
            output.print_line(f"{finding.state:<11} {finding.part}: {finding.detail}{fix}")
    states = {finding.state for finding in findings}
    return 3 if "unreachable" in states else 1 if "missing" in states else 0


async def _check_all(session: Session) -> list[Finding]:
    """Check all servers concurrently: silent ones cost one timeout, however many there are."""
    config = session.config
    http = HttpClient()
    try:
        checks = [_check_temporal(session), _check_store(session), check_worker_store(http, config)]
        checks.extend(_check_loop(http, loop) for loop in config.loops)
        if config.alertmanager.enabled:
            checks.append(_check_alertmanager(http, config.alertmanager.url))
        findings = await asyncio.gather(*checks)
    finally:
        await http.close()
    return [Finding(part="config", detail=str(config.file or "defaults")), *chain.from_iterable(findings)]


async def _check_temporal(session: Session) -> list[Finding]:
    settings = session.config.temporal
    try:
        async with session.connect_temporal() as client:
            request = DescribeNamespaceRequest(namespace=settings.namespace)
            await client.workflow_service.describe_namespace(request, timeout=RPC_TIMEOUT)
            schedules = [
                await _check_schedule(client, schedule, loop.name)
                for loop in session.config.loops
                for schedule in (identifiers.schedule_id(loop.name), identifiers.upkeep_schedule_id(loop.name))
            ]
            queues = [
                await _check_pollers(client, queue) for queue in (identifiers.TASK_QUEUE, identifiers.VERIFY_TASK_QUEUE)
            ]
            system = await client.workflow_service.get_system_info(GetSystemInfoRequest(), timeout=RPC_TIMEOUT)
            detail = f"{settings.address}, namespace {settings.namespace}, version {system.server_version}"
            server = Finding(part="temporal", detail=detail)
            versions = [await check_version(client, settings)] if settings.deployment_name else []
            return [server, await _check_search_attributes(client), *schedules, *queues, *versions]
    except MapekError as error:
        return [_failed_finding("temporal", error, "if the namespace is missing, run `mapek bootstrap`")]


async def check_version(client: Client, settings: TemporalSettings) -> Finding:
    """Check which version of the worker deployment is current. Without one no cycle runs, and no other check fails."""
    current = await find_current_build(client, settings.deployment_name, RPC_TIMEOUT)
    part = f"deployment {settings.deployment_name}"
    if current == settings.build_id:
        return Finding(part=part, detail=f"build {current} is current")
    detail = (
        f"build {current} is current, not {settings.build_id}" if current else "no build is current, so no cycle runs"
    )
    return Finding(part=part, state="missing", detail=detail, fix=f"run `{format_promote_command(settings)}`")


async def _check_search_attributes(client: Client) -> Finding:
    part = "search attributes"
    try:
        absent = [key.name for key in await find_missing_attributes(client)]
    except ConfigurationError as error:
        return Finding(part=part, state="missing", detail=str(error))
    if absent:
        return Finding(part=part, state="missing", detail=", ".join(absent), fix="run `mapek bootstrap`")
    return Finding(part=part, detail=f"all {len(SEARCH_ATTRIBUTES)} are registered")


async def _check_schedule(client: Client, schedule_id: str, loop: str) -> Finding:
    part = f"schedule {schedule_id}"
    description = await none_if_missing(client.get_schedule_handle(schedule_id).describe(rpc_timeout=RPC_TIMEOUT))
    if description is None:
        return Finding(part=part, state="missing", detail="does not exist", fix="run `mapek bootstrap`")
    if description.schedule.state.paused:
        note = description.schedule.state.note or "no note"
        return Finding(part=part, state="missing", detail=f"paused: {note}", fix=f"run `mapek resume {loop}`")
    return Finding(part=part, detail=f"{description.info.num_actions} started")


async def _check_pollers(client: Client, task_queue: str) -> Finding:
    """Check which workers polled for activities within the last minutes."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )
    response = await client.workflow_service.describe_task_queue(request, timeout=RPC_TIMEOUT)
    workers = sorted({poller.identity for poller in response.pollers})
    if not workers:
        return Finding(
            part=f"queue {task_queue}", state="missing", detail="no worker polls it", fix="start `mapek worker`"
        )
    return Finding(part=f"queue {task_queue}", detail=f"polled by {', '.join(workers)}")


async def _check_store(session: Session) -> list[Finding]:
    knowledge = session.config.knowledge
    if knowledge.database == "sqlite" and knowledge.sqlite_path and not knowledge.sqlite_path.is_file():
        detail = f"no file at {knowledge.sqlite_path}"
        return [Finding(part="store", state="missing", detail=detail, fix="start `mapek worker`")]
    try:
        async with session.open_store() as store:
            broken_row = await store.audit.verify_chain()
    except MapekError as error:
        return [_failed_finding("store", error, "check section knowledge")]
    if broken_row is not None:
        detail = f"audit row {broken_row} was changed after writing"
        return [Finding(part="store", state="missing", detail=detail, fix="investigate; restore a back-up")]
    return [Finding(part="store", detail=f"{knowledge.database}, audit intact")]


async def check_worker_store(http: HttpClient, config: Config) -> list[Finding]:
    """Ask the worker whether its SQLite file is still the one at the path. Without an answer, report nothing."""
    if config.knowledge.database != "sqlite":
        return []
    url = f"{config.mapek_url}/health"
    try:
        token = token_reader(config.api.view_token_file)()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = await http.read(Request("GET", url, headers, timeout=REMOTE_TIMEOUT_SECONDS), HEALTH_SCHEMA)
    except MapekError:
        return []
    health = response.value.components.get("knowledge", {})
    if health.get("status") != "down":
        return []
    return [Finding(part="store of the worker", state="missing", detail=f"{url}: {health.get('detail', '')}")]


async def _check_loop(http: HttpClient, loop: LoopSettings) -> list[Finding]:
    parts, url = build_loop_dependencies(loop, http), loop.execute.charter_url
    key = "execute.charter_url and CHARTER_API_KEY"
    charter_finding, prometheus_findings = await asyncio.gather(
        _check_remote(f"charter {loop.charter}", url, parts.charter.fetch_committee(), key),
        _check_signals(parts.prometheus, loop),
    )
    return [charter_finding, *prometheus_findings]


async def _check_alertmanager(http: HttpClient, url: str) -> list[Finding]:
    client = AlertmanagerClient(http, url, REMOTE_TIMEOUT_SECONDS)
    server = await _check_remote("alertmanager", url, client.check_ready(), "alertmanager.url")
    return [await add_version(server, client)]


async def _check_signals(prometheus: PrometheusClient, loop: LoopSettings) -> list[Finding]:
    """Run the queries of all rules and of the coverage as of now."""
    url, rules, now = loop.monitor.prometheus_url, build_rules(loop.monitor), time.time()
    server = await _check_remote("prometheus", url, prometheus.check_ready(), "monitor.prometheus_url")
    if server.state != "ok":
        return [server]
    server = await add_version(server, prometheus)
    max_age = loop.monitor.max_sample_age
    try:
        queries = [check_rule(prometheus, rule, loop.monitor.rate_window, now) for rule in rules]
        rule_findings = await asyncio.gather(*queries)
        details = coverage_detail_queries(rules, max_age, loop.max_components)
        answers = await asyncio.gather(*(prometheus.query_with_remarks(query, now) for query in details))
    except MapekError as error:
        return [server, _failed_finding(f"rules of {loop.name}", error, "check section monitor")]
    fresh = {
        (s.labels.get(COMPONENT_LABEL, ""), s.labels.get("signal", ""))
        for samples, _ in answers
        for s in samples
        if s.value <= max_age
    }
    remarks = tuple(dict.fromkeys(chain.from_iterable(remarks for _, remarks in answers)))
    server = server.model_copy(update={"detail": _add_remarks(server.detail, remarks)})
    signals = required_signals(rules)
    component_findings = [_component_finding(c, [s for s in signals if (c, s) not in fresh]) for c in loop.components]
    return [server, *rule_findings, *component_findings]


async def check_rule(prometheus: PrometheusClient, rule: MetricRule, window: float, now: float) -> Finding:
    """Run one rule's query, and show Prometheus's advice on it. A rule of rare events may have no series yet."""
    part = f"rule {rule.metric}"
    (query,) = values_queries([rule], window, 1)
    samples, remarks = await prometheus.query_with_remarks(query, now)
    if samples:
        return Finding(part=part, detail=_add_remarks(f"{len(samples)} components", remarks))
    if not rule.always_present:
        return Finding(part=part, detail=_add_remarks("no series yet, as usual for rare events", remarks))
    detail = _add_remarks("its query returns nothing", remarks)
    return Finding(part=part, state="missing", detail=detail, fix=SCRAPE_FIX)


def _add_remarks(detail: str, remarks: tuple[str, ...]) -> str:
    """Return the detail of a check, followed by the advice of the server. Advice does not change the state."""
    return "; ".join((detail, *(f"remark: {remark}" for remark in remarks)))


def _component_finding(component: str, missing_signals: list[str]) -> Finding:
    part = f"component {component}"
    if missing_signals:
        return Finding(
            part=part, state="missing", detail=f"no fresh sample of {', '.join(missing_signals)}", fix=SCRAPE_FIX
        )
    return Finding(part=part, detail="all signals are fresh")


async def _check_remote(part: str, url: str, request: Awaitable[object], key: str) -> Finding:
    try:
        async with asyncio.timeout(REMOTE_TIMEOUT_SECONDS):
            await request
    except TimeoutError:
        return _failed_finding(
            part, Unreachable(f"{url} does not answer within {REMOTE_TIMEOUT_SECONDS:g} s"), f"check {key}"
        )
    except MapekError as error:
        return _failed_finding(part, error, f"start the server, or check {key}")
    return Finding(part=part, detail=url)


async def add_version(server: Finding, client: PrometheusClient | AlertmanagerClient) -> Finding:
    """Add the version that a server names to its check. An unknown version does not change the state."""
    if server.state != "ok":
        return server
    try:
        async with asyncio.timeout(REMOTE_TIMEOUT_SECONDS):
            version = await client.fetch_version() or "unknown: the server names none"
    except TimeoutError:
        version = f"unknown: no answer within {REMOTE_TIMEOUT_SECONDS:g} s"
    except MapekError as error:
        version = f"unknown: {error}"
    return server.model_copy(update={"detail": f"{server.detail}, version {version}"})


def _failed_finding(part: str, error: MapekError, fix: str) -> Finding:
    is_unreachable = isinstance(error, RetryableError)
    return Finding(part=part, state="unreachable" if is_unreachable else "missing", detail=str(error), fix=fix)

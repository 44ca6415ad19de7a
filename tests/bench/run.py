"""`make bench`: what a healthy cycle costs above the floor, as paired ratios from one run.

A and B take turns on the same server and the same worker process; the figure is the median of the pairs' ratios, so
that a noisy machine disturbs both sides alike. Exit code 1 if the ratio is above the goal.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.model import identifiers
from activities.model.cycle import CycleRequest, CycleResult
from activities.monitor.queries import coverage_query, prefilter_query
from activities.monitor.rules import build_rules
from activities.settings import LoopSettings
from deploy.devstack.layout import STACK_SERVICES
from deploy.devstack.stack import RunningStack, StackOptions, running_stack
from tests.bench.baseline_workflow import BaselineCycle
from worker.assemble import assemble
from worker.config.load import Config, load_config
from worker.config.secrets import token_reader
from worker.main import PASSED_THROUGH, build_workers
from worker.temporal.client import connect
from workflows.cycle import MapekCycle

MAX_RATIO = 1.25
"""A healthy cycle may take this many times what the floor takes."""
WARM_UP_PAIRS = 10
BASELINE_TASK_QUEUE = "bench-bare"

TimedRun = Callable[[str], Awaitable[None]]


class BaselineRequests:
    """The requests of a healthy cycle over one raw, shared client."""

    def __init__(self, settings: LoopSettings, client: httpx.AsyncClient) -> None:
        self.settings = settings
        self.client = client
        token = token_reader(settings.execute.charter_api_key_file, settings.execute.charter_api_key)()
        self.headers = {"Authorization": f"Bearer {token}"}

    @activity.defn(name="bare-requests")
    async def send_requests(self, loop: str) -> str:
        """Ask Prometheus twice and Charter twice, concurrently, and parse the answers."""
        monitor, execute = self.settings.monitor, self.settings.execute
        rules, now = build_rules(monitor), time.time()
        prometheus = f"{monitor.prometheus_url}/api/v1/query"
        queries = (prefilter_query(rules, monitor.rate_window), coverage_query(rules, monitor.max_sample_age))
        charter, headers = f"{execute.charter_url}/api/v1", self.headers
        answers = await asyncio.gather(
            *(self.client.post(prometheus, data={"query": query, "time": f"{now:.3f}"}) for query in queries),
            self.client.get(f"{charter}/violations", params={"since": now - 60}, headers=headers),
            self.client.get(f"{charter}/committee/state", headers=headers),
        )
        return f"{loop}: {sum(len(answer.raise_for_status().json()) for answer in answers)} parts"


async def main() -> int:
    """Measure and print; return 0 if the goal is met, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stack_options = StackOptions(
            state_dir=Path(folder) / "state",
            profile="demo",
            services=frozenset(STACK_SERVICES) - {"worker"},
            report=lambda _: None,
        )
        async with running_stack(stack_options) as stack:
            figures = await measure(stack, options.pairs)
    print(
        f"healthy cycle ÷ bare workflow with the same requests: median {figures['ratio_median']:.3f} "
        f"(10–90 %: {figures['ratio_p10']:.3f}–{figures['ratio_p90']:.3f}), goal ≤ {MAX_RATIO}\n"
        f"  cycle {figures['cycle_ms']:.1f} ms, bare {figures['bare_ms']:.1f} ms (medians of {options.pairs} pairs)"
    )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))
    return 0 if figures["ratio_median"] <= MAX_RATIO else 1


async def measure(stack: RunningStack, pairs: int) -> dict[str, float]:
    """Return the figures of one run: ratios, and medians in milliseconds."""
    config = load_config(stack.state.config_file, state=stack.state.path)
    client = await connect(config.temporal)
    for schedule in (identifiers.schedule_id("charter"), identifiers.upkeep_schedule_id("charter")):
        await client.get_schedule_handle(schedule).pause(note="bench")
    async with assemble(config, client) as assembly, httpx.AsyncClient(trust_env=False) as raw:
        common, verifying = build_workers(client, config, assembly)
        async with common, verifying, build_baseline_worker(client, config, raw):
            return compute_figures(await time_pairs(client, pairs))


def build_baseline_worker(client: Client, config: Config, http_client: httpx.AsyncClient) -> Worker:
    """Return the worker of the floor, set up as the product's."""
    return Worker(
        client,
        task_queue=BASELINE_TASK_QUEUE,
        workflows=[BaselineCycle],
        activities=[BaselineRequests(config.loops[0], http_client).send_requests],
        workflow_runner=SandboxedWorkflowRunner(
            restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
        ),
    )


async def time_pairs(client: Client, pairs: int) -> list[tuple[float, float]]:
    """Return (cycle, bare) in seconds for each pair; who goes first changes from pair to pair."""

    async def cycle(key: str) -> None:
        result = await run_healthy_cycle(client, key)
        assert result.outcome == "healthy", result.headline

    async def bare(key: str) -> None:
        await client.execute_workflow(
            BaselineCycle.run, "charter", id=f"bench-bare-{key}", task_queue=BASELINE_TASK_QUEUE
        )

    async with asyncio.timeout(30):
        # No event reports that Prometheus has scraped a few times.
        while (await run_healthy_cycle(client, f"ready-{time.time_ns()}")).outcome != "healthy":  # noqa: ASYNC110
            await asyncio.sleep(0.5)
    found = []
    for number in range(WARM_UP_PAIRS + pairs):
        order: list[TimedRun] = [cycle, bare] if number % 2 else [bare, cycle]
        seconds = {one: await measure_seconds(one, str(number)) for one in order}
        if number >= WARM_UP_PAIRS:
            found.append((seconds[cycle], seconds[bare]))
    return found


async def run_healthy_cycle(client: Client, key: str) -> CycleResult:
    """Run one cycle of the product."""
    return await client.execute_workflow(
        MapekCycle.run, CycleRequest(loop="charter"), id=f"bench-cycle-{key}", task_queue=identifiers.TASK_QUEUE
    )


async def measure_seconds(run: TimedRun, key: str) -> float:
    """Return the seconds one run took."""
    began = time.perf_counter()
    await run(key)
    return time.perf_counter() - began


def compute_figures(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Return the medians and the spread of the ratios."""
    ratios = sorted(cycle / bare for cycle, bare in pairs)
    return {
        "pairs": len(pairs),
        "ratio_median": statistics.median(ratios),
        "ratio_p10": ratios[len(ratios) // 10],
        "ratio_p90": ratios[-1 - len(ratios) // 10],
        "cycle_ms": 1000 * statistics.median(cycle for cycle, _ in pairs),
        "bare_ms": 1000 * statistics.median(bare for _, bare in pairs),
    }


if __name__ == "__main__":
    code = asyncio.run(main())
    sys.stdout.flush()
    os._exit(code)  # the SDK now and then aborts at interpreter exit, which would cost the exit code

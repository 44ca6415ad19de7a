"""Long scenarios that run concurrently with the other tests, each on its own stack."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.devstack.stack import StackOptions, running_stack
from tests.end_to_end import demo_process, production_timings
from tests.end_to_end.demo_process import DemoResult
from tests.end_to_end.incidents import BLINDING_FAULTS, HEALABLE_FAULTS, TWO_FAULTS, WORSENED_FAULT, IncidentRecords
from tests.end_to_end.production_timings import ProductionTimings
from tests.support.stack import StackHarness, connect_harness

DEMO_SEED = 7
BUDGET_INCIDENTS = ("few-validators", WORSENED_FAULT[0])
"""These are first because two test files need them."""

SCENARIO_USERS: Mapping[str, frozenset[str]] = {
    "incidents": frozenset({"test_healing", "test_budgets", "test_dashboards"}),
    "demo": frozenset({"test_demo"}),
    "real_period": frozenset({"test_production_timings"}),
}
"""The test files that need a scenario; without them it does not run."""


@dataclass
class BackgroundScenarios:
    """The running scenarios; `harness` belongs to the incidents and is set when their stack is ready."""

    incident_records: IncidentRecords
    harness: "asyncio.Future[StackHarness]"
    tasks: dict[str, "asyncio.Task[Any]"]

    async def wait_for_demo(self) -> DemoResult:
        """Return the result of the demo."""
        result: DemoResult = await self.tasks["demo"]
        return result

    async def wait_for_production_timings(self) -> ProductionTimings:
        """Return the times of the incident with production timings."""
        timings: ProductionTimings = await self.tasks["real_period"]
        return timings


@asynccontextmanager
async def running_scenarios(
    test_files: frozenset[str], folder: Path, short_settings: Mapping[str, Any]
) -> AsyncIterator[BackgroundScenarios]:
    """Start the scenarios that the test files need, and stop them after the block."""
    loop = asyncio.get_running_loop()
    kinds = (
        *BUDGET_INCIDENTS,
        TWO_FAULTS,
        *(kind for kind in (*HEALABLE_FAULTS, *BLINDING_FAULTS) if kind not in BUDGET_INCIDENTS),
    )
    background = BackgroundScenarios(IncidentRecords(kinds), loop.create_future(), {})
    scenarios: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
        "incidents": lambda: play_incidents(background, folder / "incidents", short_settings),
        "demo": lambda: demo_process.run_demo(folder / "demo", DEMO_SEED),
        "real_period": lambda: play_production_timings(folder / "real_period"),
    }
    for name, scenario in scenarios.items():
        if test_files & SCENARIO_USERS[name]:
            background.tasks[name] = asyncio.create_task(scenario())
    try:
        yield background
    finally:
        for task in background.tasks.values():
            task.cancel()
        await asyncio.gather(*background.tasks.values(), return_exceptions=True)


async def play_incidents(scenarios: BackgroundScenarios, state: Path, short_settings: Mapping[str, Any]) -> None:
    """Play all incidents on one stack and keep it running for the tests that read its histories."""
    try:
        async with (
            running_stack(build_stack_options(state, "demo", short_settings)) as stack,
            connect_harness(stack) as harness,
        ):
            await harness.restore_healthy()
            scenarios.harness.set_result(harness)
            await scenarios.incident_records.play_all(harness)
            await stack.wait()
    except Exception as error:
        for record in (scenarios.harness, *scenarios.incident_records.records.values()):
            if not record.done():
                record.set_exception(error)
                record.exception()  # marks it as retrieved: asyncio must not warn if no test waits
        raise


async def play_production_timings(state: Path) -> ProductionTimings:
    """Play one incident on a stack with production timings."""
    async with running_stack(build_stack_options(state, "real", {})) as stack, connect_harness(stack) as harness:
        return await production_timings.measure_timings(harness)


def build_stack_options(state: Path, profile: str, settings: Mapping[str, Any]) -> StackOptions:
    """Return the options of a stack without output."""
    return StackOptions(state_dir=state, profile=profile, settings=settings, report=lambda _: None)

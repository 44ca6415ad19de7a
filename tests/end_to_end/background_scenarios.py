"""What takes minutes by itself and is played beside the other tests: each scenario on a stack of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.devstack.stack import StackOptions, running_stack
from tests.end_to_end import demo_process, production_timings
from tests.end_to_end.demo_process import Played
from tests.end_to_end.incidents import BLINDING, HEALABLE, TWOFOLD, WORSENED, Gallery
from tests.end_to_end.production_timings import RealPeriod
from tests.support.stack import World, world_of

SEED = 7
FIRST = ("few-validators", WORSENED[0])
"""Played first, because two test files need them."""

USERS: Mapping[str, frozenset[str]] = {
    "gallery": frozenset({"test_healing", "test_budgets", "test_dashboards"}),
    "demo": frozenset({"test_demo"}),
    "real_period": frozenset({"test_real_period"}),
}
"""The test files that wait for a scenario; without one of them it is not played."""


@dataclass
class Background:
    """The scenarios that run. `world` is the one of the gallery, from when it is up."""

    gallery: Gallery
    world: "asyncio.Future[World]"
    tasks: dict[str, "asyncio.Task[Any]"]

    async def demo(self) -> Played:
        """Return what was seen of the demo."""
        played: Played = await self.tasks["demo"]
        return played

    async def real_period(self) -> RealPeriod:
        """Return the times of the incident with the timings of production."""
        times: RealPeriod = await self.tasks["real_period"]
        return times


@asynccontextmanager
async def started(files: frozenset[str], folder: Path, brisk: Mapping[str, Any]) -> AsyncIterator[Background]:
    """Start the scenarios that these test files wait for; at the end of the block what still runs is taken down."""
    loop = asyncio.get_running_loop()
    kinds = (*FIRST, TWOFOLD, *(kind for kind in (*HEALABLE, *BLINDING) if kind not in FIRST))
    background = Background(Gallery(kinds), loop.create_future(), {})
    scenarios: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
        "gallery": lambda: played_gallery(background, folder / "gallery", brisk),
        "demo": lambda: demo_process.play(folder / "demo", SEED),
        "real_period": lambda: played_real_period(folder / "real_period"),
    }
    for name, scenario in scenarios.items():
        if files & USERS[name]:
            background.tasks[name] = asyncio.create_task(scenario())
    try:
        yield background
    finally:
        for task in background.tasks.values():
            task.cancel()
        await asyncio.gather(*background.tasks.values(), return_exceptions=True)


async def played_gallery(background: Background, state: Path, brisk: Mapping[str, Any]) -> None:
    """Play all incidents on one stack, and keep it up for those who read its histories."""
    try:
        async with running_stack(options(state, "demo", brisk)) as stack, world_of(stack) as world:
            await world.rest()
            background.world.set_result(world)
            await background.gallery.play(world)
            await stack.wait()
    except Exception as error:
        for record in (background.world, *background.gallery.records.values()):
            if not record.done():
                record.set_exception(error)
                record.exception()  # seen: perhaps nobody asks
        raise


async def played_real_period(state: Path) -> RealPeriod:
    """Play one incident on a stack with the timings of production."""
    async with running_stack(options(state, "real", {})) as stack, world_of(stack) as world:
        return await production_timings.play(world)


def options(state: Path, profile: str, settings: Mapping[str, Any]) -> StackOptions:
    """Return the options of a quiet stack."""
    return StackOptions(state=state, profile=profile, settings=settings, say=lambda _: None)

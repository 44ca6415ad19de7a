"""Killing and freezing: workers at every failpoint and in every wait, the server, and both, with much in flight."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

from tests.soak.faults.coverage import OFTEN, WAITS, cells
from tests.soak.faults.failpoints import KILL
from tests.soak.harness.fleet import Fleet, until_serving, wrong_clock
from tests.soak.harness.in_flight import in_flight, steps

MUCH = 4
"""Remediations in flight, in as many different steps, that a kill wants to meet."""
LIVES = 6.0
"""Seconds a worker lives at least, so that remediations get anywhere between two kills."""
GATHERS = 40.0
"""Seconds that is waited for them."""
PASSES = 12.0
"""Seconds an armed point is waited for before the others have their turn."""
FROZEN = 8.0
"""Seconds a frozen worker stands still: longer than its heartbeat time-out of 5."""
SECOND = ("undo-1", "verify-undo", "record")
"""Steps in which a second crash comes, when the first one was in a compensation."""


@dataclass(frozen=True)
class Kill:
    """One kill: of what, where, and what was in flight."""

    what: str
    where: str
    in_flight: int
    steps: tuple[str, ...]

    @property
    def counts(self) -> bool:
        """Whether enough was in flight, in enough different steps."""
        return self.in_flight >= MUCH and len(self.steps) >= MUCH


@dataclass
class Kills:
    """The killing of one soak. `open` are the points nobody was killed in yet; `waits` the same for steps that wait.

    `what` is killed, each as often as it is named, in the order of the dice; once all had their turn, anew. A kill is
    waited for until `much` remediations are in flight, in as many steps, at most `gathers` seconds.
    """

    fleet: Fleet
    dice: Random
    counts: Counter[str]
    say: Callable[[str], None]
    what: Sequence[str]
    much: int = MUCH
    gathers: float = GATHERS
    done: list[Kill] = field(default_factory=list)
    open: list[str] = field(default_factory=cells)
    waits: Counter[str] = field(default_factory=Counter)
    turns: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice.shuffle(self.open)

    async def one(self) -> None:
        """Kill what has its turn."""
        self.turns = self.turns or self.dice.sample(self.what, len(self.what))
        await getattr(self, self.turns.pop())()

    async def worker(self) -> None:
        """Kill the worker at a point that is still open, or in a wait, and start another one."""
        rare = [point for point in self.open if point.partition(".")[0] not in OFTEN]
        # A point that is seldom passed is waited for all the time.
        point = await self.armed(rare, self.until_much())
        if not point:
            point = await self.at_a_point(rare)
        if not point:
            point = await self.in_a_wait()
        await self.noted("worker", point)
        await self.revived()
        if point.startswith(("undo", "verify-undo")):
            await self.second_crash()

    async def at_a_point(self, rare: list[str]) -> str:
        """Arm open points and return the one that struck; empty if nobody came by."""
        often = [point for point in self.open if point.partition(".")[0] in OFTEN]
        if point := await self.armed(rare, asyncio.sleep(PASSES / 2)):
            return point
        return await self.armed([*rare, *(often or self.again())], asyncio.sleep(PASSES))

    def again(self) -> list[str]:
        """Return some points for another time, once every one had its turn."""
        return self.dice.sample([point for point in cells() if point not in self.open], 10)

    async def revived(self) -> None:
        """Let a worker begin if none runs."""
        if "first" not in self.fleet.alive:
            await self.fleet.start_worker()

    async def armed(self, points: list[str], work: Awaitable[None]) -> str:
        """Arm points until the work is done or one of them strikes. Return which; empty if none did."""
        await self.revived()
        child, before = self.fleet.workers["first"].child, len(self.fleet.points.fired(KILL))
        for point in points:
            self.fleet.points.arm(point)
        working = asyncio.ensure_future(work)
        dying = asyncio.create_task(child.wait())
        await asyncio.wait({working, dying}, return_when=asyncio.FIRST_COMPLETED)
        for point in points:
            self.fleet.points.disarm(point)
        for task in (working, dying):
            task.cancel()
        await asyncio.gather(working, dying, return_exceptions=True)
        struck = [point for point in self.fleet.points.fired(KILL)[before:] if point in points]
        self.open[:] = [point for point in self.open if point not in struck]
        if struck:
            await child.wait()
            self.fleet.down()
            return struck[0]
        # Nobody killed it: it refuses to begin while what it needs does not answer.
        await self.revived()
        if working.done() and not working.cancelled():
            working.result()
        return ""

    async def in_a_wait(self) -> str:
        """Kill the worker in the wait that had its turn least often of those that are there."""
        held = await in_flight(self.fleet.client)
        there = [one.step for one in held if one.step in WAITS] or ["idle"]
        step = min(there, key=lambda name: self.waits[name])
        await self.fleet.kill_worker()
        self.waits[step] += 1
        return step

    async def second_crash(self) -> None:
        """Kill the next worker as well, as soon as it goes on with the compensation."""
        points = [point for point in cells() if point.partition(".")[0] in SECOND]
        point = await self.armed(self.dice.sample(points, 8), asyncio.sleep(PASSES))
        if point:
            await self.noted("worker, second crash", point)
            await self.revived()

    async def server(self) -> None:
        """Kill the Temporal server and start it again upon its file."""
        await self.until_much()
        await self.noted("server", "")
        await self.fleet.kill_server()
        await self.fleet.start_server()

    async def both(self) -> None:
        """Kill the server and, while it is away, the worker; start both again."""
        await self.until_much()
        await self.noted("server", "with the worker")
        await self.noted("worker", "without a server")
        await self.fleet.kill_server()
        await self.fleet.kill_worker()
        await self.fleet.start_server()
        await self.fleet.start_worker()

    async def freeze(self) -> None:
        """Freeze the worker beyond its heartbeat time-out, let another take over, and let it go on as a zombie."""
        await self.until_much()
        self.fleet.freeze()
        self.counts["worker frozen"] += 1
        await self.fleet.start_worker("second")
        await asyncio.sleep(FROZEN)
        self.fleet.thaw()
        # For a while both serve the same queues.
        await asyncio.sleep(FROZEN / 2)
        self.counts["two workers on one queue"] += 1
        await self.fleet.kill_worker("second")
        await self.noted("worker", "of two")

    async def clock(self) -> None:
        """Step the worker's clock by an hour while much is in flight, and back after a while."""
        environment, file = await wrong_clock(self.fleet)
        await self.until_much()
        await self.noted("worker", "for one whose clock will step")
        await self.fleet.kill_worker()
        await self.fleet.start_worker("first", **environment)
        await self.until_much()
        hour = self.dice.choice(("+3600", "-3600"))
        file.write_text(hour)
        self.counts[f"clock stepped {hour[0]}1 h"] += 1
        await asyncio.sleep(FROZEN)
        file.write_text("+0")
        # Every look at such a clock is dear: the next worker has one of its own.
        await self.noted("worker", "whose clock stepped")
        await self.fleet.kill_worker()
        await self.fleet.start_worker()

    async def until_much(self) -> None:
        """Wait until the worker serves, the next is loaded and much is in flight, at most so long."""
        await self.revived()
        await until_serving(self.fleet)
        await asyncio.sleep(LIVES)
        await self.fleet.prepare_worker()
        until = time.monotonic() + self.gathers
        while time.monotonic() < until:
            held = await in_flight(self.fleet.client)
            if len(held) >= self.much and len(steps(held)) >= self.much:
                return
            await asyncio.sleep(0.3)

    async def noted(self, what: str, where: str) -> None:
        """Write down what is killed and what is in flight: nothing moves while no worker lives."""
        held = await in_flight(self.fleet.client)
        self.done.append(Kill(what, where, len(held), tuple(sorted(steps(held)))))
        self.counts[f"{what.partition(',')[0]} killed"] += 1
        self.say(f"kill {len(self.done)}: {what} {where}, {len(held)} in flight: {', '.join(sorted(steps(held)))}")

    def report(self) -> list[dict[str, Any]]:
        """Return all kills as plain values."""
        return [asdict(kill) for kill in self.done]

"""The life of a soak: troubles come and go at every Charter, and people answer, so that much is always in flight."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random

import httpx
from temporalio.exceptions import TemporalError
from temporalio.service import RPCError

from activities.model.errors import StoreUnavailable
from activities.model.mode import ModeName
from activities.model.remediation import Approval, Resume
from tests.soak.harness.fleet import Fleet
from tests.soak.harness.in_flight import Running
from tests.soak.harness.sites import Site

Trouble = tuple[tuple[str, str], ...]

TROUBLES: tuple[Trouble, ...] = (
    (("few-validators", "validator-2"),),
    (("overload", "policy-engine"), ("bad-policy", "gateway")),
    (("slow-node", "validator-3"), ("overload", "gateway")),
    (("remedy-worsens", "validator-1"),),
    (("bad-policy", "gateway"), ("few-validators", "validator-2")),
    (("remedy-worsens", "validator-1"), ("bad-policy", "gateway")),
    (("retry-cascade", "gateway"),),
)
"""What strikes at once."""
TWO_ACTIONS: Trouble = (("dead-node", "validator-4"), ("few-validators", "validator-2"))
"""A dead member beside few of them is answered by one plan of two actions."""
IN_FULL = 8.0
"""Seconds until a whole rate window shows a trouble: what still grows would be held against its remedy."""
NOTICED, LASTS = 20.0, 45.0
"""Seconds within which a remediation has to begin, and after which the trouble goes away by itself."""
LOOK = 0.5


@dataclass
class Traffic:
    """The troubles and the people of one soak, by its seed. `open` as the killing has it."""

    fleet: Fleet
    seed: int
    open: Sequence[str] = ()
    incidents: int = 0

    async def at(self, site: Site) -> None:
        """Let one trouble after the other come over a site, until cancelled."""
        dice = Random(f"{self.seed} {site.name}")
        await asyncio.sleep(dice.uniform(0.0, IN_FULL))
        while True:
            trouble = self.chosen(dice)
            # The store may be locked for us too, and Charter slow: then this trouble is over sooner.
            with suppress(StoreUnavailable, httpx.HTTPError):
                await self.trouble(site, trouble)
                self.incidents += 1
            with suppress(httpx.HTTPError):
                await site.heal()
                for _, component in trouble:
                    await self.fleet.alerting.tell(site, component, firing=False)

    def chosen(self, dice: Random) -> Trouble:
        """Return what strikes next: more often what leads to plans of two actions, while there is no kill in one."""
        wanted = any(point.startswith(("apply-2", "undo-2")) for point in self.open)
        return dice.choice([*TROUBLES, *[TWO_ACTIONS] * (len(TROUBLES) if wanted else 1)])

    async def trouble(self, site: Site, trouble: Trouble) -> None:
        """Let a trouble strike, wait until what it led to has an end, and take it away."""
        await self.fleet.set_mode(site, ModeName.OBSERVE, time.time())
        for kind, component in trouble:
            await site.strike(kind, component)
            await self.fleet.alerting.tell(site, component, firing=True)
        await asyncio.sleep(IN_FULL)
        await self.fleet.set_mode(site, ModeName.ACT, time.time())
        await self.until(site, working=True, bound=NOTICED)
        await self.until(site, working=False, bound=LASTS)
        # What upkeep does after ten quiet minutes: a rung that was used up shall not be missing next time.
        await self.fleet.store.guards.close_quiet(site.name, time.time())

    async def until(self, site: Site, *, working: bool, bound: float) -> None:
        """Wait until a remediation of the site is at work, or none is, at most so long."""
        until = time.monotonic() + bound
        while time.monotonic() < until:
            with suppress(RPCError):
                held = [one for one in await self.fleet.census.running() if one.site == site.name]
                if any(one.phase != "cooling-down" for one in held) == working:
                    return
            await asyncio.sleep(LOOK)

    async def people(self) -> None:
        """Answer what waits for approval, and release what is quarantined, after a while, until cancelled."""
        dice = Random(f"{self.seed} people")
        seen: dict[str, float] = {}
        while True:
            with suppress(RPCError, StoreUnavailable):
                for one in await self.fleet.census.running():
                    if one.phase in ("awaiting-approval", "quarantined"):
                        due = seen.setdefault(one.run_id, time.monotonic() + dice.uniform(4.0, 12.0))
                        if time.monotonic() > due:
                            await answered(self.fleet, one, dice.random() < 0.85)
            await asyncio.sleep(LOOK)


async def answered(fleet: Fleet, one: Running, approve: bool) -> None:
    """Answer as a person would: approve or reject what waits, release what is quarantined."""
    handle = one.handle(fleet.client)
    approval = Approval(plan=one.plan, approve=approve, who="ada", why="as the dice fell")
    # It may be over by now, and whoever answers it may be dead.
    with suppress(TemporalError, RPCError, TimeoutError):
        async with asyncio.timeout(3.0):
            if one.phase == "quarantined":
                await handle.signal("resume", Resume(who="ada", why="looked at it"))
                knob = one.workflow_id.rpartition(":")[2]
                await fleet.store.guards.release(one.site, knob, "ada", "looked at it", time.time())
            else:
                await handle.execute_update("decide", approval, result_type=str)
    if (task := asyncio.current_task()) and task.cancelling():
        # The SDK made an error of its own of the cancellation, which was suppressed with the others.
        raise asyncio.CancelledError

"""The life of a soak: troubles come and go at every Charter, and people answer, so that much is always in flight."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from random import Random

import httpx
from temporalio.exceptions import TemporalError
from temporalio.service import RPCError

from activities.model.errors import StoreUnavailable
from activities.model.mode import ModeName
from activities.model.remediation import Approval, Resume
from tests.faults.census import InFlight, in_flight
from tests.faults.fleet import Fleet, Site

Trouble = tuple[tuple[str, str], ...]

TROUBLES: tuple[Trouble, ...] = (
    (("few-validators", "validator-2"),),
    (("overload", "policy-engine"), ("bad-policy", "gateway")),
    (("slow-node", "validator-3"), ("overload", "gateway")),
    (("dead-node", "validator-4"), ("few-validators", "validator-2")),
    (("remedy-worsens", "validator-1"),),
    (("bad-policy", "gateway"), ("few-validators", "validator-2")),
    (("remedy-worsens", "validator-1"), ("bad-policy", "gateway")),
    (("retry-cascade", "gateway"),),
)
"""What strikes at once. A dead member beside few of them is answered by one plan of two actions."""
IN_FULL = 8.0
"""Seconds until a whole rate window shows a trouble: what still grows would be held against its remedy."""
NOTICED, LASTS = 20.0, 45.0
"""Seconds within which a remediation has to begin, and after which the trouble goes away by itself."""
LOOK = 0.5


@dataclass
class Traffic:
    """The troubles and the people of one soak, by its seed."""

    fleet: Fleet
    seed: int
    incidents: int = 0

    async def at(self, site: Site) -> None:
        """Let one trouble after the other come over a site, until cancelled."""
        dice = Random(f"{self.seed} {site.name}")
        while True:
            # The store may be locked for us too, and Charter slow: then this trouble is over sooner.
            with suppress(StoreUnavailable, httpx.HTTPError):
                await self.trouble(site, dice.choice(TROUBLES))
                self.incidents += 1
            with suppress(httpx.HTTPError):
                await site.heal()

    async def trouble(self, site: Site, trouble: Trouble) -> None:
        """Let a trouble strike, wait until what it led to has an end, and take it away."""
        await self.fleet.set_mode(site, ModeName.OBSERVE, time.time())
        for kind, component in trouble:
            await site.strike(kind, component)
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
                held = [one for one in await in_flight(self.fleet.client) if of_site(one, site)]
                if any(one.phase != "cooling-down" for one in held) == working:
                    return
            await asyncio.sleep(LOOK)

    async def people(self) -> None:
        """Answer what waits for approval, and release what is quarantined, after a while, until cancelled."""
        dice = Random(f"{self.seed} people")
        seen: dict[str, float] = {}
        while True:
            with suppress(RPCError, StoreUnavailable):
                for one in await in_flight(self.fleet.client):
                    if one.phase in ("awaiting-approval", "quarantined"):
                        due = seen.setdefault(one.run_id, time.monotonic() + dice.uniform(4.0, 12.0))
                        if time.monotonic() > due:
                            await answered(self.fleet, one, dice.random() < 0.85)
            await asyncio.sleep(LOOK)


def of_site(one: InFlight, site: Site) -> bool:
    """Tell whether a remediation is of this Charter."""
    return one.workflow_id.startswith(f"mapek-fix:{site.name}:")


async def answered(fleet: Fleet, one: InFlight, approve: bool) -> None:
    """Answer as a person would: approve or reject what waits, release what is quarantined."""
    handle = one.handle(fleet.client)
    if one.phase == "quarantined":
        await handle.signal("resume", Resume(who="ada", why="looked at it"))
        site, knob = one.workflow_id.removeprefix("mapek-fix:").split(":", 1)
        await fleet.store.guards.release(site, knob, "ada", "looked at it", time.time())
        return
    approval = Approval(plan=one.plan, approve=approve, who="ada", why="as the dice fell")
    with suppress(TemporalError, TimeoutError):
        async with asyncio.timeout(3.0):
            await handle.execute_update("decide", approval, result_type=str)

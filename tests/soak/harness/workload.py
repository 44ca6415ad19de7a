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
from activities.model.mode import LoopMode
from activities.model.remediation import Approval, ResumeRequest
from tests.soak.harness.fleet import Fleet
from tests.soak.harness.in_flight import RunningRemediation
from tests.soak.harness.sites import Site

FaultSet = tuple[tuple[str, str], ...]

FAULT_SETS: tuple[FaultSet, ...] = (
    (("few-validators", "validator-2"),),
    (("overload", "policy-engine"), ("bad-policy", "gateway")),
    (("slow-node", "validator-3"), ("overload", "gateway")),
    (("remedy-worsens", "validator-1"),),
    (("bad-policy", "gateway"), ("few-validators", "validator-2")),
    (("remedy-worsens", "validator-1"), ("bad-policy", "gateway")),
    (("retry-cascade", "gateway"),),
)
"""What strikes at once."""
TWO_ACTION_FAULTS: FaultSet = (("dead-node", "validator-4"), ("few-validators", "validator-2"))
"""A dead member beside few of them is answered by one plan of two actions."""
FULL_EFFECT_SECONDS = 8.0
"""Seconds until a whole rate window shows a trouble: what still grows would be held against its remedy."""
DETECTION_TIMEOUT_SECONDS, MAX_FAULT_SECONDS = 20.0, 45.0
"""Seconds within which a remediation has to begin, and after which the trouble goes away by itself."""
POLL_SECONDS = 0.5


@dataclass
class Workload:
    """The troubles and the people of one soak, by its seed. `open` as the killing has it."""

    fleet: Fleet
    seed: int
    open_points: Sequence[str] = ()
    incident_count: int = 0

    async def play_incidents(self, site: Site) -> None:
        """Let one trouble after the other come over a site, until cancelled."""
        dice = Random(f"{self.seed} {site.name}")
        await asyncio.sleep(dice.uniform(0.0, FULL_EFFECT_SECONDS))
        while True:
            trouble = self.choose_faults(dice)
            # The store may be locked for us too, and Charter slow: then this trouble is over sooner.
            with suppress(StoreUnavailable, httpx.HTTPError):
                await self.play_incident(site, trouble)
                self.incident_count += 1
            with suppress(httpx.HTTPError):
                await site.clear_faults()
                for _, component in trouble:
                    await self.fleet.alertmanager.set_alert(site, component, firing=False)

    def choose_faults(self, random: Random) -> FaultSet:
        """Return what strikes next: more often what leads to plans of two actions, while there is no kill in one."""
        wanted = any(point.startswith(("apply-2", "undo-2")) for point in self.open_points)
        return random.choice([*FAULT_SETS, *[TWO_ACTION_FAULTS] * (len(FAULT_SETS) if wanted else 1)])

    async def play_incident(self, site: Site, faults: FaultSet) -> None:
        """Let a trouble strike, wait until what it led to has an end, and take it away."""
        await self.fleet.set_mode(site, LoopMode.OBSERVE, time.time())
        for kind, component in faults:
            await site.inject_fault(kind, component)
            await self.fleet.alertmanager.set_alert(site, component, firing=True)
        await asyncio.sleep(FULL_EFFECT_SECONDS)
        await self.fleet.set_mode(site, LoopMode.ACT, time.time())
        await self.wait_for_remediation(site, is_running=True, timeout_seconds=DETECTION_TIMEOUT_SECONDS)
        await self.wait_for_remediation(site, is_running=False, timeout_seconds=MAX_FAULT_SECONDS)
        # What upkeep does after ten quiet minutes: a rung that was used up shall not be missing next time.
        await self.fleet.store.guards.close_quiet(site.name, time.time())

    async def wait_for_remediation(self, site: Site, *, is_running: bool, timeout_seconds: float) -> None:
        """Wait until a remediation of the site is at work, or none is, at most so long."""
        until = time.monotonic() + timeout_seconds
        while time.monotonic() < until:
            with suppress(RPCError):
                held = [one for one in await self.fleet.remediation_list.list_running() if one.site == site.name]
                if any(one.phase != "cooling-down" for one in held) == is_running:
                    return
            await asyncio.sleep(POLL_SECONDS)

    async def answer_approvals(self) -> None:
        """Answer what waits for approval, and release what is quarantined, after a while, until cancelled."""
        dice = Random(f"{self.seed} people")
        seen: dict[str, float] = {}
        while True:
            with suppress(RPCError, StoreUnavailable):
                for one in await self.fleet.remediation_list.list_running():
                    if one.phase in ("awaiting-approval", "quarantined"):
                        due = seen.setdefault(one.run_id, time.monotonic() + dice.uniform(4.0, 12.0))
                        if time.monotonic() > due:
                            await answer_remediation(self.fleet, one, dice.random() < 0.85)
            await asyncio.sleep(POLL_SECONDS)


async def answer_remediation(fleet: Fleet, remediation: RunningRemediation, approve: bool) -> None:
    """Answer as a person would: approve or reject what waits, release what is quarantined."""
    handle = remediation.get_handle(fleet.client)
    approval = Approval(plan=remediation.plan, approve=approve, actor="ada", reason="as the dice fell")
    # It may be over by now, and whoever answers it may be dead.
    with suppress(TemporalError, RPCError, TimeoutError):
        async with asyncio.timeout(3.0):
            if remediation.phase == "quarantined":
                await handle.signal("resume", ResumeRequest(actor="ada", reason="looked at it"))
                knob = remediation.workflow_id.rpartition(":")[2]
                await fleet.store.guards.release(remediation.site, knob, "ada", "looked at it", time.time())
            else:
                await handle.execute_update("decide", approval, result_type=str)
    if (task := asyncio.current_task()) and task.cancelling():
        # The SDK made an error of its own of the cancellation, which was suppressed with the others.
        raise asyncio.CancelledError

"""The workload of a soak: incidents at every Charter and answers of operators, so that many remediations run."""

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
"""Faults that are injected together."""
TWO_ACTION_FAULTS: FaultSet = (("dead-node", "validator-4"), ("few-validators", "validator-2"))
"""A dead member in a small committee leads to one plan of two actions."""
FULL_EFFECT_SECONDS = 8.0
"""Seconds until a whole rate window shows a fault; a growing effect would count against the remediation."""
DETECTION_TIMEOUT_SECONDS, MAX_FAULT_SECONDS = 20.0, 45.0
"""Seconds until a remediation must start, and seconds until the faults are cleared in any case."""
POLL_SECONDS = 0.5


@dataclass
class Workload:
    """The incidents and operators of one soak, by its seed. `open_points` as in `KillScheduler`."""

    fleet: Fleet
    seed: int
    open_points: Sequence[str] = ()
    incident_count: int = 0

    async def play_incidents(self, site: Site) -> None:
        """Play one incident after the other at a site, until cancelled."""
        dice = Random(f"{self.seed} {site.name}")
        await asyncio.sleep(dice.uniform(0.0, FULL_EFFECT_SECONDS))
        while True:
            faults = self.choose_faults(dice)
            # The store may be locked here too, and Charter slow: then this incident ends early.
            with suppress(StoreUnavailable, httpx.HTTPError):
                await self.play_incident(site, faults)
                self.incident_count += 1
            with suppress(httpx.HTTPError):
                await site.clear_faults()
                for _, component in faults:
                    await self.fleet.alertmanager.set_alert(site, component, firing=False)

    def choose_faults(self, random: Random) -> FaultSet:
        """Return the next faults: more often those of plans with two actions, until such a plan has had its kills."""
        needs_two_actions = any(point.startswith(("apply-2", "undo-2")) for point in self.open_points)
        return random.choice([*FAULT_SETS, *[TWO_ACTION_FAULTS] * (len(FAULT_SETS) if needs_two_actions else 1)])

    async def play_incident(self, site: Site, faults: FaultSet) -> None:
        """Inject faults, wait until the remediation has ended, and clear them."""
        await self.fleet.set_mode(site, LoopMode.OBSERVE, time.time())
        for kind, component in faults:
            await site.inject_fault(kind, component)
            await self.fleet.alertmanager.set_alert(site, component, firing=True)
        await asyncio.sleep(FULL_EFFECT_SECONDS)
        await self.fleet.set_mode(site, LoopMode.ACT, time.time())
        await self.wait_for_remediation(site, is_running=True, timeout_seconds=DETECTION_TIMEOUT_SECONDS)
        await self.wait_for_remediation(site, is_running=False, timeout_seconds=MAX_FAULT_SECONDS)
        # Upkeep does this after ten quiet minutes: the next incident needs all rungs.
        await self.fleet.store.guards.close_quiet(site.name, time.time())

    async def wait_for_remediation(self, site: Site, *, is_running: bool, timeout_seconds: float) -> None:
        """Wait until a remediation of the site is active, or none is, with a time limit."""
        until = time.monotonic() + timeout_seconds
        while time.monotonic() < until:
            with suppress(RPCError):
                running = [run for run in await self.fleet.remediation_list.list_running() if run.site == site.name]
                if any(run.phase != "cooling-down" for run in running) == is_running:
                    return
            await asyncio.sleep(POLL_SECONDS)

    async def answer_approvals(self) -> None:
        """Answer approvals and release quarantined knobs after some seconds, until cancelled."""
        dice = Random(f"{self.seed} operators")
        due_times: dict[str, float] = {}
        while True:
            with suppress(RPCError, StoreUnavailable):
                for run in await self.fleet.remediation_list.list_running():
                    if run.phase in ("awaiting-approval", "quarantined"):
                        due = due_times.setdefault(run.run_id, time.monotonic() + dice.uniform(4.0, 12.0))
                        if time.monotonic() > due:
                            await answer_remediation(self.fleet, run, dice.random() < 0.85)
            await asyncio.sleep(POLL_SECONDS)


async def answer_remediation(fleet: Fleet, remediation: RunningRemediation, approve: bool) -> None:
    """Answer as an operator: approve or reject a waiting plan, release a quarantined knob."""
    handle = remediation.get_handle(fleet.client)
    approval = Approval(plan=remediation.plan, approve=approve, actor="ada", reason="random answer")
    # The remediation may have ended, and its worker may be dead.
    with suppress(TemporalError, RPCError, TimeoutError):
        async with asyncio.timeout(3.0):
            if remediation.phase == "quarantined":
                await handle.signal("resume", ResumeRequest(actor="ada", reason="checked"))
                knob = remediation.workflow_id.rpartition(":")[2]
                await fleet.store.guards.release(remediation.site, knob, "ada", "checked", time.time())
            else:
                await handle.execute_update("decide", approval, result_type=str)
    if (task := asyncio.current_task()) and task.cancelling():
        # The SDK turns a cancellation into its own error, which was suppressed with the others.
        raise asyncio.CancelledError

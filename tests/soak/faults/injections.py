"""What is done to a fleet beside killing: by operators, at the store, at Charter, at Prometheus, on the way."""

import asyncio
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from random import Random

import httpx
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.service import RPCError

from tests.soak.faults.failpoints import FULL, LOSE
from tests.soak.faults.proxy import Fault, Rule
from tests.soak.harness.deadlines import ANSWER
from tests.soak.harness.fleet import PERIOD, Fleet
from tests.soak.harness.in_flight import Running
from tests.soak.harness.sites import Site

CHANGE = re.compile(rb"\r\nidempotency-key: [^\r]*-do\r", re.IGNORECASE)
UNDO = re.compile(rb"\r\nidempotency-key: [^\r]*-undo\r", re.IGNORECASE)
TIMEOUT = 3.0
"""Seconds the worker waits for a change at Charter."""
LOCKED = 7.0
"""Seconds the store is locked: longer than a writer waits."""
SIGHT = 4.0 + PERIOD
"""Seconds of blindness after which nobody can still decide upon what was seen before."""
WEATHER = (
    (Fault.DELAY, 0.7),
    (Fault.DROP, 4.0),
    (Fault.REFUSE, 0.0),
    (Fault.RESET, 0.0),
    (Fault.REPLY_LOST, 0.0),
    (Fault.TRUNCATE, 0.0),
    (Fault.DRIP, 1.0),
    (Fault.GARBAGE, 0.0),
    (Fault.UNAVAILABLE, 0.0),
    (Fault.LATE, 4.5),
    (Fault.OVERSIZE, 0.0),
)
"""What happens to single requests on the way to Charter and Prometheus, each as often as the next."""


def weather(dice: Random, share: float) -> Callable[[bytes], Rule | None]:
    """Return what spoils this share of the requests."""

    def spoils(head: bytes) -> Rule | None:
        del head
        if dice.random() >= share:
            return None
        fault, seconds = dice.choice(WEATHER)
        return Rule(fault, seconds=seconds)

    return spoils


@dataclass
class Hands:
    """What one soak does to its fleet. `counts` are the faults that were injected, by kind, `open` the points of the
    coverage table in which nobody was killed yet, `operators` what people did to remediations in which phase."""

    fleet: Fleet
    dice: Random
    counts: Counter[str]
    blind: dict[str, list[tuple[float, float]]]
    open: Sequence[str] = ()
    operators: Counter[str] = field(default_factory=Counter)

    def site(self) -> Site:
        """Return any site."""
        return self.dice.choice(self.fleet.sites)

    async def one(self) -> str:
        """Inject one fault of a kind the dice choose, and return the kind."""
        kinds = [kind for kind, (_, weight) in KINDS.items() for _ in range(weight)]
        if any(point.startswith("release") for point in self.open):
            # A release needs a quarantine, and that a rollback which somebody stands in the way of.
            kinds += [INTERFERENCE] * len(kinds)
        kind = self.dice.choice(kinds)
        with suppress(RPCError, sqlite3.OperationalError, httpx.HTTPError):
            if await KINDS[kind][0](self):
                self.counts[kind] += 1
        return kind

    async def victim(self) -> Running | None:
        """Return any remediation in flight."""
        held = await self.fleet.census.running()
        return self.dice.choice(held) if held else None

    async def cancel(self) -> bool:
        """Cancel a remediation, in whatever step it is."""
        one = await self.victim()
        if one:
            await one.handle(self.fleet.client).cancel()
            self.operators[f"cancelled: {one.phase}"] += 1
        return one is not None

    async def terminate(self) -> bool:
        """Terminate a remediation, in whatever step it is."""
        one = await self.victim()
        if one:
            await one.handle(self.fleet.client).terminate("the soak wants it")
            self.operators[f"terminated: {one.phase}"] += 1
        return one is not None

    async def reset(self) -> bool:
        """Reset a remediation to a workflow task the dice choose."""
        one = await self.victim()
        if one is None:
            return False
        history = await one.handle(self.fleet.client).fetch_history()
        done = [e.event_id for e in history.events if e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED]
        if not done:
            return False
        await self.fleet.client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=self.fleet.client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=one.workflow_id, run_id=one.run_id),
                reason="the soak wants it",
                workflow_task_finish_event_id=self.dice.choice(done),
                request_id=f"soak-{time.time_ns()}",
            ),
            timeout=ANSWER,
        )
        self.operators[f"reset: {one.phase}"] += 1
        return True

    async def lock_store(self) -> bool:
        """Hold the store's lock for longer than a writer waits."""
        with closing(sqlite3.connect(self.fleet.store_file, isolation_level=None, timeout=0.5)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(LOCKED)
        return True

    async def struck(self, step: str, edge: str, moment: str, action: str) -> bool:
        """Arm a point for some seconds, and tell whether somebody came by."""
        point = f"{step}.{edge}.{moment}"
        if point in self.fleet.points.armed():
            return False
        before = self.fleet.points.fired(action).count(point)
        self.fleet.points.arm(point, action)
        for _ in range(40):
            await asyncio.sleep(0.25)
            if self.fleet.points.fired(action).count(point) > before:
                return True
        self.fleet.points.disarm(point)
        return False

    async def fill_disk(self) -> bool:
        """Let the disk be full for one write of a step the dice choose."""
        return await self.struck(
            self.dice.choice(("analyze", "plan", "apply-1", "record")), "store", "before_send", FULL
        )

    async def lose_commit(self) -> bool:
        """Let a step hear that its write failed, although the rows stand."""
        step = self.dice.choice(("plan", "apply-1", "undo-1", "record"))
        return await self.struck(step, "store", "after_commit", LOSE)

    async def lose_reply(self) -> bool:
        """Let a step lose the reply to its change."""
        step = self.dice.choice(("apply-1", "undo-1"))
        return await self.struck(step, "change", self.dice.choice(("after_send", "after_reply")), LOSE)

    async def forget(self) -> bool:
        """Let a Charter forget all keys, while replies to changes are being lost."""
        site = self.site()
        site.to_charter.rules.append(Rule(Fault.REPLY_LOST, CHANGE, count=1))
        for _ in range(10):
            (await site.charter.delete("/sim/keys")).raise_for_status()
            await asyncio.sleep(0.5)
        return True

    async def execute_late(self) -> bool:
        """Let a Charter carry its next change out after the worker gave up."""
        late = Rule(self.dice.choice((Fault.LATE, Fault.DROP)), CHANGE, count=1, seconds=TIMEOUT + 2.0)
        self.site().to_charter.rules.append(late)
        return True

    async def hang(self) -> bool:
        """Let a Charter hang with the key in flight, then execute."""
        await self.site().behave("hang-then-execute", delay=TIMEOUT + 1.5, count=1)
        return True

    async def refuse_undo(self) -> bool:
        """Let rollbacks fail some times, or until it is quiet."""
        fault = self.dice.choice((Fault.UNAVAILABLE, Fault.REPLY_LOST, Fault.RESET, Fault.GARBAGE))
        self.site().to_charter.rules.append(Rule(fault, UNDO, count=self.dice.choice((1, 2, 4, None))))
        return True

    async def interfere(self) -> bool:
        """Let somebody else change a knob under a remediation, so that its rollback may be refused."""
        one = await self.victim()
        if one is None or one.phase != "verifying" or "committee" not in one.workflow_id:
            return False
        site = next(site for site in self.fleet.sites if one.workflow_id.startswith(f"mapek-fix:{site.name}:"))
        state = (await site.charter.get("/sim/state")).json()["committee"]
        token = (self.fleet.stack.state.path / "charter.token").read_text().strip()
        headers = {"Idempotency-Key": f"somebody-{time.time_ns()}", "If-Match": f'"{state["generation"]}"'}
        reply = await site.charter.post(
            "/api/v1/committee/scale",
            json={"replicas": state["replicas"]},
            headers={**headers, "Authorization": f"Bearer {token}"},
        )
        await one.handle(self.fleet.client).cancel()
        return reply.is_success

    async def blind_prometheus(self) -> bool:
        """Take a Prometheus away; nothing may be decided by what only it can show."""
        site, began = self.site(), time.time()
        rule = Rule(self.dice.choice((Fault.REFUSE, Fault.GARBAGE, Fault.UNAVAILABLE, Fault.TRUNCATE)))
        site.to_prometheus.rules.insert(0, rule)
        await asyncio.sleep(SIGHT + 4.0)
        site.to_prometheus.rules.remove(rule)
        self.blind.setdefault(site.name, []).append((began + SIGHT, time.time()))
        return True

    async def mislead(self) -> bool:
        """Let an exporter fall silent (stale), or go on telling what was (lying)."""
        await self.site().strike(self.dice.choice(("exporter-silent", "exporter-lying")), "audit-log")
        return True

    async def slow_temporal(self) -> bool:
        """Slow, stall or break the connections to Temporal for some seconds, in which nobody can look."""
        began, fault = time.time(), self.dice.choice((Fault.DELAY, Fault.DROP, Fault.RESET))
        self.fleet.to_temporal.spoil(fault, 0.2)
        await asyncio.sleep(self.dice.uniform(1.0, 4.0))
        self.fleet.to_temporal.heal()
        self.fleet.away.append((began, time.time()))
        return True


INTERFERENCE = "changed by somebody else"
KINDS: Mapping[str, tuple[Callable[[Hands], Awaitable[bool]], int]] = {
    "cancelled": (Hands.cancel, 3),
    "terminated": (Hands.terminate, 1),
    "reset": (Hands.reset, 1),
    "store locked": (Hands.lock_store, 1),
    "disk full": (Hands.fill_disk, 2),
    "commit unheard": (Hands.lose_commit, 2),
    "reply lost at a failpoint": (Hands.lose_reply, 2),
    "keys forgotten": (Hands.forget, 2),
    "executed late": (Hands.execute_late, 2),
    "hung, then executed": (Hands.hang, 1),
    "rollback refused": (Hands.refuse_undo, 2),
    INTERFERENCE: (Hands.interfere, 2),
    "prometheus away": (Hands.blind_prometheus, 1),
    "exporter stale or lying": (Hands.mislead, 1),
    "temporal slow, stalled or cut": (Hands.slow_temporal, 2),
}
"""Each kind with how it is done and how often the dice choose it."""

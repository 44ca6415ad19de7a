"""The faults of a soak beside kills: by operators, at the store, Charter and Prometheus, and in the network."""

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

from tests.soak.faults.failpoints import DISK_FULL, LOSE_REPLY
from tests.soak.faults.proxy import Fault, FaultRule
from tests.soak.harness.deadlines import RPC_TIMEOUT
from tests.soak.harness.fleet import PERIOD_SECONDS, Fleet
from tests.soak.harness.in_flight import RunningRemediation
from tests.soak.harness.sites import Site

CHANGE_HEAD = re.compile(rb"\r\nidempotency-key: [^\r]*-do\r", re.IGNORECASE)
UNDO_HEAD = re.compile(rb"\r\nidempotency-key: [^\r]*-undo\r", re.IGNORECASE)
CHARTER_TIMEOUT_SECONDS = 3.0
"""Seconds for which the worker waits for a change at Charter."""
STORE_LOCK_SECONDS = 7.0
"""Seconds for which the store is locked: longer than a writer waits."""
BLIND_GRACE_SECONDS = 4.0 + PERIOD_SECONDS
"""Seconds of an outage after which no decision can rest on earlier samples."""
RANDOM_FAULT_SECONDS = (
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
"""Faults of single requests to Charter and Prometheus, each with the same probability."""


def make_random_fault_rule(random: Random, share: float) -> Callable[[bytes], FaultRule | None]:
    """Return a function that spoils this share of the requests."""

    def choose_rule(head: bytes) -> FaultRule | None:
        del head
        if random.random() >= share:
            return None
        fault, seconds = random.choice(RANDOM_FAULT_SECONDS)
        return FaultRule(fault, seconds=seconds)

    return choose_rule


@dataclass
class FaultInjector:
    """Injects the faults of one soak.

    `counts` are the injected faults by kind. `open_points` are the points of the coverage table without a kill.
    `operator_counts` are the interventions of operators by kind and phase.
    """

    fleet: Fleet
    random: Random
    counts: Counter[str]
    blind_intervals: dict[str, list[tuple[float, float]]]
    open_points: Sequence[str] = ()
    operator_counts: Counter[str] = field(default_factory=Counter)

    def pick_site(self) -> Site:
        """Return any site."""
        return self.random.choice(self.fleet.sites)

    async def inject_random_fault(self) -> str:
        """Inject one fault of a random kind, and return the kind."""
        kinds = [kind for kind, (_, weight) in FAULT_KINDS.items() for _ in range(weight)]
        if any(point.startswith("release") for point in self.open_points):
            # A release needs a quarantine, and a quarantine needs a rollback that another writer's change prevents.
            kinds += [EXTERNAL_CHANGE_FAULT] * len(kinds)
        kind = self.random.choice(kinds)
        with suppress(RPCError, sqlite3.OperationalError, httpx.HTTPError):
            if await FAULT_KINDS[kind][0](self):
                self.counts[kind] += 1
        return kind

    async def pick_remediation(self) -> RunningRemediation | None:
        """Return a random remediation in flight, None without remediation."""
        remediations = await self.fleet.remediation_list.list_running()
        return self.random.choice(remediations) if remediations else None

    async def cancel_remediation(self) -> bool:
        """Cancel a remediation in any step."""
        remediation = await self.pick_remediation()
        if remediation:
            await remediation.get_handle(self.fleet.client).cancel()
            self.operator_counts[f"cancelled: {remediation.phase}"] += 1
        return remediation is not None

    async def terminate_remediation(self) -> bool:
        """Terminate a remediation in any step."""
        remediation = await self.pick_remediation()
        if remediation:
            await remediation.get_handle(self.fleet.client).terminate("soak")
            self.operator_counts[f"terminated: {remediation.phase}"] += 1
        return remediation is not None

    async def reset_remediation(self) -> bool:
        """Reset a remediation to a random workflow task."""
        remediation = await self.pick_remediation()
        if remediation is None:
            return False
        history = await remediation.get_handle(self.fleet.client).fetch_history()
        task_ids = [e.event_id for e in history.events if e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED]
        if not task_ids:
            return False
        await self.fleet.client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=self.fleet.client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=remediation.workflow_id, run_id=remediation.run_id),
                reason="soak",
                workflow_task_finish_event_id=self.random.choice(task_ids),
                request_id=f"soak-{time.time_ns()}",
            ),
            timeout=RPC_TIMEOUT,
        )
        self.operator_counts[f"reset: {remediation.phase}"] += 1
        return True

    async def lock_store(self) -> bool:
        """Hold the store's lock for longer than a writer waits."""
        with closing(sqlite3.connect(self.fleet.store_file, isolation_level=None, timeout=0.5)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(STORE_LOCK_SECONDS)
        return True

    async def arm_and_wait(self, step: str, edge: str, moment: str, action: str) -> bool:
        """Arm a point for ten seconds, and return whether it struck."""
        point = f"{step}.{edge}.{moment}"
        if point in self.fleet.failpoints.list_armed():
            return False
        before = self.fleet.failpoints.list_fired(action).count(point)
        self.fleet.failpoints.arm(point, action)
        for _ in range(40):
            await asyncio.sleep(0.25)
            if self.fleet.failpoints.list_fired(action).count(point) > before:
                return True
        self.fleet.failpoints.disarm(point)
        return False

    async def fill_disk(self) -> bool:
        """Make the disk full for one write of a random step."""
        return await self.arm_and_wait(
            self.random.choice(("analyze", "plan", "apply-1", "record")), "store", "before_send", DISK_FULL
        )

    async def lose_commit(self) -> bool:
        """Report an error to a step whose rows were committed."""
        step = self.random.choice(("plan", "apply-1", "undo-1", "record"))
        return await self.arm_and_wait(step, "store", "after_commit", LOSE_REPLY)

    async def lose_reply(self) -> bool:
        """Lose the reply to a change of a step."""
        step = self.random.choice(("apply-1", "undo-1"))
        return await self.arm_and_wait(step, "change", self.random.choice(("after_send", "after_reply")), LOSE_REPLY)

    async def drop_charter_keys(self) -> bool:
        """Delete all idempotency keys of a Charter while a reply to a change is lost."""
        site = self.pick_site()
        site.charter_proxy.rules.append(FaultRule(Fault.REPLY_LOST, CHANGE_HEAD, count=1))
        for _ in range(10):
            (await site.charter.delete("/sim/keys")).raise_for_status()
            await asyncio.sleep(0.5)
        return True

    async def execute_late(self) -> bool:
        """Delay the next change at a Charter until after the worker's time-out."""
        late = FaultRule(
            self.random.choice((Fault.LATE, Fault.DROP)), CHANGE_HEAD, count=1, seconds=CHARTER_TIMEOUT_SECONDS + 2.0
        )
        self.pick_site().charter_proxy.rules.append(late)
        return True

    async def hang_charter(self) -> bool:
        """Make a Charter hang with the key in flight, then execute."""
        await self.pick_site().set_api_fault("hang-then-execute", delay=CHARTER_TIMEOUT_SECONDS + 1.5, count=1)
        return True

    async def refuse_rollbacks(self) -> bool:
        """Make rollbacks fail a few times, or until the end of the round."""
        fault = self.random.choice((Fault.UNAVAILABLE, Fault.REPLY_LOST, Fault.RESET, Fault.GARBAGE))
        self.pick_site().charter_proxy.rules.append(
            FaultRule(fault, UNDO_HEAD, count=self.random.choice((1, 2, 4, None)))
        )
        return True

    async def change_knob_externally(self) -> bool:
        """Change a knob of a running remediation as another writer, so that its rollback may be refused."""
        remediation = await self.pick_remediation()
        if remediation is None or remediation.phase != "verifying" or "committee" not in remediation.workflow_id:
            return False
        site = next(site for site in self.fleet.sites if remediation.workflow_id.startswith(f"mapek-fix:{site.name}:"))
        state = (await site.charter.get("/sim/state")).json()["committee"]
        token = (self.fleet.stack.state.path / "charter.token").read_text().strip()
        headers = {"Idempotency-Key": f"external-{time.time_ns()}", "If-Match": f'"{state["generation"]}"'}
        reply = await site.charter.post(
            "/api/v1/committee/scale",
            json={"replicas": state["replicas"]},
            headers={**headers, "Authorization": f"Bearer {token}"},
        )
        await remediation.get_handle(self.fleet.client).cancel()
        return reply.is_success

    async def blind_prometheus(self) -> bool:
        """Make a Prometheus unavailable; no decision may need a metric that only Prometheus has."""
        site, started_at = self.pick_site(), time.time()
        rule = FaultRule(self.random.choice((Fault.REFUSE, Fault.GARBAGE, Fault.UNAVAILABLE, Fault.TRUNCATE)))
        site.prometheus_proxy.rules.insert(0, rule)
        await asyncio.sleep(BLIND_GRACE_SECONDS + 4.0)
        site.prometheus_proxy.rules.remove(rule)
        self.blind_intervals.setdefault(site.name, []).append((started_at + BLIND_GRACE_SECONDS, time.time()))
        return True

    async def corrupt_exporter(self) -> bool:
        """Make an exporter silent (stale values) or let it repeat old values (lying)."""
        await self.pick_site().inject_fault(self.random.choice(("exporter-silent", "exporter-lying")), "audit-log")
        return True

    async def slow_temporal(self) -> bool:
        """Slow, stall or break the connections to Temporal for some seconds, which count as an outage."""
        started_at, fault = time.time(), self.random.choice((Fault.DELAY, Fault.DROP, Fault.RESET))
        self.fleet.temporal_proxy.set_fault(fault, 0.2)
        await asyncio.sleep(self.random.uniform(1.0, 4.0))
        self.fleet.temporal_proxy.clear_fault()
        self.fleet.outages.append((started_at, time.time()))
        return True


EXTERNAL_CHANGE_FAULT = "changed by another writer"
FAULT_KINDS: Mapping[str, tuple[Callable[[FaultInjector], Awaitable[bool]], int]] = {
    "cancelled": (FaultInjector.cancel_remediation, 3),
    "terminated": (FaultInjector.terminate_remediation, 1),
    "reset": (FaultInjector.reset_remediation, 1),
    "store locked": (FaultInjector.lock_store, 1),
    "disk full": (FaultInjector.fill_disk, 2),
    "commit unreported": (FaultInjector.lose_commit, 2),
    "reply lost at a failpoint": (FaultInjector.lose_reply, 2),
    "keys forgotten": (FaultInjector.drop_charter_keys, 2),
    "executed late": (FaultInjector.execute_late, 2),
    "hung, then executed": (FaultInjector.hang_charter, 1),
    "rollback refused": (FaultInjector.refuse_rollbacks, 2),
    EXTERNAL_CHANGE_FAULT: (FaultInjector.change_knob_externally, 2),
    "prometheus away": (FaultInjector.blind_prometheus, 1),
    "exporter stale or lying": (FaultInjector.corrupt_exporter, 1),
    "temporal slow, stalled or cut": (FaultInjector.slow_temporal, 2),
}
"""Each kind with its function and its weight in the random choice."""

"""Two real Alertmanagers that were meant to be one cluster, and whose network is cut: each believes it is alone."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx

from deploy.devstack import process
from deploy.devstack.ports import LOOPBACK, PortAllocator
from deploy.devstack.render import REPOSITORY_ROOT
from tests.support.alert_stack import AlertStack
from tests.support.waiting import wait_until

ALERT_LIFETIME_SECONDS = 600.0
"""How long what is fired fires."""


class AlertmanagerPair:
    """Both of them; what is fired, both are told, as Prometheus does."""

    def __init__(self, clients: list[httpx.AsyncClient]) -> None:
        self._clients = clients

    async def fire(self, labels: dict[str, str]) -> float:
        """Fire an alert, with the same start at both, and return when (unix seconds)."""
        now = time.time()
        starts, ends = (
            time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) for at in (now, now + ALERT_LIFETIME_SECONDS)
        )
        alert = {"labels": labels, "startsAt": starts, "endsAt": ends}
        await asyncio.gather(*(one.post("/api/v2/alerts", json=[alert]) for one in self._clients))
        return now

    async def count_notifications(self) -> list[float]:
        """Return how many notices each has delivered."""
        return [await self._count_delivered(one) for one in self._clients]

    async def count_peers(self) -> list[int]:
        """Return how many members each sees in its cluster, itself among them."""
        return [len((await one.get("/api/v2/status")).json()["cluster"]["peers"]) for one in self._clients]

    @staticmethod
    async def _count_delivered(client: httpx.AsyncClient) -> float:
        lines = (await client.get("/metrics")).text.splitlines()
        counts = {
            name: sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name}{{"))
            for name in ("alertmanager_notifications_total", "alertmanager_notifications_failed_total")
        }
        return counts["alertmanager_notifications_total"] - counts["alertmanager_notifications_failed_total"]


@asynccontextmanager
async def partitioned_pair(alert_stack: AlertStack, binary: Path, folder: Path) -> AsyncIterator[AlertmanagerPair]:
    """Give the pair, with the stack's own configuration: its receiver is the stack's webhook."""
    async with AsyncExitStack() as stack:
        ports = PortAllocator()
        stack.callback(ports.close)
        # Nothing answers on it: so a peer looks behind a cut.
        beyond = ports.allocate(9290)
        both = []
        for name in ("alertmanager-a", "alertmanager-b"):
            web, gossip = f"{LOOPBACK}:{ports.allocate(9193)}", f"{LOOPBACK}:{ports.allocate(9294)}"
            argv = (
                str(binary),
                f"--config.file={alert_stack.stack.state.path / 'alertmanager/alertmanager.yml'}",
                f"--storage.path={folder / name}",
                f"--web.listen-address={web}",
                f"--cluster.listen-address={gossip}",
                f"--cluster.advertise-address={gossip}",
                f"--cluster.peer={LOOPBACK}:{beyond}",
                "--cluster.settle-timeout=1s",
            )
            child = await process.start(name, argv, folder / f"{name}.log", cwd=REPOSITORY_ROOT)
            stack.push_async_callback(child.stop, 5.0)
            both.append(await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://{web}", trust_env=False)))
        for one in both:
            await wait_until("an Alertmanager is ready", lambda one=one: _is_ready(one), 20)
        yield AlertmanagerPair(both)


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/-/ready")).status_code == httpx.codes.OK
    except httpx.ConnectError:
        return False

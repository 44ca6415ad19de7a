"""Two real Alertmanagers of one cluster with a network partition: each sees only itself."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import httpx

from deploy.devstack import process
from deploy.devstack.ports import LOOPBACK, PortAllocator
from deploy.devstack.render import REPOSITORY_ROOT
from tests.support.alert_stack import AlertStack
from tests.support.waiting import wait_until

ALERT_LIFETIME_SECONDS = 600.0
"""Time that an alert fires."""


class AlertmanagerPair:
    """Both Alertmanagers. Both receive each alert, as from Prometheus."""

    def __init__(self, clients: list[httpx.AsyncClient]) -> None:
        self._clients = clients

    async def fire(self, labels: dict[str, str]) -> float:
        """Fire an alert with the same start at both, and return its start (unix seconds)."""
        now = time.time()
        starts, ends = (
            time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) for at in (now, now + ALERT_LIFETIME_SECONDS)
        )
        alert = {"labels": labels, "startsAt": starts, "endsAt": ends}
        await asyncio.gather(*(client.post("/api/v2/alerts", json=[alert]) for client in self._clients))
        return now

    async def count_notifications(self) -> list[float]:
        """Return the number of delivered notifications of each."""
        return [await self._count_delivered(client) for client in self._clients]

    async def count_peers(self) -> list[int]:
        """Return the number of cluster members that each sees, including itself."""
        return [len((await client.get("/api/v2/status")).json()["cluster"]["peers"]) for client in self._clients]

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
    """Yield the pair with the configuration of the stack, whose receiver is the webhook of the stack."""
    async with AsyncExitStack() as stack:
        ports = PortAllocator()
        stack.callback(ports.close)
        # No process listens on this port, which looks like a partition.
        unreachable = ports.allocate(9290)
        clients: list[httpx.AsyncClient] = []
        for name in ("alertmanager-a", "alertmanager-b"):
            web, gossip = f"{LOOPBACK}:{ports.allocate(9193)}", f"{LOOPBACK}:{ports.allocate(9294)}"
            argv = (
                str(binary),
                f"--config.file={alert_stack.stack.state.path / 'alertmanager/alertmanager.yml'}",
                f"--storage.path={folder / name}",
                f"--web.listen-address={web}",
                f"--cluster.listen-address={gossip}",
                f"--cluster.advertise-address={gossip}",
                f"--cluster.peer={LOOPBACK}:{unreachable}",
                "--cluster.settle-timeout=1s",
            )
            child = await process.start(name, argv, folder / f"{name}.log", cwd=REPOSITORY_ROOT)
            stack.push_async_callback(child.stop, 5.0)
            clients.append(
                await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://{web}", trust_env=False))
            )
        for client in clients:
            await wait_until("an Alertmanager is ready", partial(_is_ready, client), 20)
        yield AlertmanagerPair(clients)


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/-/ready")).status_code == httpx.codes.OK
    except httpx.ConnectError:
        return False

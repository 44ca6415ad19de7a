"""One Charter of a soak with its Prometheus, its loops, and a proxy before each server."""

import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml

from deploy.devstack import binaries, process
from deploy.devstack.ports import LOOPBACK, PortAllocator
from deploy.devstack.process import ChildProcess
from deploy.devstack.render import REPOSITORY_ROOT, render_prometheus_config
from deploy.devstack.stack import RunningStack
from deploy.devstack.state import write_private
from tests.soak.faults.proxy import Fault, HttpProxy
from tests.support.waiting import wait_until

READY_TIMEOUT_SECONDS = 60.0
"""Seconds until a server must have started, on a busy machine too."""


@dataclass
class Site:
    """One Charter with its Prometheus, its loops, and the proxies before both."""

    name: str
    loops: tuple[str, ...]
    charter: httpx.AsyncClient
    charter_proxy: HttpProxy
    prometheus_proxy: HttpProxy
    children: dict[str, ChildProcess] = field(default_factory=dict)

    async def inject_fault(self, kind: str, component: str) -> None:
        """Inject a fault of the plant."""
        (await self.charter.post("/sim/faults", json={"kind": kind, "component": component})).raise_for_status()

    async def clear_faults(self) -> None:
        """Clear all faults of the plant and of the API."""
        (await self.charter.delete("/sim/faults")).raise_for_status()
        await self.set_api_fault("normal")

    async def set_api_fault(self, mode: str, route: str = "/api/v1", **bounds: float) -> None:
        """Set a fault of the API; `bounds` are count, seconds and delay."""
        (await self.charter.post("/sim/behaviour", json={"mode": mode, "route": route, **bounds})).raise_for_status()

    async def fetch_ledger(self) -> list[dict[str, Any]]:
        """Return the effects of clients' changes, oldest first."""
        rows: list[dict[str, Any]] = (await self.charter.get("/sim/ledger")).json()
        return rows

    async def fetch_committee_history(self) -> list[dict[str, Any]]:
        """Return the committee just before each of these effects."""
        rows: list[dict[str, Any]] = (await self.charter.get("/sim/committee")).json()
        return rows

    def clear_proxy_faults(self) -> None:
        """Remove all fault rules of both proxies."""
        for proxy in (self.charter_proxy, self.prometheus_proxy):
            proxy.rules.clear()
            proxy.random_rule = lambda _: None


@dataclass(frozen=True)
class SiteAddresses:
    """The URLs of a site's servers and of the proxies before them."""

    charter: str
    prometheus: str
    proxied_charter: str
    proxied_prometheus: str


async def build_site(
    cleanup: AsyncExitStack, ports: PortAllocator, name: str, loops: Sequence[str], report: Callable[[str, Fault], None]
) -> tuple[Site, SiteAddresses]:
    """Return a site that is not started yet, with its proxies."""
    charter, prometheus = (f"{LOOPBACK}:{ports.allocate(port)}" for port in (8003, 9095))
    to_charter = HttpProxy(charter, lambda fault: report("charter", fault))
    to_prometheus = HttpProxy(prometheus, lambda fault: report("prometheus", fault))
    addresses = SiteAddresses(
        f"http://{charter}",
        f"http://{prometheus}",
        "http://" + await cleanup.enter_async_context(to_charter.listen()),
        "http://" + await cleanup.enter_async_context(to_prometheus.listen()),
    )
    client = await cleanup.enter_async_context(
        httpx.AsyncClient(base_url=addresses.charter, trust_env=False, timeout=10)
    )
    return Site(name, tuple(loops), client, to_charter, to_prometheus), addresses


def build_loop_entries(site: Site, addresses: SiteAddresses) -> list[dict[str, Any]]:
    """Return the configuration of the site's loops."""
    return [
        {
            "name": loop,
            "charter": site.name,
            "monitor": {"prometheus_url": addresses.proxied_prometheus},
            "execute": {"charter_url": addresses.proxied_charter},
        }
        for loop in site.loops
    ]


async def start_site(
    cleanup: AsyncExitStack, stack: RunningStack, site: Site, addresses: SiteAddresses, seed: int
) -> None:
    """Start the Charter and the Prometheus of a site, and wait until both answer."""
    folder, token = (
        stack.state.path / f"prometheus-{site.name}",
        stack.layout.get_setting("execute.charter_api_key_file"),
    )
    folder.mkdir(mode=0o700)
    layout = replace(stack.layout, addresses=replace(stack.addresses, charter=addresses.charter))
    config = yaml.safe_load(render_prometheus_config(layout, stack.state))
    config["scrape_configs"] = [job for job in config["scrape_configs"] if job["job_name"] == "charter"]
    write_private(folder / "prometheus.yml", yaml.safe_dump(config))
    server = (await binaries.ensure_binaries(["prometheus"], report=lambda _: None))["prometheus"].path
    commands = {
        "charter": (
            *(sys.executable, "-m", "deploy.simulator", "--port", str(urlsplit(addresses.charter).port)),
            *("--token-file", str(token), "--control-api", "--seed", str(seed)),
        ),
        "prometheus": (
            *(str(server), f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"),
            f"--web.listen-address={urlsplit(addresses.prometheus).netloc}",
        ),
    }
    for part, argv in commands.items():
        log = stack.state.logs / f"{part}-{site.name}.log"
        site.children[part] = await process.start(part, argv, log, cwd=REPOSITORY_ROOT)
        cleanup.push_async_callback(site.children[part].kill)
    for url in (f"{addresses.charter}/health", f"{addresses.prometheus}/-/ready"):
        await wait_until(f"{url} answers", partial(is_ready, url), READY_TIMEOUT_SECONDS)


async def is_ready(url: str) -> bool:
    """Return whether the URL answers with 200."""
    async with httpx.AsyncClient(trust_env=False, timeout=2.0) as http:
        try:
            return (await http.get(url)).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

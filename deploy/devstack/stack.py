"""One running stack: starts the services in order, watches them, and always stops all of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from deploy.devstack import binaries, process
from deploy.devstack.errors import ServiceFailed, UsageError
from deploy.devstack.fetch import Reporter
from deploy.devstack.layout import STACK_SERVICES, Addresses, StackLayout, build_layout, load_config
from deploy.devstack.ports import PortAllocator
from deploy.devstack.process import ChildProcess, append_log_tail, describe_exit
from deploy.devstack.render import REPOSITORY_ROOT, write_configs
from deploy.devstack.services import Service, StackPlan, build_environment, build_service
from deploy.devstack.state import StateDirectory
from worker.config.document import deep_merge

T = TypeVar("T")

_POLL_INTERVAL_SECONDS = 0.1  # between readiness checks
_INSTALLED_SERVICES = frozenset({"temporal", "prometheus", "alertmanager"})


@dataclass(frozen=True)
class StackOptions:
    """The options of a stack.

    `services` are the services to start. `settings` override the user's configuration. `report` gets one line or block
    of lines at a time.
    """

    state_dir: Path = Path(".mapek")
    keep_data: bool = False
    config: Path | None = None
    seed: int = 1
    profile: str = "real"
    services: frozenset[str] = frozenset(STACK_SERVICES)
    settings: Mapping[str, Any] = field(default_factory=dict)
    report: Reporter = print


class RunningStack:
    """A stack whose services can be killed and restarted one by one.

    A service that ends unexpectedly stops the stack immediately; `wait` and `run_while_up` then raise ServiceFailed.
    """

    def __init__(self, plan: StackPlan, report: Reporter) -> None:
        self._plan = plan
        self._report = report
        self._children: dict[str, ChildProcess] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._shutdown: asyncio.Task[None] | None = None

    @property
    def addresses(self) -> Addresses:
        """The addresses of all servers."""
        return self._plan.layout.addresses

    @property
    def layout(self) -> StackLayout:
        """The addresses, the embedded services and MAPE-K's settings."""
        return self._plan.layout

    @property
    def state(self) -> StateDirectory:
        """The state folder."""
        return self._plan.state

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the running services."""
        return {name: child.pid for name, child in self._children.items() if child.is_running}

    @property
    def versions(self) -> dict[str, str]:
        """The version of each installed server, as its binary names it, and why it is not the pinned one."""
        return {name: str(binary) for name, binary in self._plan.binaries.items()}

    def log_path(self, name: str) -> Path:
        """Return the log file of a service."""
        return self.state.logs / f"{name}.log"

    async def start_services(self, names: list[str]) -> None:
        """Start the servers concurrently, then bootstrap, then the worker."""
        services = [build_service(name, self._plan) for name in STACK_SERVICES if name in names]
        servers = [service for service in services if service.name not in ("bootstrap", "worker")]
        for server in servers:
            await self._spawn(server)
        for server in servers:
            await self._wait_until_ready(server)
        for service in services:
            if service not in servers:
                await self.start_service(service.name)
        self.write_run_file()

    async def start_service(self, name: str) -> None:
        """Start a service and wait until it is ready; bootstrap is ready when it has ended.

        Raises:
            ServiceFailed: this or another service ended or did not become ready in time.
            UsageError: the service is running.
        """
        if name in self.pids:
            raise UsageError(f"{name} is already running; stop it first")
        service = build_service(name, self._plan)
        await self._spawn(service)
        await self._wait_until_ready(service)
        if self.state.run_file.exists():
            self.write_run_file()

    async def kill(self, name: str) -> None:
        """Kill a service with SIGKILL and wait for its end; the other services keep running."""
        self._unwatch(name)
        await self._children[name].kill()

    async def wait(self) -> None:
        """Wait until a service fails.

        Raises:
            ServiceFailed: a service ended unexpectedly.
        """
        await asyncio.shield(self._failure)

    async def run_while_up(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the work while the stack is up, and return its result.

        Raises:
            ServiceFailed: a service ended; the work was cancelled.
        """
        task, failure = asyncio.create_task(work), asyncio.create_task(self.wait())
        try:
            await asyncio.wait({task, failure}, return_when=asyncio.FIRST_COMPLETED)
            if failure.done():
                failure.result()
            return task.result()
        finally:
            for pending in (task, failure):
                pending.cancel()
            await asyncio.gather(task, failure, return_exceptions=True)

    async def close(self) -> None:
        """Stop all services in reverse order of their start; return when no process is left."""
        if self._shutdown is None:
            self._shutdown = asyncio.create_task(self._stop_services())
        await asyncio.shield(self._shutdown)

    def raise_if_failed(self) -> None:
        """Raise ServiceFailed if a service ended unexpectedly."""
        if self._failure.done():
            self._failure.result()

    def write_run_file(self) -> None:
        """Write run.json, where `mapek` finds all addresses."""
        addresses = asdict(self.addresses)
        addresses["temporal"] = {
            "address": addresses["temporal"],
            "ui": addresses.pop("temporal_ui"),
            "namespace": addresses.pop("namespace"),
        }
        tokens = {
            "charter_token_file": self.layout.get_setting("execute.charter_api_key_file"),
            "webhook_token_file": self.layout.get_setting("api.webhook_token_file"),
        }
        self.state.write_run_file(
            {**addresses, **tokens, "versions": self.versions, "pids": self.pids, "logs": str(self.state.logs)}
        )

    async def _spawn(self, service: Service) -> None:
        self.raise_if_failed()
        child = await process.start(
            service.name, service.argv, self.log_path(service.name), build_environment(self._plan), REPOSITORY_ROOT
        )
        self._children[service.name] = child
        if self._shutdown is not None:
            # The shutdown began while this service started, and has missed it.
            await child.kill()
            return
        if service.ready_check is not None:
            self._watchers[service.name] = asyncio.create_task(self._watch_child(child))

    async def _wait_until_ready(self, service: Service) -> None:
        child, is_ready = self._children[service.name], service.ready_check
        try:
            async with asyncio.timeout(service.ready_timeout_seconds):
                while not (await is_ready() if is_ready else not child.is_running):
                    self.raise_if_failed()
                    await asyncio.sleep(_POLL_INTERVAL_SECONDS)
        except TimeoutError:
            late = (
                f"{service.name} is not ready after {service.ready_timeout_seconds:g} s;"
                f" expected {service.ready_condition}"
            )
            raise ServiceFailed(append_log_tail(late, child)) from None
        self.raise_if_failed()
        if is_ready is None and (code := await child.wait()) != 0:
            raise ServiceFailed(append_log_tail(f"{service.name} failed: {describe_exit(code)}", child))

    async def _watch_child(self, child: ChildProcess) -> None:
        code = await child.wait()
        if self._failure.done():
            return
        text = append_log_tail(f"{child.name} ended unexpectedly ({describe_exit(code)}); the stack stops", child)
        self._failure.set_exception(ServiceFailed(text, already_shown=True))
        self._failure.exception()  # marks it as retrieved: asyncio must not warn if no task waits
        self._report(text)
        if self._shutdown is None:
            self._shutdown = asyncio.create_task(self._stop_services())

    def _unwatch(self, name: str) -> None:
        if watcher := self._watchers.pop(name, None):
            watcher.cancel()

    async def _stop_services(self) -> None:
        self.state.remove_run_file()
        for name in list(self._watchers):
            self._unwatch(name)
        for name in reversed(STACK_SERVICES):
            if child := self._children.get(name):
                await child.stop(build_service(name, self._plan).stop_timeout_seconds)


@contextlib.asynccontextmanager
async def running_stack(options: StackOptions) -> AsyncIterator[RunningStack]:
    """Run a stack for the duration of a block, then stop all its processes.

    Raises:
        UsageError: an option or the configuration is invalid, or the state folder is in use.
        BinaryMissing: a server's binary could not be installed.
        ServiceFailed: a service did not become ready, or ended during the block.
    """
    user_config = deep_merge(load_config(options.config), dict(options.settings))
    async with contextlib.AsyncExitStack() as cleanup:
        state = StateDirectory(options.state_dir)
        cleanup.callback(state.close)
        ports = PortAllocator()
        cleanup.callback(ports.close)
        layout = build_layout(user_config, options.profile, state.path, ports)
        names = [name for name in STACK_SERVICES if name in options.services & layout.embedded]
        paths = await binaries.ensure_binaries(_INSTALLED_SERVICES.intersection(names), report=options.report)
        state.prepare(options.keep_data)
        write_configs(layout, state)
        # No proxy from the environment: all servers are on this machine.
        http = await cleanup.enter_async_context(httpx.AsyncClient(trust_env=False))
        stack = RunningStack(StackPlan(layout, state, paths, options.seed, http), options.report)
        cleanup.push_async_callback(stack.close)
        await stack.start_services(names)
        yield stack
        stack.raise_if_failed()

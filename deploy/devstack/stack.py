"""One running stack: started in order, watched, and taken down completely, whatever ends it."""

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

_POLL_INTERVAL_SECONDS = 0.1  # seconds between two questions to a starting server
_INSTALLED_SERVICES = frozenset({"temporal", "prometheus", "alertmanager"})


@dataclass(frozen=True)
class StackOptions:
    """What a stack is asked to be.

    `parts` leaves out what a test does not need; `settings` is laid over the user's config. `say` gets one line, or
    one block of lines, at a time.
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
    """A stack whose parts can be killed and started again one by one.

    A part that ends without being asked to takes the stack down at once; `wait` and `during` raise PartFailed then.
    """

    def __init__(self, plan: StackPlan, report: Reporter) -> None:
        self._plan = plan
        self._say = report
        self._children: dict[str, ChildProcess] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._going_down: asyncio.Task[None] | None = None

    @property
    def addresses(self) -> Addresses:
        """Where everything answers."""
        return self._plan.layout.addresses

    @property
    def layout(self) -> StackLayout:
        """The addresses, the embedded parts and MAPE-K's settings."""
        return self._plan.layout

    @property
    def state(self) -> StateDirectory:
        """The state folder, with `config_file`, `run_file` and `logs`."""
        return self._plan.state

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the running parts."""
        return {name: child.pid for name, child in self._children.items() if child.is_running}

    def log_path(self, name: str) -> Path:
        """The log file of a part."""
        return self.state.logs / f"{name}.log"

    async def start_services(self, names: list[str]) -> None:
        """Start parts in the order of PARTS; servers do not wait for each other, bootstrap and worker do for all."""
        parts = [build_service(name, self._plan) for name in STACK_SERVICES if name in names]
        servers = [part for part in parts if part.name not in ("bootstrap", "worker")]
        for part in servers:
            await self._spawn(part)
        for part in servers:
            await self._wait_until_ready(part)
        for part in parts:
            if part not in servers:
                await self.start_service(part.name)
        self.write_run_file()

    async def start_service(self, name: str) -> None:
        """Start a part and wait until it is ready, bootstrap until it is done.

        Raises:
            PartFailed: it, or another part meanwhile, ended or did not become ready in time.
        """
        if name in self.pids:
            raise UsageError(f"{name} is running")
        part = build_service(name, self._plan)
        await self._spawn(part)
        await self._wait_until_ready(part)
        if self.state.run_file.exists():
            self.write_run_file()

    async def kill(self, name: str) -> None:
        """End a part on purpose with SIGKILL; returns when it is gone, and the rest stays up."""
        self._unwatch(name)
        await self._children[name].kill()

    async def wait(self) -> None:
        """Wait for ever; only the death of a part ends it.

        Raises:
            PartFailed: a part ended without being asked to.
        """
        await asyncio.shield(self._failure)

    async def run_while_up(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work for as long as the stack is up, and return its result.

        Raises:
            PartFailed: a part ended; the work was cancelled.
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
        """Take everything down, the last started first; returns when no process is left."""
        if self._going_down is None:
            self._going_down = asyncio.create_task(self._take_down())
        await asyncio.shield(self._going_down)

    def raise_if_failed(self) -> None:
        """Raise PartFailed if a part ended without being asked to."""
        if self._failure.done():
            self._failure.result()

    def write_run_file(self) -> None:
        """Write run.json, from which `mapek` learns all addresses."""
        at = asdict(self.addresses)
        at["temporal"] = {
            "address": at["temporal"],
            "ui": at.pop("temporal_ui"),
            "namespace": at.pop("namespace"),
        }
        tokens = {
            "charter_token_file": self.layout.get_setting("execute.charter_api_key_file"),
            "webhook_token_file": self.layout.get_setting("api.webhook_token_file"),
        }
        self.state.write_run_file({**at, **tokens, "pids": self.pids, "logs": str(self.state.logs)})

    async def _spawn(self, service: Service) -> None:
        self.raise_if_failed()
        child = await process.start(
            service.name, service.argv, self.log_path(service.name), build_environment(self._plan), REPOSITORY_ROOT
        )
        self._children[service.name] = child
        if self._going_down is not None:
            # Everything went down while this one came up, and nobody else would end it.
            await child.kill()
            return
        if service.ready_check is not None:
            self._watchers[service.name] = asyncio.create_task(self._watch_child(child))

    async def _wait_until_ready(self, service: Service) -> None:
        child, ready = self._children[service.name], service.ready_check
        try:
            async with asyncio.timeout(service.ready_timeout_seconds):
                while not (await ready() if ready else not child.is_running):
                    self.raise_if_failed()
                    await asyncio.sleep(_POLL_INTERVAL_SECONDS)
        except TimeoutError:
            late = f"{service.name} did not get there within {service.ready_timeout_seconds:g} s: waited for {service.ready_condition}"
            raise ServiceFailed(append_log_tail(late, child)) from None
        self.raise_if_failed()
        if ready is None and (code := await child.wait()) != 0:
            raise ServiceFailed(append_log_tail(f"{service.name} failed: {describe_exit(code)}", child))

    async def _watch_child(self, child: ChildProcess) -> None:
        code = await child.wait()
        if self._failure.done():
            return
        text = append_log_tail(f"{child.name} ended by itself ({describe_exit(code)}), the stack goes down", child)
        self._failure.set_exception(ServiceFailed(text, already_shown=True))
        self._failure.exception()  # seen: nobody has to be waiting for it
        self._say(text)
        if self._going_down is None:
            self._going_down = asyncio.create_task(self._take_down())

    def _unwatch(self, name: str) -> None:
        if watcher := self._watchers.pop(name, None):
            watcher.cancel()

    async def _take_down(self) -> None:
        self.state.remove_run_file()
        for name in list(self._watchers):
            self._unwatch(name)
        for name in reversed(STACK_SERVICES):
            if child := self._children.get(name):
                await child.stop(build_service(name, self._plan).stop_timeout_seconds)


@contextlib.asynccontextmanager
async def running_stack(options: StackOptions) -> AsyncIterator[RunningStack]:
    """A stack for the length of a block; after it none of its processes is left.

    Raises:
        UsageError: an option or a config cannot be meant, or the state folder is in use.
        BinaryMissing: a server's binary cannot be had.
        PartFailed: a part did not get ready, or ended during the block.
    """
    user = deep_merge(load_config(options.config), dict(options.settings))
    async with contextlib.AsyncExitStack() as cleanup:
        state = StateDirectory(options.state_dir)
        cleanup.callback(state.close)
        ports = PortAllocator()
        cleanup.callback(ports.close)
        layout = build_layout(user, options.profile, state.path, ports)
        names = [name for name in STACK_SERVICES if name in options.services & layout.embedded]
        paths = await binaries.ensure_binaries(_INSTALLED_SERVICES.intersection(names), report=options.report)
        state.prepare(options.keep_data)
        write_configs(layout, state)
        # No proxy from the environment: everything asked here is on this machine.
        http = await cleanup.enter_async_context(httpx.AsyncClient(trust_env=False))
        stack = RunningStack(StackPlan(layout, state, paths, options.seed, http), options.report)
        cleanup.push_async_callback(stack.close)
        await stack.start_services(names)
        yield stack
        stack.raise_if_failed()

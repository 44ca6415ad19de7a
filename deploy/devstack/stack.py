"""One running stack: started in order, watched, and taken down completely, whatever ends it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from deploy.devstack import binaries, process
from deploy.devstack.errors import PartFailed, UsageError
from deploy.devstack.fetch import Say
from deploy.devstack.layout import PARTS, Addresses, Layout, lay_out, load_config, merge
from deploy.devstack.ports import Ports
from deploy.devstack.process import Child, ending, report
from deploy.devstack.render import ROOT, write_configs
from deploy.devstack.services import Blueprint, Part, environment, part_of
from deploy.devstack.state import State

T = TypeVar("T")

_POLL = 0.1  # seconds between two questions to a starting server
_INSTALLED = frozenset({"temporal", "prometheus", "alertmanager"})


@dataclass(frozen=True)
class StackOptions:
    """What a stack is asked to be.

    `parts` leaves out what a test does not need; `settings` is laid over the user's config. `say` gets one line, or
    one block of lines, at a time.
    """

    state: Path = Path(".mapek")
    keep: bool = False
    config: Path | None = None
    seed: int = 1
    profile: str = "real"
    parts: frozenset[str] = frozenset(PARTS)
    settings: Mapping[str, Any] = field(default_factory=dict)
    say: Say = print


class RunningStack:
    """A stack whose parts can be killed and started again one by one.

    A part that ends without being asked to takes the stack down at once; `wait` and `during` raise PartFailed then.
    """

    def __init__(self, plan: Blueprint, say: Say) -> None:
        self._plan = plan
        self._say = say
        self._children: dict[str, Child] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._going_down: asyncio.Task[None] | None = None

    @property
    def addresses(self) -> Addresses:
        """Where everything answers."""
        return self._plan.layout.addresses

    @property
    def layout(self) -> Layout:
        """The addresses, the embedded parts and MAPE-K's settings."""
        return self._plan.layout

    @property
    def state(self) -> State:
        """The state folder, with `config_file`, `run_file` and `logs`."""
        return self._plan.state

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the running parts."""
        return {name: child.pid for name, child in self._children.items() if child.running}

    def log(self, name: str) -> Path:
        """The log file of a part."""
        return self.state.logs / f"{name}.log"

    async def start_parts(self, names: list[str]) -> None:
        """Start parts in the order of PARTS; servers do not wait for each other, bootstrap and worker do for all."""
        parts = [part_of(name, self._plan) for name in PARTS if name in names]
        servers = [part for part in parts if part.name not in ("bootstrap", "worker")]
        for part in servers:
            await self._spawn(part)
        for part in servers:
            await self._until_ready(part)
        for part in parts:
            if part not in servers:
                await self.start_part(part.name)
        self.write_run()

    async def start_part(self, name: str) -> None:
        """Start a part and wait until it is ready, bootstrap until it is done.

        Raises:
            PartFailed: it, or another part meanwhile, ended or did not become ready in time.
        """
        if name in self.pids:
            raise UsageError(f"{name} is running")
        part = part_of(name, self._plan)
        await self._spawn(part)
        await self._until_ready(part)
        if self.state.run_file.exists():
            self.write_run()

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

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
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

    def check(self) -> None:
        """Raise PartFailed if a part ended without being asked to."""
        if self._failure.done():
            self._failure.result()

    def write_run(self) -> None:
        """Write run.json, from which `mapek` learns all addresses."""
        at = asdict(self.addresses)
        at["temporal"] = {
            "address": at["temporal"],
            "ui": at.pop("temporal_ui"),
            "namespace": at.pop("namespace"),
        }
        tokens = {
            "charter_token_file": self.layout.setting("execute.charter_api_key_file"),
            "webhook_token_file": self.layout.setting("api.webhook_token_file"),
        }
        self.state.write_run({**at, **tokens, "pids": self.pids, "logs": str(self.state.logs)})

    async def _spawn(self, part: Part) -> None:
        self.check()
        child = await process.start(part.name, part.argv, self.log(part.name), environment(self._plan), ROOT)
        self._children[part.name] = child
        if self._going_down is not None:
            # Everything went down while this one came up, and nobody else would end it.
            await child.kill()
            return
        if part.ready is not None:
            self._watchers[part.name] = asyncio.create_task(self._watch(child))

    async def _until_ready(self, part: Part) -> None:
        child, ready = self._children[part.name], part.ready
        try:
            async with asyncio.timeout(part.bound):
                while not (await ready() if ready else not child.running):
                    self.check()
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            late = f"{part.name} did not get there within {part.bound:g} s: waited for {part.waits_for}"
            raise PartFailed(report(late, child)) from None
        self.check()
        if ready is None and (code := await child.wait()) != 0:
            raise PartFailed(report(f"{part.name} failed: {ending(code)}", child))

    async def _watch(self, child: Child) -> None:
        code = await child.wait()
        if self._failure.done():
            return
        text = report(f"{child.name} ended by itself ({ending(code)}), the stack goes down", child)
        self._failure.set_exception(PartFailed(text, said=True))
        self._failure.exception()  # seen: nobody has to be waiting for it
        self._say(text)
        if self._going_down is None:
            self._going_down = asyncio.create_task(self._take_down())

    def _unwatch(self, name: str) -> None:
        if watcher := self._watchers.pop(name, None):
            watcher.cancel()

    async def _take_down(self) -> None:
        self.state.remove_run()
        for name in list(self._watchers):
            self._unwatch(name)
        for name in reversed(PARTS):
            if child := self._children.get(name):
                await child.stop(part_of(name, self._plan).grace)


@contextlib.asynccontextmanager
async def running_stack(options: StackOptions) -> AsyncIterator[RunningStack]:
    """A stack for the length of a block; after it none of its processes is left.

    Raises:
        UsageError: an option or a config cannot be meant, or the state folder is in use.
        BinaryMissing: a server's binary cannot be had.
        PartFailed: a part did not get ready, or ended during the block.
    """
    user = merge(load_config(options.config), options.settings)
    async with contextlib.AsyncExitStack() as cleanup:
        state = State(options.state)
        cleanup.callback(state.close)
        ports = Ports()
        cleanup.callback(ports.close)
        layout = lay_out(user, options.profile, state.path, ports)
        names = [name for name in PARTS if name in options.parts & layout.embedded]
        paths = await binaries.ensure(_INSTALLED.intersection(names), say=options.say)
        state.prepare(options.keep)
        write_configs(layout, state)
        # No proxy from the environment: everything asked here is on this machine.
        http = await cleanup.enter_async_context(httpx.AsyncClient(trust_env=False))
        stack = RunningStack(Blueprint(layout, state, paths, options.seed, http), options.say)
        cleanup.push_async_callback(stack.close)
        await stack.start_parts(names)
        yield stack
        stack.check()

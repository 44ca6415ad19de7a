"""The session of one `mapek` call: the configuration, and connections with timeouts."""

import asyncio
import functools
import getpass
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from activities.clients.store.store import Store, open_store
from activities.model.errors import (
    ConfigurationError,
    FinalError,
    NotFound,
    Rejected,
    StoreUnavailable,
    Unauthorized,
    Unreachable,
)
from activities.settings import LoopSettings
from worker.config.document import KeyPath
from worker.config.load import Config, load_config
from worker.temporal.client import connect
from worker.temporal.connect_faults import unreachable_error

P = ParamSpec("P")

CONNECT_TIMEOUT_SECONDS = 2.0
CALL_TIMEOUT_SECONDS = 4.0
"""Timeout of one call. With the connection, a silent server is reported after at most six seconds."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ActorOption = Annotated[str, typer.Option(help="Name recorded in the audit. Default: your user name.")]
ReasonOption = Annotated[str, typer.Option(help="Reason recorded in the audit.")]
LoopArgument = Annotated[str, typer.Argument(metavar="LOOP", help="A configured loop.")]
PlanArgument = Annotated[str, typer.Argument(metavar="PLAN", help="A plan's id, 12 hex digits.")]

RPC_TIMEOUT = timedelta(seconds=CALL_TIMEOUT_SECONDS)

_UNAVAILABLE_STATUSES = {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED}
_UNAUTHORIZED_STATUSES = {RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.PERMISSION_DENIED}


@dataclass
class Session:
    """One call of `mapek`: the places of its configuration, and the addresses from the command line."""

    file: Path | None = None
    state: Path | None = None
    flags: dict[KeyPath, str | None] = field(default_factory=dict)

    @functools.cached_property
    def config(self) -> Config:
        """The configuration. Raises ConfigurationError."""
        return self.reload()

    def reload(self) -> Config:
        """Read and return the configuration. Raises ConfigurationError."""
        return load_config(self.file, state=self.state, flags=self.flags)

    def loop(self, name: str) -> LoopSettings:
        """Return the configured loop of this name. Raises BadParameter."""
        try:
            return self.config.loop(name)
        except NotFound as error:
            raise typer.BadParameter(str(error)) from None

    @asynccontextmanager
    async def connect_temporal(self) -> AsyncIterator[Client]:
        """Yield a connected client; errors of Temporal inside the block become MapekErrors."""
        settings = self.config.temporal
        with _map_temporal_errors(settings.address):
            yield await connect(settings, timeout_seconds=CONNECT_TIMEOUT_SECONDS)

    @asynccontextmanager
    async def open_store(self, *, create: bool = False) -> AsyncIterator[Store]:
        """Yield the open store. Without `create` it must exist: reading creates no database."""
        knowledge = self.config.knowledge
        if knowledge.database == "memory":
            raise ConfigurationError("knowledge.database memory exists only in the worker; set sqlite or postgres")
        path = knowledge.sqlite_path
        if knowledge.database == "sqlite" and not create and not (path and path.is_file()):
            raise StoreUnavailable(f"no store at {path}: has a worker run with this configuration?")
        store = await open_store(self.config.store_address, CALL_TIMEOUT_SECONDS)
        try:
            yield store
        finally:
            await store.close()

    def workflow_url(self, workflow_id: str) -> str:
        """Return the URL of a workflow's latest run in the Temporal UI."""
        return self.config.temporal.workflow_url(workflow_id)


def async_command(body: Callable[P, Coroutine[Any, Any, int | None]]) -> Callable[P, None]:
    """Turn an asynchronous function into a command; its result is the exit code, None is 0."""

    @functools.wraps(body)
    def command(*args: P.args, **kwargs: P.kwargs) -> None:
        code = asyncio.run(body(*args, **kwargs))
        if code:
            raise typer.Exit(code)

    return command


def current_session(ctx: typer.Context) -> Session:
    """Return the session of this call."""
    session = ctx.find_root().obj
    assert isinstance(session, Session)
    return session


def actor_or_user(actor: str) -> str:
    """Return the given actor, or else the user of this process. Raises BadParameter."""
    if actor.strip():
        return actor.strip()
    try:
        return os.environ.get("USER") or getpass.getuser()
    except (OSError, KeyError):
        raise typer.BadParameter("this process has no user name; set --actor") from None


@contextmanager
def _map_temporal_errors(address: str) -> Iterator[None]:
    """Map the errors of the Temporal client to MapekErrors."""
    try:
        yield
    except WorkflowUpdateFailedError as error:
        raise Rejected(f"refused: {error.cause or error}") from None
    except WorkflowUpdateRPCTimeoutOrCancelledError:
        raise no_worker_error() from None
    except RPCError as error:
        raise _map_rpc_error(error, address) from None


def no_worker_error() -> Unreachable:
    """Return the error for an update that no worker accepted in time."""
    return Unreachable(
        f"no worker accepted the request within {CALL_TIMEOUT_SECONDS:g} s: is one running? Run `mapek worker`"
    )


def _map_rpc_error(error: RPCError, address: str) -> Exception:
    if error.status in _UNAVAILABLE_STATUSES:
        return unreachable_error(address)
    if error.status in _UNAUTHORIZED_STATUSES:
        return Unauthorized(f"Temporal at {address} refused the credential: {error.message}; check TEMPORAL_API_KEY")
    if error.status is RPCStatusCode.NOT_FOUND:
        return NotFound(error.message)
    if error.status is RPCStatusCode.INVALID_ARGUMENT and "search attribute" in error.message:
        return ConfigurationError(f"Temporal at {address}: {error.message}; run `mapek bootstrap`")
    return FinalError(f"Temporal at {address}: {error.message}")

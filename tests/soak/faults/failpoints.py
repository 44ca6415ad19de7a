"""Failpoints: the moments around every side effect of a worker at which it can be killed, frozen or refused.

A point is named `STEP.EDGE.MOMENT`. The step is the activity, with the number of the action for `apply` and `undo`
(`apply-1`), `verify-undo` for the verification of a rollback. The edge is `prometheus`, `charter` (a read), `change`
(a change of Charter), `store` (a write) or `temporal` (the report that the activity completed).

`before_send`: nothing is sent yet. `after_send`: the request is sent, or the rows are written and not committed.
`after_reply`: the reply was received and not used yet. `after_commit`: the rows are committed, the caller not informed.

A point is armed by a file of its name in the folder `MAPEK_FAILPOINTS`; its text is the action. It strikes once, in the
first process that passes it, and moves the file to the folder `fired`. Without the variable there are no failpoints;
with it the worker refuses to start on a Charter that is not the simulator.
"""

import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx
from sqlalchemy import Connection
from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.clients.store.engine import Database
from activities.clients.store.store import Store, open_store, store_from_database
from activities.model.errors import ConfigurationError, StoreUnavailable
from worker.config.load import Config
from worker.observability.activity_metrics import LastRun
from worker.observability.metrics import Metrics
from worker.temporal.interceptor import MapekInterceptor

T = TypeVar("T")

FOLDER_VARIABLE = "MAPEK_FAILPOINTS"
FIRED_FILE = "fired"
BEFORE_SEND, AFTER_SEND, AFTER_REPLY, AFTER_COMMIT = "before_send", "after_send", "after_reply", "after_commit"
MOMENTS = (BEFORE_SEND, AFTER_SEND, AFTER_REPLY, AFTER_COMMIT)
KILL, STOP, LOSE_REPLY, DISK_FULL = "kill", "stop", "lose", "full"
"""SIGKILL; SIGSTOP; the connection is lost, or the store fails; the disk is full (at `before_send` of a store)."""
OUTSIDE_ACTIVITY = "service"
"""The step of side effects outside of activities."""

MAX_PAGE_COUNT = 1_073_741_823
"""Pages of a database without a limit; SQLite's own limit is higher still."""

CURRENT_STEP: ContextVar[str] = ContextVar("step", default=OUTSIDE_ACTIVITY)


def load_failpoints(environ: Mapping[str, str], config: Config) -> "Failpoints | None":
    """Return the failpoints that the environment requests, None without the variable.

    Raises:
        ConfigurationError: a configured Charter is not the simulator.
    """
    folder = environ.get(FOLDER_VARIABLE, "")
    if not folder:
        return None
    real = [loop.name for loop in config.loops if not loop.simulator]
    if real:
        raise ConfigurationError(
            f"{FOLDER_VARIABLE} requires the simulator; unset it, because this is a real Charter: {', '.join(real)}"
        )
    return Failpoints(Path(folder))


class Failpoints:
    """The armed points of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / FIRED_FILE).mkdir(parents=True, exist_ok=True)

    def arm(self, point: str, action: str = KILL) -> None:
        """Arm a point: it strikes the next time a process passes it."""
        temporary = self.folder / f".{point}"
        temporary.write_text(action)
        temporary.rename(self.folder / point)

    def disarm(self, point: str) -> None:
        """Disarm a point; no effect if it has struck."""
        (self.folder / point).unlink(missing_ok=True)

    def list_armed(self) -> list[str]:
        """Return the armed points."""
        return sorted(path.name for path in self.folder.iterdir() if path.is_file() and path.name[0] != ".")

    def list_fired(self, action: str = "") -> list[str]:
        """Return the points that struck, in order; with an action only those with this action."""
        fired = sorted((self.folder / FIRED_FILE).iterdir(), key=lambda path: path.name.partition("@")[2])
        return [path.name.partition("@")[0] for path in fired if action in ("", path.read_text())]

    def pass_point(self, edge: str, moment: str, step: str | None = None) -> str:
        """Pass a point. Return its action, empty if it is not armed; a kill does not return."""
        point = f"{step or CURRENT_STEP.get()}.{edge}.{moment}"
        armed = self.folder / point
        if not armed.exists():
            return ""
        action = ""
        with suppress(FileNotFoundError):
            action = armed.read_text()
            armed.rename(self.folder / FIRED_FILE / f"{point}@{time.time_ns()}")
        if action in (KILL, STOP):
            os.kill(os.getpid(), signal.SIGKILL if action == KILL else signal.SIGSTOP)
        return action


class FailpointTransport(httpx.AsyncBaseTransport):
    """A transport with a point before, within and after each request."""

    def __init__(self, points: Failpoints, network: httpx.AsyncBaseTransport | None = None) -> None:
        self._points = points
        self._network = network or httpx.AsyncHTTPTransport(trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request. Raises: httpx.ConnectError, httpx.ReadError (a point loses the connection)."""
        edge = classify_edge(request)
        if self._points.pass_point(edge, BEFORE_SEND) == LOSE_REPLY:
            raise httpx.ConnectError("failpoint", request=request)

        async def trace(event: str, _info: dict[str, Any]) -> None:
            if event.endswith("send_request_body.complete") and self._points.pass_point(edge, AFTER_SEND) == LOSE_REPLY:
                raise httpx.ReadError("failpoint", request=request)

        request.extensions["trace"] = trace
        response = await self._network.handle_async_request(request)
        if self._points.pass_point(edge, AFTER_REPLY) == LOSE_REPLY:
            await response.aclose()
            raise httpx.ReadError("failpoint", request=request)
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        await self._network.aclose()


def classify_edge(request: httpx.Request) -> str:
    """Return the edge of a request: `change` with an idempotency key, else `charter` or `prometheus`."""
    if "Idempotency-Key" in request.headers:
        return "change"
    return "prometheus" if request.url.path.startswith(("/api/v1/query", "/-/")) else "charter"


class FailpointDatabase:
    """The store's database with a point before, within and after each transaction that writes."""

    def __init__(self, database: Database, points: Failpoints) -> None:
        self._database, self._points = database, points

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns."""
        return await self._database.read(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns. Raises: StoreUnavailable (also at a point)."""
        action, step = self._points.pass_point("store", BEFORE_SEND), CURRENT_STEP.get()
        if action == LOSE_REPLY:
            raise StoreUnavailable("failpoint")

        def work_with_points(connection: Connection) -> T:
            with limit_database_size(connection, action == DISK_FULL):
                result = work(connection)
            if self._points.pass_point("store", AFTER_SEND, step) == LOSE_REPLY:
                raise StoreUnavailable("failpoint")
            return result

        result = await self._database.write(work_with_points)
        if self._points.pass_point("store", AFTER_COMMIT) == LOSE_REPLY:
            raise StoreUnavailable("failpoint")
        return result

    async def close(self) -> None:
        """Close the database."""
        await self._database.close()


@contextmanager
def limit_database_size(connection: Connection, is_full: bool) -> Iterator[None]:
    """Limit the database to its present size inside the block, if the disk is to be full."""
    if not is_full:
        yield
        return
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA max_page_count={MAX_PAGE_COUNT}")


def failpoint_store_opener(points: Failpoints) -> Callable[[str | Path], Awaitable[Store]]:
    """Return a function that opens the store with points around its writes."""

    async def open_with_failpoints(address: str | Path) -> Store:
        store = await open_store(address)
        return store_from_database(cast(Database, FailpointDatabase(store.database, points)))

    return open_with_failpoints


class StepInterceptor(MapekInterceptor):
    """The product's interceptor; it also sets the step, and passes a point before the completion is reported."""

    def __init__(self, metrics: Metrics, last_run: LastRun, points: Failpoints) -> None:
        super().__init__(metrics, last_run)
        self._points = points

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's name
        """Return the wrapper."""
        return _StepInbound(super().intercept_activity(next), self._points)


class _StepInbound(ActivityInboundInterceptor):
    def __init__(self, next_interceptor: ActivityInboundInterceptor, points: Failpoints) -> None:
        super().__init__(next_interceptor)
        self._points = points

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        CURRENT_STEP.set(identify_step(activity.info().activity_type, input.args[0]))
        result = await super().execute_activity(input)
        self._points.pass_point("temporal", BEFORE_SEND)
        return result


def identify_step(name: str, request: Any) -> str:
    """Return the step of an activity."""
    if name in ("apply", "undo"):
        return f"{name}-{request.step + 1}"
    if name == "verify" and request.rollback:
        return "verify-undo"
    return "prepare-leftover" if name == "prepare" and request.leftover else name

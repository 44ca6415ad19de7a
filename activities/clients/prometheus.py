"""Prometheus: instant and range queries, at an explicit time."""

import math
from typing import Annotated, Generic, Literal, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, BeforeValidator, TypeAdapter

from activities.clients.http import Http
from activities.clients.request import Request, answered_at
from activities.model.errors import Overloaded, Rejected, Unreachable, Unreadable, Untimely
from activities.model.timeseries import Sample, SampleSeries
from activities.model.types import clipped

T = TypeVar("T")

MAX_BYTES = 32 << 20
"""Bytes of an answer: 1,000 components × 19 metrics × 40 instants fit, an unbounded one does not."""

Value = Annotated[float, BeforeValidator(lambda text: float(text) if isinstance(text, str) else text)]
"""Prometheus writes values as strings, so that NaN and infinities survive JSON."""
Point = tuple[float, Value]


class _Vector(BaseModel):
    metric: dict[str, str]
    value: Point


class _Range(BaseModel):
    metric: dict[str, str]
    values: tuple[Point, ...]


class _Data(BaseModel, Generic[T]):
    resultType: Literal["vector", "matrix", "scalar"]  # noqa: N815 - the wire's spelling
    result: T


class _Answer(BaseModel, Generic[T]):
    status: Literal["success", "error"]
    data: _Data[T] | None = None
    errorType: str = ""  # noqa: N815 - the wire's spelling
    error: str = ""
    warnings: tuple[str, ...] = ()


_INSTANT = TypeAdapter(_Answer[tuple[_Vector, ...] | Point])
_RANGE = TypeAdapter(_Answer[tuple[_Range, ...]])
_FINAL = {"bad_data", "execution"}


class PrometheusClient:
    """One Prometheus. `timeout` is seconds for one query, told to the server as well.

    Every query raises: Unreachable, Unreadable (also for an answer with warnings: it may be only a part), Overloaded,
    Unauthorized, Rejected (the query is wrong), NotFound.

    Who wants to know the present says so by `within`: the (last) instant asked about may then be at most so many
    seconds from Prometheus's own clock, else Untimely is raised. The answer to what was an hour ago looks like any
    other.
    """

    def __init__(self, http: Http, url: str, timeout: float = 5.0) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._timeout = timeout

    async def ready(self) -> None:
        """Return if Prometheus is ready to answer queries."""
        await self._http.probe(Request("GET", f"{self._url}/-/ready", timeout=self._timeout))

    async def query(self, promql: str, at: float, within: float | None = None) -> tuple[Sample, ...]:
        """Return the value of `promql` at `at` (unix seconds), one sample a series; a scalar has no labels."""
        result = await self._ask("query", {"query": promql, "time": _number(at)}, _INSTANT, (at, within))
        if result and isinstance(result[0], float):
            return (Sample(labels={}, value=result[1], at=result[0]),)
        return tuple(Sample(labels=one.metric, value=one.value[1], at=one.value[0]) for one in result)

    async def query_range(
        self, promql: str, start: float, end: float, step: float, within: float | None = None
    ) -> tuple[SampleSeries, ...]:
        """Return `promql` at `start`, `start + step`, … up to `end`, both included (unix seconds; `step` seconds)."""
        form = {"query": promql, "start": _number(start), "end": _number(end), "step": _number(step)}
        result = await self._ask("query_range", form, _RANGE, (end, within))
        return tuple(SampleSeries(labels=one.metric, points=one.values) for one in result)

    async def _ask(
        self, route: str, form: dict[str, str], shape: TypeAdapter[_Answer[T]], asked: tuple[float, float | None]
    ) -> T:
        request = Request(
            "POST",
            f"{self._url}/api/v1/{route}",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            content=urlencode({**form, "timeout": f"{round(self._timeout * 1000)}ms"}).encode(),
            timeout=self._timeout,
            max_bytes=MAX_BYTES,
        )
        try:
            reply = await self._http.read(request, shape)
        except Overloaded as error:
            # 503 is how Prometheus says that a query timed out or that it is shutting down.
            raise Unreachable(str(error), error.retry_after) from error
        timely(*asked, answered_at(reply.headers))
        return _full(reply.value)


def timely(at: float, within: float | None, clock: float | None) -> None:
    """Return if `at` is at most `within` seconds from the `clock` (whole seconds, rounded down) of who answered.

    Nothing is compared if either is None: a proxy may take the clock away, and that alone is no reason for doubt.
    Raises: Untimely.
    """
    if within is None or clock is None or clock - within <= at <= clock + 1 + within:
        return
    apart = f"{clock - at:.0f} s ago" if at < clock else f"{at - clock:.0f} s ahead"
    raise Untimely(f"asked about an instant {apart} by Prometheus's own clock: is this worker's clock right?")


def _full(answer: _Answer[T]) -> T:
    text = clipped(f"Prometheus: {answer.errorType}: {answer.error}")
    if answer.status == "error":
        raise Rejected(text) if answer.errorType in _FINAL else Unreachable(text)
    if answer.warnings:
        raise Unreadable(clipped(f"Prometheus warns of a partial answer: {answer.warnings[0]}"))
    if answer.data is None:
        raise Unreadable("Prometheus: success without data")
    return answer.data.result


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise Rejected(f"{value} is no time")
    return f"{value:.3f}"

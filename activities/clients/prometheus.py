"""Prometheus: instant and range queries, at an explicit time."""

import math
from typing import Annotated, Generic, Literal, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, BeforeValidator, TypeAdapter

from activities.clients.http import HttpClient
from activities.clients.http_messages import Request, parse_response_date
from activities.model.errors import ClockSkew, InvalidResponse, Overloaded, Rejected, Unreachable
from activities.model.timeseries import Sample, SampleSeries
from activities.model.types import truncate

T = TypeVar("T")

MAX_BYTES = 32 << 20
"""Bytes of an answer: 1,000 components × 19 metrics × 40 instants fit, an unbounded one does not."""

Value = Annotated[float, BeforeValidator(lambda text: float(text) if isinstance(text, str) else text)]
"""Prometheus writes values as strings, so that NaN and infinities survive JSON."""
Point = tuple[float, Value]


class _VectorSample(BaseModel):
    metric: dict[str, str]
    value: Point


class _MatrixSeries(BaseModel):
    metric: dict[str, str]
    values: tuple[Point, ...]


class _Data(BaseModel, Generic[T]):
    resultType: Literal["vector", "matrix", "scalar"]  # noqa: N815 - the wire's spelling
    result: T


class _ApiResponse(BaseModel, Generic[T]):
    status: Literal["success", "error"]
    data: _Data[T] | None = None
    errorType: str = ""  # noqa: N815 - the wire's spelling
    error: str = ""
    warnings: tuple[str, ...] = ()


_INSTANT_RESPONSE = TypeAdapter(_ApiResponse[tuple[_VectorSample, ...] | Point])
_RANGE_RESPONSE = TypeAdapter(_ApiResponse[tuple[_MatrixSeries, ...]])
_FINAL_ERROR_TYPES = {"bad_data", "execution"}


class PrometheusClient:
    """One Prometheus. `timeout` is seconds for one query, told to the server as well.

    Every query raises: Unreachable, Unreadable (also for an answer with warnings: it may be only a part), Overloaded,
    Unauthorized, Rejected (the query is wrong), NotFound.

    Who wants to know the present says so by `within`: the (last) instant asked about may then be at most so many
    seconds from Prometheus's own clock, else Untimely is raised. The answer to what was an hour ago looks like any
    other.
    """

    def __init__(self, http: HttpClient, url: str, timeout: float = 5.0) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._timeout = timeout

    async def check_ready(self) -> None:
        """Return if Prometheus is ready to answer queries."""
        await self._http.probe(Request("GET", f"{self._url}/-/ready", timeout=self._timeout))

    async def query(self, promql: str, at: float, max_skew: float | None = None) -> tuple[Sample, ...]:
        """Return the value of `promql` at `at` (unix seconds), one sample a series; a scalar has no labels."""
        result = await self._query(
            "query", {"query": promql, "time": _format_seconds(at)}, _INSTANT_RESPONSE, (at, max_skew)
        )
        if result and isinstance(result[0], float):
            return (Sample(labels={}, value=result[1], at=result[0]),)
        return tuple(Sample(labels=one.metric, value=one.value[1], at=one.value[0]) for one in result)

    async def query_range(
        self, promql: str, start: float, end: float, step: float, max_skew: float | None = None
    ) -> tuple[SampleSeries, ...]:
        """Return `promql` at `start`, `start + step`, … up to `end`, both included (unix seconds; `step` seconds)."""
        form = {
            "query": promql,
            "start": _format_seconds(start),
            "end": _format_seconds(end),
            "step": _format_seconds(step),
        }
        result = await self._query("query_range", form, _RANGE_RESPONSE, (end, max_skew))
        return tuple(SampleSeries(labels=one.metric, points=one.values) for one in result)

    async def _query(
        self,
        route: str,
        form: dict[str, str],
        schema: TypeAdapter[_ApiResponse[T]],
        instant_and_skew: tuple[float, float | None],
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
            reply = await self._http.read(request, schema)
        except Overloaded as error:
            # 503 is how Prometheus says that a query timed out or that it is shutting down.
            raise Unreachable(str(error), error.retry_after) from error
        require_fresh(*instant_and_skew, parse_response_date(reply.headers))
        return _unwrap_result(reply.value)


def require_fresh(at: float, max_skew: float | None, server_time: float | None) -> None:
    """Return if `at` is at most `within` seconds from the `clock` (whole seconds, rounded down) of who answered.

    Nothing is compared if either is None: a proxy may take the clock away, and that alone is no reason for doubt.
    Raises: Untimely.
    """
    if max_skew is None or server_time is None or server_time - max_skew <= at <= server_time + 1 + max_skew:
        return
    apart = f"{server_time - at:.0f} s ago" if at < server_time else f"{at - server_time:.0f} s ahead"
    raise ClockSkew(f"asked about an instant {apart} by Prometheus's own clock: is this worker's clock right?")


def _unwrap_result(response: _ApiResponse[T]) -> T:
    text = truncate(f"Prometheus: {response.errorType}: {response.error}")
    if response.status == "error":
        raise Rejected(text) if response.errorType in _FINAL_ERROR_TYPES else Unreachable(text)
    if response.warnings:
        raise InvalidResponse(truncate(f"Prometheus warns of a partial answer: {response.warnings[0]}"))
    if response.data is None:
        raise InvalidResponse("Prometheus: success without data")
    return response.data.result


def _format_seconds(value: float) -> str:
    if not math.isfinite(value):
        raise Rejected(f"{value} is no time")
    return f"{value:.3f}"

"""Prometheus: instant and range queries, at an explicit time."""

import math
from typing import Annotated, Generic, Literal, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, BeforeValidator, TypeAdapter

from activities.clients.http import HttpClient
from activities.clients.http_messages import Request, Response, parse_response_date
from activities.model.errors import ClockSkew, InvalidResponse, Overloaded, Rejected, Unreachable
from activities.model.timeseries import Sample, SampleSeries
from activities.model.types import truncate

T = TypeVar("T")

MAX_RESULT_BYTES = 32 << 20
"""Maximum bytes of a response: 1,000 components × 19 metrics × 40 instants fit."""

Value = Annotated[float, BeforeValidator(lambda text: float(text) if isinstance(text, str) else text)]
"""Prometheus sends values as strings, because JSON has no NaN and no infinity."""
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
    """One Prometheus. `timeout` is seconds for one query, also sent to the server.

    Every query raises: Unreachable, InvalidResponse (also with warnings: the result may be partial), Overloaded,
    Unauthorized, Rejected (the query is invalid), NotFound.

    A query about the present sets `max_skew`: the seconds its last instant may differ from the clock of Prometheus.
    Beyond it ClockSkew is raised, because an old result looks like a new one.
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
        response = await self._query("query", {"query": promql, "time": _format_seconds(at)}, _INSTANT_RESPONSE)
        require_fresh(at, max_skew, parse_response_date(response.headers))
        result = _unwrap_result(response.value)
        if result and isinstance(result[0], float):
            return (Sample(labels={}, value=result[1], at=result[0]),)
        return tuple(Sample(labels=sample.metric, value=sample.value[1], at=sample.value[0]) for sample in result)

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
        response = await self._query("query_range", form, _RANGE_RESPONSE)
        require_fresh(end, max_skew, parse_response_date(response.headers))
        result = _unwrap_result(response.value)
        return tuple(SampleSeries(labels=series.metric, points=series.values) for series in result)

    async def _query(
        self, route: str, form: dict[str, str], schema: TypeAdapter[_ApiResponse[T]]
    ) -> Response[_ApiResponse[T]]:
        request = Request(
            "POST",
            f"{self._url}/api/v1/{route}",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            content=urlencode({**form, "timeout": f"{round(self._timeout * 1000)}ms"}).encode(),
            timeout=self._timeout,
            max_bytes=MAX_RESULT_BYTES,
        )
        try:
            return await self._http.read(request, schema)
        except Overloaded as error:
            # Prometheus sends 503 if a query timed out or if it shuts down.
            raise Unreachable(str(error), error.retry_after) from error


def require_fresh(at: float, max_skew: float | None, server_time: float | None) -> None:
    """Return if `at` differs at most `max_skew` seconds from `server_time` (whole seconds, rounded down).

    If either is None nothing is compared: a proxy may remove the date, which alone does not make a result doubtful.

    Raises:
        ClockSkew: the difference is larger.
    """
    if max_skew is None or server_time is None or server_time - max_skew <= at <= server_time + 1 + max_skew:
        return
    difference = f"{server_time - at:.0f} s ago" if at < server_time else f"{at - server_time:.0f} s ahead"
    raise ClockSkew(f"queried instant is {difference} by Prometheus's own clock: check the clock of this worker")


def _unwrap_result(response: _ApiResponse[T]) -> T:
    text = truncate(f"Prometheus: {response.errorType}: {response.error}")
    if response.status == "error":
        raise Rejected(text) if response.errorType in _FINAL_ERROR_TYPES else Unreachable(text)
    if response.warnings:
        raise InvalidResponse(truncate(f"Prometheus warns that the result may be partial: {response.warnings[0]}"))
    if response.data is None:
        raise InvalidResponse("Prometheus: status success without data")
    return response.data.result


def _format_seconds(value: float) -> str:
    if not math.isfinite(value):
        raise Rejected(f"invalid time {value}: use finite unix seconds")
    return f"{value:.3f}"

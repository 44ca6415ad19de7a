"""Prometheus: instant and range queries, at an explicit time."""

import logging
import math
import re
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Generic, Literal, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, BeforeValidator, TypeAdapter

from activities.clients.http import HttpClient
from activities.clients.http_messages import Request, Response, parse_response_date
from activities.model.errors import ClockSkew, InvalidResponse, Overloaded, Rejected, Unreachable
from activities.model.timeseries import Sample, SampleSeries
from activities.model.types import truncate

T = TypeVar("T")

log = logging.getLogger(__name__)

MAX_RESULT_BYTES = 32 << 20
"""Maximum bytes of a response: 1,000 components × 19 metrics × 40 instants fit."""
MAX_LOGGED_REMARKS = 200
"""Distinct remarks that one client logs: each cycle repeats the same ones."""

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
    warnings: tuple[str, ...] | None = None
    infos: tuple[str, ...] | None = None
    isPartial: bool = False  # noqa: N815 - the wire's spelling


class _BuildInfo(BaseModel):
    version: str = ""


class _BuildInfoResponse(BaseModel):
    data: _BuildInfo


_BUILD_INFO_RESPONSE = TypeAdapter(_BuildInfoResponse)
_INSTANT_RESPONSE = TypeAdapter(_ApiResponse[tuple[_VectorSample, ...] | Point])
_RANGE_RESPONSE = TypeAdapter(_ApiResponse[tuple[_MatrixSeries, ...]])
_FINAL_ERROR_TYPES = {"bad_data", "execution"}


class Meaning(Enum):
    """What a note beside a result says about the result."""

    PARTIAL = "partial"
    """Data may be missing: the result is doubtful and is not used."""
    ADVICE = "advice"
    """The result is complete: the note concerns how the query is written."""


@dataclass(frozen=True)
class Sign:
    """One kind of note: the field of the response, how its text begins, and what follows for the result.

    `start` is a regular expression. `reason` is what an operator reads.
    """

    field: Literal["warnings", "infos", "isPartial"]
    start: str
    meaning: Meaning
    reason: str


SIGNS = (
    Sign("isPartial", "", Meaning.PARTIAL, "a storage node of VictoriaMetrics did not respond"),
    Sign("infos", "", Meaning.ADVICE, "Prometheus since 2.54, Mimir: the data types of one query"),
    Sign("warnings", "PromQL (info|warning): ", Meaning.ADVICE, "Prometheus since 2.48: the data types of one query"),
    Sign("warnings", "remote_read: ", Meaning.PARTIAL, "a remote storage could not be read"),
    Sign(
        "warnings",
        r"\d+ more (warning )?annotations omitted",
        Meaning.PARTIAL,
        "omitted warnings may hide a failed storage",
    ),
    Sign("warnings", "results truncated due to limit", Meaning.PARTIAL, "the server limits results"),
    Sign("warnings", "(receive|fetch) series (from|for) ", Meaning.PARTIAL, "a store of Thanos failed"),
    Sign("warnings", "failed to receive any data ", Meaning.PARTIAL, "a store of Thanos did not respond"),
    Sign("warnings", "No StoreAPIs matched ", Meaning.PARTIAL, "Thanos found no store to query"),
    Sign("warnings", "query result may contain partial data", Meaning.PARTIAL, "ingesters of Cortex failed"),
    Sign("warnings", "(warning|error) querying ", Meaning.PARTIAL, "a tenant of Mimir or Cortex is incomplete"),
    Sign("warnings", "", Meaning.PARTIAL, "unknown warning"),
)
"""What a response has beside its data → whether the data is complete. The first row that matches applies.

The text behind the start is not searched, because servers quote metric names there. Case is ignored.

An unknown warning counts as partial. Advice that is mistaken for a partial result makes cycles blind, with the reason
shown. A partial result that is mistaken for advice can hide a violation or show a false one, and the loop would act.
"""


class PrometheusClient:
    """One Prometheus. `timeout` is seconds for one query, also sent to the server.

    Every query raises: Unreachable, InvalidResponse (also if the result may be partial), Overloaded, Unauthorized,
    Rejected (the query is invalid), NotFound. Advice beside a result is a remark: the log has each one once.

    A query about the present sets `max_skew`: the seconds its last instant may differ from the clock of Prometheus.
    Beyond it ClockSkew is raised, because an old result looks like a new one.
    """

    def __init__(self, http: HttpClient, url: str, timeout: float = 5.0) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._logged_remarks: set[str] = set()

    async def check_ready(self) -> None:
        """Return if Prometheus is ready to answer queries."""
        await self._http.probe(Request("GET", f"{self._url}/-/ready", timeout=self._timeout))

    async def fetch_version(self) -> str:
        """Return the version that the server names, empty if it names none."""
        request = Request("GET", f"{self._url}/api/v1/status/buildinfo", timeout=self._timeout)
        return truncate((await self._http.read(request, _BUILD_INFO_RESPONSE)).value.data.version)

    async def query(self, promql: str, at: float, max_skew: float | None = None) -> tuple[Sample, ...]:
        """Return the value of `promql` at `at` (unix seconds), one sample a series; a scalar has no labels."""
        samples, remarks = await self.query_with_remarks(promql, at, max_skew)
        self._log_new(remarks)
        return samples

    async def query_with_remarks(
        self, promql: str, at: float, max_skew: float | None = None
    ) -> tuple[tuple[Sample, ...], tuple[str, ...]]:
        """Return the samples as `query` does, and the server's advice on the query, which is not logged."""
        response = await self._query("query", {"query": promql, "time": _format_seconds(at)}, _INSTANT_RESPONSE)
        require_fresh(at, max_skew, parse_response_date(response.headers))
        result, remarks = _unwrap_result(response.value)
        if result and isinstance(result[0], float):
            return (Sample(labels={}, value=result[1], at=result[0]),), remarks
        return (
            tuple(Sample(labels=sample.metric, value=sample.value[1], at=sample.value[0]) for sample in result),
            remarks,
        )

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
        result, remarks = _unwrap_result(response.value)
        self._log_new(remarks)
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

    def _log_new(self, remarks: tuple[str, ...]) -> None:
        for remark in remarks:
            if remark not in self._logged_remarks and len(self._logged_remarks) < MAX_LOGGED_REMARKS:
                self._logged_remarks.add(remark)
                log.info("Prometheus advises on a query, its result is used: %s", remark)


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


def _unwrap_result(response: _ApiResponse[T]) -> tuple[T, tuple[str, ...]]:
    text = truncate(f"Prometheus: {response.errorType}: {response.error}")
    if response.status == "error":
        raise Rejected(text) if response.errorType in _FINAL_ERROR_TYPES else Unreachable(text)
    notes = _list_notes(response)
    for sign, note in notes:
        if sign.meaning is Meaning.PARTIAL:
            raise InvalidResponse(truncate(f"Prometheus: the result may be partial ({sign.reason}): {note}"))
    if response.data is None:
        raise InvalidResponse("Prometheus: status success without data")
    return response.data.result, tuple(dict.fromkeys(truncate(note) for _, note in notes))


def _list_notes(response: _ApiResponse[T]) -> list[tuple[Sign, str]]:
    """Return every note of a response with its row of SIGNS."""
    texts: list[tuple[str, str]] = [("isPartial", "isPartial is true")] if response.isPartial else []
    texts += [("warnings", text) for text in response.warnings or ()]
    texts += [("infos", text) for text in response.infos or ()]
    return [(_find_sign(field, text), text) for field, text in texts]


def _find_sign(field: str, text: str) -> Sign:
    return next(sign for sign in SIGNS if sign.field == field and re.match(sign.start, text, re.IGNORECASE))


def _format_seconds(value: float) -> str:
    if not math.isfinite(value):
        raise Rejected(f"invalid time {value}: use finite unix seconds")
    return f"{value:.3f}"

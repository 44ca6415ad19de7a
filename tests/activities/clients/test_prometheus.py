"""Queries and what Prometheus may answer."""

import json
import math
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from activities.clients.http import HttpClient
from activities.clients.prometheus import MAX_RESULT_BYTES, PrometheusClient
from activities.model.errors import ClockSkew, InvalidResponse, MapekError, Rejected, Unauthorized, Unreachable
from activities.model.timeseries import Sample, SampleSeries


def make_client(status: int, body: Any, requests: list[httpx.Request] | None = None) -> PrometheusClient:
    def handler(request: httpx.Request) -> httpx.Response:
        if requests is not None:
            requests.append(request)
        return httpx.Response(status, content=body if isinstance(body, bytes) else json.dumps(body).encode())

    return PrometheusClient(HttpClient(httpx.MockTransport(handler)), "http://prometheus:9090/", timeout=4.0)


def make_success(kind: str, result: Any, **fields: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": result}, **fields}


async def test_an_instant_query() -> None:
    """Each series is a sample with its labels; NaN and infinities are kept."""
    result = [
        {"metric": {"node_or_service": "gateway"}, "value": [1700000000.5, "0.31"]},
        {"metric": {"node_or_service": "audit-log"}, "value": [1700000000.5, "+Inf"]},
    ]
    got = await make_client(200, make_success("vector", result, infos=["a hint"])).query("up", 1700000000.5)
    assert got == (
        Sample(labels={"node_or_service": "gateway"}, value=0.31, at=1700000000.5),
        Sample(labels={"node_or_service": "audit-log"}, value=math.inf, at=1700000000.5),
    )


async def test_nan_is_kept() -> None:
    """NaN is an answer to be judged, not an error."""
    (sample,) = await make_client(200, make_success("vector", [{"metric": {}, "value": [1, "NaN"]}])).query("up", 1.0)
    assert math.isnan(sample.value)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (make_success("vector", []), ()),
        (make_success("scalar", [3, "7"]), (Sample(labels={}, value=7.0, at=3.0),)),
    ],
)
async def test_no_series_and_a_scalar(answer: dict[str, Any], expected: tuple[Sample, ...]) -> None:
    """No series is an empty answer; a scalar is one sample without labels."""
    assert await make_client(200, answer).query("x", 1.0) == expected


async def test_what_a_query_sends() -> None:
    """The query goes in the body, with an explicit time and an explicit time-out for the server."""
    seen: list[httpx.Request] = []
    await make_client(200, make_success("vector", []), seen).query('up{a="é&"}', 12.25)
    (request,) = seen
    assert (request.method, str(request.url)) == ("POST", "http://prometheus:9090/api/v1/query")
    sent = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
    assert sent == {"query": 'up{a="é&"}', "time": "12.250", "timeout": "4000ms"}


async def test_a_range_query() -> None:
    """Each series has its points in order, and the grid is asked for explicitly."""
    seen: list[httpx.Request] = []
    result = [{"metric": {"a": "b"}, "values": [[15, "1"], [30, "2"]]}]
    got = await make_client(200, make_success("matrix", result), seen).query_range("x", 15.0, 30.0, 15.0)
    assert got == (SampleSeries(labels={"a": "b"}, points=((15.0, 1.0), (30.0, 2.0))),)
    sent = parse_qs(seen[0].content.decode())
    assert (sent["start"], sent["end"], sent["step"]) == (["15.000"], ["30.000"], ["15.000"])


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, {"status": "error", "errorType": "bad_data", "error": "parse error"}, Rejected),
        (422, {"status": "error", "errorType": "execution", "error": "too many samples"}, Rejected),
        (503, {"status": "error", "errorType": "timeout", "error": "query timed out"}, Unreachable),
        (503, {"status": "error", "errorType": "unavailable", "error": "shutting down"}, Unreachable),
        (500, {"status": "error", "errorType": "internal", "error": "oops"}, Unreachable),
        (200, {"status": "error", "errorType": "bad_data", "error": "parse error"}, Rejected),
        (200, {"status": "error", "errorType": "timeout", "error": "query timed out"}, Unreachable),
        (401, b"who are you", Unauthorized),
        (200, make_success("vector", [], warnings=["remote read failed"]), InvalidResponse),
        (200, {"status": "success"}, InvalidResponse),
        (200, make_success("vector", [{"metric": {}, "value": [1, "many"]}]), InvalidResponse),
        (200, make_success("vector", [{"metric": {}, "histogram": [1, {}]}]), InvalidResponse),
        (200, make_success("string", [1, "text"]), InvalidResponse),
        (200, make_success("matrix", [{"metric": {}, "values": [[1, "2"]]}]), InvalidResponse),
        (200, b"<html>", InvalidResponse),
    ],
)
async def test_what_is_no_answer(status: int, body: Any, expected: type[MapekError]) -> None:
    """A failure, a partial answer and an answer of another shape are errors, never an empty answer."""
    with pytest.raises(expected):
        await make_client(status, body).query("x", 1.0)


@pytest.mark.parametrize("at", [math.nan, math.inf])
async def test_a_time_that_is_none(at: float) -> None:
    """NaN is not a time, and is not sent as one."""
    with pytest.raises(Rejected):
        await make_client(200, make_success("vector", [])).query("x", at)


def make_large_reply(series_count: int) -> bytes:
    one = b'{"metric":{"node_or_service":"validator-%06d","metric":"failure_rate"},"value":[1700000000.5,"0.31"]}'
    result = b",".join(one % i for i in range(series_count))
    return b'{"status":"success","data":{"resultType":"vector","result":[' + result + b"]}}"


async def test_a_hundred_thousand_series() -> None:
    """10^5 series are read."""
    assert len(await make_client(200, make_large_reply(100_000)).query("x", 1.0)) == 100_000


async def test_more_than_the_cap() -> None:
    """An answer beyond the cap is unreadable, not half an answer."""
    with pytest.raises(InvalidResponse, match="longer than"):
        await make_client(200, b" " * MAX_RESULT_BYTES + make_large_reply(1)).query("x", 1.0)


@pytest.mark.parametrize(("status", "ready"), [(200, True), (503, False), (404, False)])
async def test_ready(status: int, ready: bool) -> None:
    """Ready is 200 with any text; everything else raises."""
    client = make_client(status, b"Prometheus Server is Ready.\n")
    if ready:
        await client.check_ready()
    else:
        with pytest.raises(MapekError):
            await client.check_ready()


@pytest.mark.parametrize(
    ("at", "within", "date", "present"),
    [
        (1000.0, 30.0, "Thu, 01 Jan 1970 00:16:40 GMT", True),
        (970.0, 30.0, "Thu, 01 Jan 1970 00:16:40 GMT", True),
        (1031.0, 30.0, "Thu, 01 Jan 1970 00:16:40 GMT", True),
        (969.9, 30.0, "Thu, 01 Jan 1970 00:16:40 GMT", False),
        (1031.1, 30.0, "Thu, 01 Jan 1970 00:16:40 GMT", False),
        (4600.0, 30.0, "Thu, 01 Jan 1970 00:16:40 GMT", False),
        (5.0, None, "Thu, 01 Jan 1970 00:16:40 GMT", True),
        (5.0, 30.0, "yesterday", True),
        (5.0, 30.0, None, True),
    ],
)
async def test_a_query_about_the_present_checks_the_server_clock(
    at: float, within: float | None, date: str | None, present: bool
) -> None:
    """A query about the present is refused by a skewed clock; a query about the past is not."""
    body = json.dumps(make_success("vector", [])).encode()
    headers = {} if date is None else {"Date": date}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, content=body))
    asked = PrometheusClient(HttpClient(transport), "http://prometheus:9090").query("up", at, within)
    if present:
        assert await asked == ()
    else:
        with pytest.raises(ClockSkew, match="by Prometheus's own clock"):
            await asked

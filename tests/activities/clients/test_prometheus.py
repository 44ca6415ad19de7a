"""Queries and what Prometheus may answer."""

import json
import logging
import math
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from activities.clients.http import HttpClient
from activities.clients.prometheus import MAX_LOGGED_REMARKS, MAX_RESULT_BYTES, SIGNS, Meaning, PrometheusClient
from activities.model.blindspot import BlindSpot
from activities.model.errors import ClockSkew, InvalidResponse, MapekError, Rejected, Unauthorized, Unreachable
from activities.model.rule import MetricRule
from activities.model.timeseries import Sample, SampleSeries
from activities.monitor.builtin_rules import BUILTIN_RULES
from activities.readings.blind_spots import fetch_or_blind
from worker.cli.doctor import check_rule


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
    requests: list[httpx.Request] = []
    await make_client(200, make_success("vector", []), requests).query('up{a="é&"}', 12.25)
    (request,) = requests
    assert (request.method, str(request.url)) == ("POST", "http://prometheus:9090/api/v1/query")
    sent = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
    assert sent == {"query": 'up{a="é&"}', "time": "12.250", "timeout": "4000ms"}


async def test_a_range_query() -> None:
    """Each series has its points in order, and the grid is asked for explicitly."""
    requests: list[httpx.Request] = []
    result = [{"metric": {"a": "b"}, "values": [[15, "1"], [30, "2"]]}]
    got = await make_client(200, make_success("matrix", result), requests).query_range("x", 15.0, 30.0, 15.0)
    assert got == (SampleSeries(labels={"a": "b"}, points=((15.0, 1.0), (30.0, 2.0))),)
    sent = parse_qs(requests[0].content.decode())
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
    samples = PrometheusClient(HttpClient(transport), "http://prometheus:9090").query("up", at, within)
    if present:
        assert await samples == ()
    else:
        with pytest.raises(ClockSkew, match="by Prometheus's own clock"):
            await samples


FORCED_MONOTONICITY = (
    "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/"
    'prometheus/latest/querying/functions/#histogram_quantile) for metric name "" (1:1)'
)
NON_COUNTER = (
    'PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "remote_read"'
)
MIXED_TYPES = 'PromQL warning: encountered a mix of histograms and floats for metric name "partial data" (1:6)'
REMOTE_READ = "a remote storage could not be read"
OMITTED = "omitted warnings may hide a failed storage"
STORE_FAILURE = (
    'receive series from Addr: 10.96.192.138:10901 LabelSets: {replica="a"} MinTime: 0 MaxTime: 9223372036854775807: '
    "rpc error: code = Unavailable desc = connection error"
)

NOTES: list[tuple[str, dict[str, Any], str, tuple[str, ...]]] = [
    ("Prometheus 2.42", {}, "", ()),
    (
        "Prometheus 2.42",
        {"warnings": ["remote_read: remote server http://vm/api/v1/read returned HTTP status 503 Service Unavailable"]},
        REMOTE_READ,
        (),
    ),
    (
        "Prometheus 2.42",
        {
            "warnings": [
                'remote_read: error sending request: Post "http://vm/api/v1/read": dial tcp: connection refused'
            ]
        },
        REMOTE_READ,
        (),
    ),
    ("Prometheus 2.53", {"warnings": [FORCED_MONOTONICITY]}, "", (FORCED_MONOTONICITY,)),
    ("Prometheus 2.53", {"warnings": [NON_COUNTER, MIXED_TYPES]}, "", (NON_COUNTER, MIXED_TYPES)),
    (
        "Prometheus 2.53",
        {"warnings": [FORCED_MONOTONICITY, "remote_read: remote server http://vm returned HTTP status 500"]},
        REMOTE_READ,
        (),
    ),
    (
        "Prometheus 2.53",
        {"warnings": [*(f"PromQL info: {i}" for i in range(10)), "3 more annotations omitted"]},
        OMITTED,
        (),
    ),
    ("Prometheus 3", {"infos": [FORCED_MONOTONICITY]}, "", (FORCED_MONOTONICITY,)),
    ("Prometheus 3", {"infos": [NON_COUNTER, "3 more info annotations omitted"]}, "", (NON_COUNTER, "3 more info")),
    ("Prometheus 3", {"warnings": [MIXED_TYPES], "infos": [NON_COUNTER]}, "", (MIXED_TYPES, NON_COUNTER)),
    ("Prometheus 3", {"warnings": ["2 more warning annotations omitted"]}, OMITTED, ()),
    ("Prometheus 3", {"warnings": ["results truncated due to limit"]}, "the server limits results", ()),
    (
        "Prometheus 3",
        {"warnings": ["remote_read: context deadline exceeded"], "infos": [NON_COUNTER]},
        REMOTE_READ,
        (),
    ),
    ("Thanos", {"warnings": [STORE_FAILURE]}, "a store of Thanos failed", ()),
    ("Thanos", {"warnings": [NON_COUNTER, STORE_FAILURE]}, "a store of Thanos failed", ()),
    (
        "Thanos",
        {"warnings": ['fetch series for {replica="a"} Addr: s:10901: rpc error']},
        "a store of Thanos failed",
        (),
    ),
    (
        "Thanos",
        {"warnings": ["failed to receive any data in 5s from Addr: s:10901: rpc error: code = Canceled"]},
        "a store of Thanos did not respond",
        (),
    ),
    (
        "Thanos",
        {"warnings": ["No StoreAPIs matched for this query", "No StoreAPIs matched for this query"]},
        "Thanos found no store to query",
        (),
    ),
    ("Thanos", {"warnings": [NON_COUNTER]}, "", (NON_COUNTER,)),
    ("VictoriaMetrics", {"isPartial": False, "stats": {"seriesFetched": "1", "executionTimeMsec": 1}}, "", ()),
    (
        "VictoriaMetrics",
        {"isPartial": True, "stats": {"seriesFetched": "1"}},
        "a storage node of VictoriaMetrics did not respond",
        (),
    ),
    ("Mimir", {"infos": [NON_COUNTER], "warnings": None}, "", (NON_COUNTER,)),
    (
        "Mimir",
        {"warnings": ["warning querying __tenant_id__ team-a: store gateway unavailable"]},
        "a tenant of Mimir or Cortex is incomplete",
        (),
    ),
    ("Cortex", {"warnings": ["Query result may contain partial data."]}, "ingesters of Cortex failed", ()),
    (
        "Cortex",
        {"warnings": ["error querying tenant_id team-a: expanding series"]},
        "a tenant of Mimir or Cortex is incomplete",
        (),
    ),
    ("unknown", {"warnings": ["server group eu: context deadline exceeded"]}, "unknown warning", ()),
    ("unknown", {"warnings": ["the server says PromQL info: none"]}, "unknown warning", ()),
    ("unknown", {"warnings": [""]}, "unknown warning", ()),
]
"""Server, what its response has beside the data, why the result is refused (empty: used), how its remarks begin."""


@pytest.mark.parametrize(("server", "fields", "refusal", "remarks"), NOTES)
async def test_only_a_partial_result_is_doubtful(
    server: str, fields: dict[str, Any], refusal: str, remarks: tuple[str, ...]
) -> None:
    """A sign of missing data refuses the result and names the cause; a result with advice is used."""
    instant = make_client(200, make_success("vector", [{"metric": {}, "value": [1, "2"]}], **fields))
    ranged = make_client(200, make_success("matrix", [{"metric": {}, "values": [[1, "2"]]}], **fields))
    blind: list[BlindSpot] = []
    answer = await fetch_or_blind(instant.query_with_remarks("x", 1.0), "prometheus", "pre-filter", blind)
    if refusal:
        assert answer is None
        assert [spot.detail.split(": ")[1] for spot in blind] == [f"the result may be partial ({refusal})"]
        with pytest.raises(InvalidResponse, match="the result may be partial"):
            await instant.query("x", 1.0)
        with pytest.raises(InvalidResponse, match="the result may be partial"):
            await ranged.query_range("x", 1.0, 1.0, 1.0)
    else:
        assert answer is not None
        assert blind == []
        assert answer[0] == await instant.query("x", 1.0) == (Sample(labels={}, value=2.0, at=1.0),)
        assert len(answer[1]) == len(remarks)
        assert all(map(str.startswith, answer[1], remarks))
        assert await ranged.query_range("x", 1.0, 1.0, 1.0) == (SampleSeries(labels={}, points=((1.0, 2.0),)),)


def test_every_partial_sign_has_a_case() -> None:
    """Each row of the table that refuses a result refuses one of the responses above."""
    refused = {refusal for _, _, refusal, _ in NOTES if refusal}
    assert refused == {sign.reason for sign in SIGNS if sign.meaning is Meaning.PARTIAL}


@pytest.mark.parametrize(
    ("server", "status", "body", "expected"),
    [
        (
            "Mimir",
            422,
            {"status": "error", "errorType": "execution", "error": "the query exceeded the maximum number of chunks"},
            Rejected,
        ),
        (
            "Mimir",
            500,
            {"status": "error", "errorType": "internal", "error": "too many unhealthy instances"},
            Unreachable,
        ),
        ("Mimir", 503, {"status": "error", "errorType": "timeout", "error": "context deadline exceeded"}, Unreachable),
        ("Mimir", 429, {"status": "error", "errorType": "too_many_requests", "error": "outstanding"}, Unreachable),
        ("Thanos", 422, {"status": "error", "errorType": "execution", "error": STORE_FAILURE}, Rejected),
        ("VictoriaMetrics", 503, {"status": "error", "errorType": "503", "error": "cannot fetch"}, Unreachable),
    ],
)
async def test_a_server_that_refuses_partial_results(
    server: str, status: int, body: dict[str, Any], expected: type[MapekError]
) -> None:
    """A server that answers with an error instead of a partial result is a failure, with the server's own reason."""
    with pytest.raises(expected, match=str(body["error"])[:20]):
        await make_client(status, body).query("x", 1.0)


async def test_a_remark_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Each cycle brings the same advice, so the log has each text once, and not without end."""
    caplog.set_level(logging.INFO, "activities.clients.prometheus")
    client = make_client(200, make_success("vector", [], infos=[NON_COUNTER, NON_COUNTER]))
    for _ in range(3):
        await client.query("x", 1.0)
    assert [record.getMessage() for record in caplog.records] == [
        f"Prometheus advises on a query, its result is used: {NON_COUNTER}"
    ]
    many = make_client(
        200, make_success("vector", [], infos=[f"PromQL info: {i}" for i in range(MAX_LOGGED_REMARKS + 9)])
    )
    caplog.clear()
    await many.query("x", 1.0)
    assert len(caplog.records) == MAX_LOGGED_REMARKS


@pytest.mark.parametrize(
    "rule", [rule for rule in BUILTIN_RULES if "histogram_quantile" in rule.expr], ids=lambda rule: rule.metric
)
async def test_doctor_shows_advice_as_a_remark(rule: MetricRule) -> None:
    """`mapek doctor` names the rule and shows the advice; the state stays ok."""
    result = [{"metric": {"node_or_service": "gateway"}, "value": [1, "0.31"]}]
    client = make_client(200, make_success("vector", result, warnings=[FORCED_MONOTONICITY]))
    finding = await check_rule(client, rule, 60.0, 1.0)
    assert (finding.part, finding.state) == (f"rule {rule.metric}", "ok")
    assert finding.detail == f"1 components; remark: {FORCED_MONOTONICITY}"

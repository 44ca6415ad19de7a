"""Idempotency keys, generations and validation of changes over HTTP."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.deploy.simulator.simulator_process import make_change_headers, make_throttle_body

APPLY_PATH, SCALE_PATH, RESTART_PATH = "/api/v1/policies/apply", "/api/v1/committee/scale", "/api/v1/committee/restart"


async def fetch_ledger(api: httpx.AsyncClient) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = (await api.get("/sim/ledger")).json()
    return entries


async def test_same_key_and_body_has_one_effect(api_client: httpx.AsyncClient) -> None:
    """A repeated change gets the stored reply with a mark, despite the new generation; the ledger has one entry."""
    first = await api_client.post(SCALE_PATH, json={"replicas": 6}, headers=make_change_headers("k", 1))
    second = await api_client.post(SCALE_PATH, json={"replicas": 6}, headers=make_change_headers("k", 1))
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert (second.status_code, second.json(), second.headers["etag"]) == (200, first.json(), '"2"')
    (entry,) = await fetch_ledger(api_client)
    assert (entry["effect"], entry["kind"], entry["knob"], entry["key"]) == ("applied", "SCALE_UP", "committee", "k")
    assert (entry["generation_before"], entry["generation_after"], entry["policy_id"]) == (1, 2, None)


async def test_committee_before_each_effect_is_recorded(api_client: httpx.AsyncClient) -> None:
    """Each effect has its body and the committee before it; repeated and refused changes have no row."""
    for key, replicas, generation in (("a", 6, 1), ("a", 6, 1), ("b", 7, 2), ("c", 8, 2)):
        await api_client.post(SCALE_PATH, json={"replicas": replicas}, headers=make_change_headers(key, generation))
    rows = (await api_client.get("/sim/committee")).json()
    assert [(row["key"], row["body"]["replicas"], row["before"]["replicas"]) for row in rows] == [
        ("a", 6, 5),
        ("b", 7, 6),
    ]


async def test_retry_can_have_a_later_timestamp(api_client: httpx.AsyncClient) -> None:
    """The timestamp in the envelope is not part of a request's identity."""
    await api_client.post(APPLY_PATH, json=make_throttle_body(), headers=make_change_headers("k", 0))
    later = {**make_throttle_body(), "timestamp": "2026-01-21T10:16:00Z"}
    response = await api_client.post(APPLY_PATH, json=later, headers=make_change_headers("k", 0))
    assert response.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    ("path", "body"), [(SCALE_PATH, {"replicas": 7}), (RESTART_PATH, {"replicas": 6}), (RESTART_PATH, {})]
)
async def test_key_of_another_request_is_refused(
    api_client: httpx.AsyncClient, path: str, body: dict[str, Any]
) -> None:
    """A key of another body or route is 422, even with a stale generation, and has no effect."""
    await api_client.post(SCALE_PATH, json={"replicas": 6}, headers=make_change_headers("k", 1))
    assert (await api_client.post(path, json=body, headers=make_change_headers("k", 9))).status_code == 422
    assert len(await fetch_ledger(api_client)) == 1


async def test_key_in_flight_is_a_conflict_to_retry(api_client: httpx.AsyncClient) -> None:
    """While the first request with a key hangs, a second one is 409 with Retry-After; the first is executed."""
    await api_client.post("/sim/behaviour", json={"mode": "hang-then-execute", "count": 1, "delay": 0.4})
    first = asyncio.create_task(api_client.post(SCALE_PATH, json={"replicas": 6}, headers=make_change_headers("k", 1)))
    await asyncio.sleep(0.1)
    second = await api_client.post(SCALE_PATH, json={"replicas": 6}, headers=make_change_headers("k", 1))
    assert second.status_code == 409
    assert int(second.headers["retry-after"]) >= 1
    assert (await first).status_code == 200
    assert len(await fetch_ledger(api_client)) == 1


async def test_stale_generation_returns_the_current_one_and_releases_the_key(api_client: httpx.AsyncClient) -> None:
    """412 has generation and ETag and no effect; the same key works with the current generation."""
    stale = await api_client.post(SCALE_PATH, json={"replicas": 6}, headers=make_change_headers("k", 4))
    assert (stale.status_code, stale.json()["generation"], stale.headers["etag"]) == (412, 1, '"1"')
    assert await fetch_ledger(api_client) == []
    fresh = await api_client.post(SCALE_PATH, json={"replicas": 6}, headers=make_change_headers("k", 1))
    assert fresh.status_code == 200
    assert "idempotency-replayed" not in fresh.headers


@pytest.mark.parametrize("missing", ["Idempotency-Key", "If-Match"])
async def test_missing_header_is_malformed(api_client: httpx.AsyncClient, missing: str) -> None:
    """A change without key or generation is 400 with the header's name."""
    headers = make_change_headers("k", 1)
    del headers[missing]
    response = await api_client.post(SCALE_PATH, json={"replicas": 6}, headers=headers)
    assert response.status_code == 400
    assert missing in response.json()["detail"]


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_invalid_key_is_malformed(api_client: httpx.AsyncClient, key: str) -> None:
    """An empty key or one above 255 characters is 400; 255 are accepted."""
    response = await api_client.post(SCALE_PATH, json={"replicas": 6}, headers=make_change_headers(key, 1))
    assert response.status_code == 400
    assert (
        await api_client.post(SCALE_PATH, json={"replicas": 6}, headers=make_change_headers("x" * 255, 1))
    ).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "generation"),
    [
        (SCALE_PATH, {"replicas": 99}, 1),
        (RESTART_PATH, {"member": "unknown"}, 1),
        ("/api/v1/policies/policy_9/rollback", {}, 1),
    ],
)
async def test_final_refusal_is_stored(
    api_client: httpx.AsyncClient, path: str, body: dict[str, Any], generation: int
) -> None:
    """A final refusal is replayed like a success."""
    replies = [await api_client.post(path, json=body, headers=make_change_headers("k", generation)) for _ in range(2)]
    assert replies[0].status_code in (404, 422)
    assert replies[1].json() == replies[0].json()
    assert replies[1].headers["idempotency-replayed"] == "true"
    assert replies[1].headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("mode", ["rate-limit", "unavailable", "error-500"])
async def test_overload_is_not_stored(api_client: httpx.AsyncClient, mode: str) -> None:
    """After 429, 503 and 500 a retry with the same key is executed."""
    await api_client.post("/sim/behaviour", json={"mode": mode, "count": 1})
    assert (
        await api_client.post(SCALE_PATH, json={"replicas": 6}, headers=make_change_headers("k", 1))
    ).status_code >= 429
    assert await fetch_ledger(api_client) == []
    response = await api_client.post(SCALE_PATH, json={"replicas": 6}, headers=make_change_headers("k", 1))
    assert response.status_code == 200
    assert "idempotency-replayed" not in response.headers


async def test_token_is_checked_first(api_client: httpx.AsyncClient) -> None:
    """A replay needs the token too; a wrong token is 401 for any body."""
    await api_client.post(SCALE_PATH, json={"replicas": 6}, headers=make_change_headers("k", 1))
    headers = {**make_change_headers("k", 1), "Authorization": "Bearer other"}
    for content in (b'{"replicas": 6}', b"{"):
        assert (await api_client.post(SCALE_PATH, content=content, headers=headers)).status_code == 401


async def test_second_rollback_reports_no_change(api_client: httpx.AsyncClient) -> None:
    """The second rollback is 200 with `changed: false`, the same generation and no ledger entry."""
    await api_client.post(APPLY_PATH, json=make_throttle_body(), headers=make_change_headers("a", 0))
    path = "/api/v1/policies/policy_2/rollback"
    assert (await api_client.post(path, headers=make_change_headers("b", 1))).json()["changed"] is True
    second = await api_client.post(path, json={}, headers=make_change_headers("c", 2))
    assert (second.status_code, second.json()["changed"], second.json()["generation"]) == (200, False, 2)
    assert [entry["effect"] for entry in await fetch_ledger(api_client)] == ["applied", "rolled_back"]


async def test_change_can_be_read_back(api_client: httpx.AsyncClient) -> None:
    """After a change the knob has its key and plan, for policies and for the committee."""
    await api_client.post(APPLY_PATH, json=make_throttle_body(), headers=make_change_headers("a-0-do", 0))
    (policy,) = (await api_client.get("/api/v1/policies", params={"name": "throttle-requests.gateway"})).json()
    assert (policy["last_change"]["key"], policy["last_change"]["plan"]) == ("a-0-do", "3fa9c1d2e4b5")
    await api_client.post(RESTART_PATH, json={"member": "gateway"}, headers=make_change_headers("b-0-do", 1))
    state = (await api_client.get("/api/v1/committee/state")).json()
    assert state["last_change"]["key"] == state["last_restart"]["key"] == "b-0-do"
    assert (state["last_restart"]["member"], state["generation"]) == ("gateway", 2)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"kind": "SLEEP"}, "/policy/kind"),
        ({"kind": "SCALE_UP", "name": "committee", "component": None, "parameters": {"replicas": 6}}, "/policy/kind"),
        ({"component": "validator-99"}, "/policy/component"),
        ({"parameters": {"rate_limit": "300"}}, "/policy/parameters/rate_limit"),
        ({"parameters": {"rate/limit": 1}}, "/policy/parameters/rate~1limit"),
        ({"name": "Bad Name"}, "/policy/name"),
        ({"name": 3}, "/policy/name"),
        ({"extra": 1}, "/policy/extra"),
    ],
)
async def test_invalid_policy_is_refused_with_a_pointer(
    api_client: httpx.AsyncClient, change: dict[str, Any], pointer: str
) -> None:
    """An invalid policy is 422 with a pointer and is not applied."""
    body = make_throttle_body()
    body["policy"] |= change
    generation = 1 if change.get("name") == "committee" else 0
    response = await api_client.post(APPLY_PATH, json=body, headers=make_change_headers("k", generation))
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert await fetch_ledger(api_client) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"replicas": NaN}',
        b"[" * 100_000,
        b'{"policy": {}}',
        b'{"policy": {}, "timestamp": "2026-01-21T10:15:00", "source": "mape_k_executor"}',
        b'{"policy": {}, "timestamp": "2026-01-21T10:15:00Z", "source": "me"}',
        b'{"policy": 1, "timestamp": "2026-01-21T10:15:00Z", "source": "mape_k_executor"}',
        b'{"x": "' + b"a" * 70_000 + b'"}',
    ],
    ids=range(10),
)
async def test_malformed_body_is_refused(api_client: httpx.AsyncClient, body: bytes) -> None:
    """A body that is not a JSON object, too large, too deep or not an envelope is 400."""
    response = await api_client.post(APPLY_PATH, content=body, headers=make_change_headers("k", 0))
    assert response.status_code == 400


async def test_violations_are_filtered_by_closing_time(api_client: httpx.AsyncClient) -> None:
    """Open violations are always listed, closed ones only if they closed at or after `since`."""
    await api_client.post("/sim/faults", json={"kind": "dead-node", "component": "gateway"})
    await asyncio.sleep(0.6)
    far_future = {"since": "2200-01-01T00:00:00Z"}
    (opened,) = (await api_client.get("/api/v1/violations", params=far_future)).json()
    assert (opened["component"], opened["metric"], opened["closed_at"]) == ("gateway", "member_health", None)
    await api_client.delete("/sim/faults")
    await asyncio.sleep(0.6)
    assert (await api_client.get("/api/v1/violations", params=far_future)).json() == []
    assert (await api_client.get("/api/v1/violations", params={"since": "7258118400"})).json() == []
    for since in (opened["opened_at"], "0", "2026-01-01T00:00:00+01:00"):
        (closed,) = (await api_client.get("/api/v1/violations", params={"since": since})).json()
        assert closed["id"] == opened["id"]
        assert closed["closed_at"] > closed["opened_at"]

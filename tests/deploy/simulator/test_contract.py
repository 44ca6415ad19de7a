"""The OpenAPI document is valid, and every live reply is what it promises."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from tests.deploy.simulator.openapi_contract import CONTRACT, OPERATIONS, check, resolved
from tests.deploy.simulator.simulator_process import TOKEN, change_headers, throttle_body

APPLY, ROLLBACK = "/api/v1/policies/apply", "/api/v1/policies/{id}/rollback"
SCALE, RESTART = "/api/v1/committee/scale", "/api/v1/committee/restart"


def test_document_is_valid_openapi() -> None:
    """The document validates as OpenAPI 3.1."""
    assert CONTRACT["openapi"].startswith("3.1")
    validate(CONTRACT)


def test_document_has_the_nine_endpoints_and_metrics() -> None:
    """The contract has nine endpoints and the metrics, all described, all but two behind the token."""
    assert {
        ("get", "/health"),
        ("get", "/metrics"),
        ("get", "/api/v1/policies"),
        ("post", APPLY),
        ("post", "/api/v1/policies/validate"),
        ("post", ROLLBACK),
        ("get", "/api/v1/committee/state"),
        ("post", SCALE),
        ("post", RESTART),
        ("get", "/api/v1/violations"),
    } == OPERATIONS
    open_to_all = {path for method, path in OPERATIONS if CONTRACT["paths"][path][method].get("security") == []}
    assert open_to_all == {"/health", "/metrics"}


def test_examples_in_the_document_validate() -> None:
    """Every example body of the contract fits its own schema."""
    count = 0
    for method, path in OPERATIONS:
        operation = CONTRACT["paths"][path][method]
        places = [operation.get("requestBody", {}), *map(resolved, operation["responses"].values())]
        for content in (content for place in places for content in place.get("content", {}).values()):
            if "example" in content:
                schema = {"components": CONTRACT["components"], **content["schema"]}
                Draft202012Validator(schema).validate(content["example"])
                count += 1
    assert count >= 10


async def test_reads_reply_as_promised(api: httpx.AsyncClient) -> None:
    """All reading endpoints answer within the contract, with a fault, a change and a restart to show."""
    await api.post("/sim/faults", json={"kind": "dead-node", "component": "validator-2"})
    await api.post(RESTART, json={"member": "validator-1"}, headers=change_headers("r", 1))
    await api.post(APPLY, json=throttle_body(), headers=change_headers("a", 0))
    await api.post("/api/v1/policies/policy_2/rollback", headers=change_headers("b", 1))
    for path in ("/health", "/metrics", "/api/v1/committee/state", "/api/v1/violations", "/api/v1/policies"):
        check(await api.get(path), "get", path)
    listed = check(await api.get("/api/v1/policies", params={"status": "all"}), "get", "/api/v1/policies")
    assert [(one["id"], one["status"]) for one in listed] == [("policy_1", "active"), ("policy_2", "rolled_back")]
    assert listed[1]["generation"] == 2
    assert listed[1]["last_change"]["key"] == "b"


async def test_changes_reply_as_promised(api: httpx.AsyncClient) -> None:
    """Every change answers within the contract, first time and replayed, and says what was before."""
    headers = change_headers("one", 0)
    first = check(await api.post(APPLY, json=throttle_body(), headers=headers), "post", APPLY)
    assert check(await api.post(APPLY, json=throttle_body(), headers=headers), "post", APPLY) == first
    again = await api.post(APPLY, json=throttle_body(200), headers=change_headers("two", 1))
    assert check(again, "post", APPLY)["previous"] == throttle_body()["policy"]
    undo = await api.post("/api/v1/policies/policy_3/rollback", headers=change_headers("three", 2))
    assert check(undo, "post", ROLLBACK)["previous"] == throttle_body(200)["policy"]
    scaled = await api.post(SCALE, json={"replicas": 6}, headers=change_headers("four", 1))
    assert check(scaled, "post", SCALE)["previous"] == {"replicas": 5}
    for key, generation, member in (("five", 2, None), ("six", 3, "validator-3")):
        response = await api.post(RESTART, json={"member": None}, headers=change_headers(key, generation))
        assert (check(response, "post", RESTART)["previous"] is None) == (key == "five"), member
    valid = await api.post("/api/v1/policies/validate", json=throttle_body()["policy"])
    check(valid, "post", "/api/v1/policies/validate")


Cause = Callable[[httpx.AsyncClient, str, str], Awaitable[httpx.Response]]


def body_for(path: str) -> dict[str, Any]:
    bodies: dict[str, dict[str, Any]] = {
        APPLY: throttle_body(),
        SCALE: {"replicas": 6},
        "/api/v1/policies/validate": throttle_body()["policy"],
    }
    return bodies.get(path, {})


def bad_body_for(path: str) -> dict[str, Any]:
    wrong: dict[str, dict[str, Any]] = {
        APPLY: {**throttle_body(), "policy": {**throttle_body()["policy"], "kind": "NAP"}},
        "/api/v1/policies/validate": {"name": "x"},
        ROLLBACK: {"force": True},
        SCALE: {"replicas": 16},
        RESTART: {"timeout": -1},
    }
    return wrong[path]


async def ask(
    client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str] | None = None, **more: Any
) -> httpx.Response:
    """Send a request that would succeed but for what the caller changes about it."""
    usual = change_headers("usual", 1 if path != APPLY else 0)
    if method == "post" and not more:
        more = {"json": body_for(path)}
    return await client.request(method, path.replace("{id}", "policy_1"), headers={**usual, **(headers or {})}, **more)


async def cause_400(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    if method == "get":
        query = {"/api/v1/policies": {"status": "odd"}, "/api/v1/violations": {"since": "soon"}}
        return await ask(client, method, path, params=query[path])
    return await ask(client, method, path, content=b"{")


async def cause_401(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    return await ask(client, method, path, {"Authorization": f"Bearer {TOKEN}x"})


async def cause_404(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    if path == RESTART:
        return await ask(client, method, path, json={"member": "validator-99"})
    return await ask(client, method, path.replace("{id}", "policy_99"))


async def cause_412(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    return await ask(client, method, path, {"If-Match": '"7"'})


async def cause_422(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    return await ask(client, method, path, json=bad_body_for(path))


def cause_mode(mode: str) -> Cause:
    async def cause(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
        await client.post("/sim/behaviour", json={"mode": mode, "count": 1})
        return await ask(client, method, path)

    return cause


CAUSES: dict[int, Cause] = {
    400: cause_400,
    401: cause_401,
    404: cause_404,
    412: cause_412,
    422: cause_422,
    429: cause_mode("rate-limit"),
    500: cause_mode("error-500"),
    503: cause_mode("unavailable"),
}
PROMISED = sorted(
    (method, path, int(status))
    for method, path in OPERATIONS
    for status in CONTRACT["paths"][path][method]["responses"]
    if int(status) >= 400 and int(status) != 409
)


@pytest.mark.parametrize(("method", "path", "status"), PROMISED)
async def test_errors_reply_as_promised(api: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    """Every error an endpoint promises can be had from it, as a problem within the contract; 409 in test_changes."""
    response = await CAUSES[status](api, method, path)
    assert response.status_code == status
    body = check(response, method, path)
    assert body["status"] == status


async def test_rollback_of_a_superseded_application_is_a_conflict(api: httpx.AsyncClient) -> None:
    """Taking back what is not the newest on its knob is 409, within the contract."""
    for key, generation, limit in (("a", 0, 300), ("b", 1, 200)):
        await api.post(APPLY, json=throttle_body(limit), headers=change_headers(key, generation))
    response = await api.post("/api/v1/policies/policy_2/rollback", headers=change_headers("c", 2))
    assert response.status_code == 409
    check(response, "post", ROLLBACK)
    assert "retry-after" not in response.headers


@pytest.mark.parametrize(("method", "path", "status"), [("get", "/api/v1/none", 404), ("get", SCALE, 405)])
async def test_unknown_route_is_a_problem(api: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    """An unknown path and a wrong method are problems too."""
    response = await api.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"

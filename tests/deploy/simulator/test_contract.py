"""The OpenAPI document is valid, and every live response conforms to it."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from tests.deploy.simulator.openapi_contract import OPENAPI_DOCUMENT, OPERATIONS, check_response, resolve_reference
from tests.deploy.simulator.simulator_process import TOKEN, make_change_headers, make_throttle_body

APPLY_PATH, ROLLBACK_PATH = "/api/v1/policies/apply", "/api/v1/policies/{id}/rollback"
SCALE_PATH, RESTART_PATH = "/api/v1/committee/scale", "/api/v1/committee/restart"


def test_document_is_valid_openapi() -> None:
    """The document validates as OpenAPI 3.1."""
    assert OPENAPI_DOCUMENT["openapi"].startswith("3.1")
    validate(OPENAPI_DOCUMENT)


def test_document_has_the_nine_endpoints_and_metrics() -> None:
    """The contract has nine endpoints and the metrics; all but two need the token."""
    assert {
        ("get", "/health"),
        ("get", "/metrics"),
        ("get", "/api/v1/policies"),
        ("post", APPLY_PATH),
        ("post", "/api/v1/policies/validate"),
        ("post", ROLLBACK_PATH),
        ("get", "/api/v1/committee/state"),
        ("post", SCALE_PATH),
        ("post", RESTART_PATH),
        ("get", "/api/v1/violations"),
    } == OPERATIONS
    public = {path for method, path in OPERATIONS if OPENAPI_DOCUMENT["paths"][path][method].get("security") == []}
    assert public == {"/health", "/metrics"}


def test_examples_in_the_document_validate() -> None:
    """Every example of the contract conforms to its schema."""
    count = 0
    for method, path in OPERATIONS:
        operation = OPENAPI_DOCUMENT["paths"][path][method]
        bodies = [operation.get("requestBody", {}), *map(resolve_reference, operation["responses"].values())]
        for content in (content for body in bodies for content in body.get("content", {}).values()):
            if "example" in content:
                schema = {"components": OPENAPI_DOCUMENT["components"], **content["schema"]}
                Draft202012Validator(schema).validate(content["example"])
                count += 1
    assert count >= 10


async def test_reads_conform_to_the_contract(api_client: httpx.AsyncClient) -> None:
    """All reading endpoints conform after a fault, a change and a restart."""
    await api_client.post("/sim/faults", json={"kind": "dead-node", "component": "validator-2"})
    await api_client.post(RESTART_PATH, json={"member": "validator-1"}, headers=make_change_headers("r", 1))
    await api_client.post(APPLY_PATH, json=make_throttle_body(), headers=make_change_headers("a", 0))
    await api_client.post("/api/v1/policies/policy_2/rollback", headers=make_change_headers("b", 1))
    for path in ("/health", "/metrics", "/api/v1/committee/state", "/api/v1/violations", "/api/v1/policies"):
        check_response(await api_client.get(path), "get", path)
    policies = check_response(
        await api_client.get("/api/v1/policies", params={"status": "all"}), "get", "/api/v1/policies"
    )
    assert [(policy["id"], policy["status"]) for policy in policies] == [
        ("policy_1", "active"),
        ("policy_2", "rolled_back"),
    ]
    assert policies[1]["generation"] == 2
    assert policies[1]["last_change"]["key"] == "b"


async def test_changes_conform_to_the_contract(api_client: httpx.AsyncClient) -> None:
    """Every change conforms, first and replayed, and returns the previous state."""
    headers = make_change_headers("one", 0)
    first = check_response(
        await api_client.post(APPLY_PATH, json=make_throttle_body(), headers=headers), "post", APPLY_PATH
    )
    assert (
        check_response(
            await api_client.post(APPLY_PATH, json=make_throttle_body(), headers=headers), "post", APPLY_PATH
        )
        == first
    )
    again = await api_client.post(APPLY_PATH, json=make_throttle_body(200), headers=make_change_headers("two", 1))
    assert check_response(again, "post", APPLY_PATH)["previous"] == make_throttle_body()["policy"]
    undo = await api_client.post("/api/v1/policies/policy_3/rollback", headers=make_change_headers("three", 2))
    assert check_response(undo, "post", ROLLBACK_PATH)["previous"] == make_throttle_body(200)["policy"]
    scaled = await api_client.post(SCALE_PATH, json={"replicas": 6}, headers=make_change_headers("four", 1))
    assert check_response(scaled, "post", SCALE_PATH)["previous"] == {"replicas": 5}
    for key, generation, member in (("five", 2, None), ("six", 3, "validator-3")):
        response = await api_client.post(
            RESTART_PATH, json={"member": None}, headers=make_change_headers(key, generation)
        )
        assert (check_response(response, "post", RESTART_PATH)["previous"] is None) == (key == "five"), member
    valid = await api_client.post("/api/v1/policies/validate", json=make_throttle_body()["policy"])
    check_response(valid, "post", "/api/v1/policies/validate")


StatusTrigger = Callable[[httpx.AsyncClient, str, str], Awaitable[httpx.Response]]


def make_body(path: str) -> dict[str, Any]:
    bodies: dict[str, dict[str, Any]] = {
        APPLY_PATH: make_throttle_body(),
        SCALE_PATH: {"replicas": 6},
        "/api/v1/policies/validate": make_throttle_body()["policy"],
    }
    return bodies.get(path, {})


def make_invalid_body(path: str) -> dict[str, Any]:
    bodies: dict[str, dict[str, Any]] = {
        APPLY_PATH: {**make_throttle_body(), "policy": {**make_throttle_body()["policy"], "kind": "NAP"}},
        "/api/v1/policies/validate": {"name": "x"},
        ROLLBACK_PATH: {"force": True},
        SCALE_PATH: {"replicas": 16},
        RESTART_PATH: {"timeout": -1},
    }
    return bodies[path]


async def send_request(
    client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str] | None = None, **changes: Any
) -> httpx.Response:
    """Send a valid request with the caller's changes."""
    valid_headers = make_change_headers("usual", 1 if path != APPLY_PATH else 0)
    if method == "post" and not changes:
        changes = {"json": make_body(path)}
    return await client.request(
        method, path.replace("{id}", "policy_1"), headers={**valid_headers, **(headers or {})}, **changes
    )


async def trigger_400(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    if method == "get":
        query = {"/api/v1/policies": {"status": "odd"}, "/api/v1/violations": {"since": "soon"}}
        return await send_request(client, method, path, params=query[path])
    return await send_request(client, method, path, content=b"{")


async def trigger_401(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    return await send_request(client, method, path, {"Authorization": f"Bearer {TOKEN}x"})


async def trigger_404(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    if path == RESTART_PATH:
        return await send_request(client, method, path, json={"member": "validator-99"})
    return await send_request(client, method, path.replace("{id}", "policy_99"))


async def trigger_412(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    return await send_request(client, method, path, {"If-Match": '"7"'})


async def trigger_422(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    return await send_request(client, method, path, json=make_invalid_body(path))


def make_mode_trigger(mode: str) -> StatusTrigger:
    async def trigger(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
        await client.post("/sim/behaviour", json={"mode": mode, "count": 1})
        return await send_request(client, method, path)

    return trigger


TRIGGER_BY_STATUS: dict[int, StatusTrigger] = {
    400: trigger_400,
    401: trigger_401,
    404: trigger_404,
    412: trigger_412,
    422: trigger_422,
    429: make_mode_trigger("rate-limit"),
    500: make_mode_trigger("error-500"),
    503: make_mode_trigger("unavailable"),
}
DECLARED_RESPONSES = sorted(
    (method, path, int(status))
    for method, path in OPERATIONS
    for status in OPENAPI_DOCUMENT["paths"][path][method]["responses"]
    if int(status) >= 400 and int(status) != 409
)


@pytest.mark.parametrize(("method", "path", "status"), DECLARED_RESPONSES)
async def test_errors_conform_to_the_contract(
    api_client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    """Every declared error of an endpoint can be triggered and conforms; test_changes has 409."""
    response = await TRIGGER_BY_STATUS[status](api_client, method, path)
    assert response.status_code == status
    body = check_response(response, method, path)
    assert body["status"] == status


async def test_rollback_of_a_superseded_application_is_a_conflict(api_client: httpx.AsyncClient) -> None:
    """The rollback of a superseded application is 409 and conforms."""
    for key, generation, limit in (("a", 0, 300), ("b", 1, 200)):
        await api_client.post(APPLY_PATH, json=make_throttle_body(limit), headers=make_change_headers(key, generation))
    response = await api_client.post("/api/v1/policies/policy_2/rollback", headers=make_change_headers("c", 2))
    assert response.status_code == 409
    check_response(response, "post", ROLLBACK_PATH)
    assert "retry-after" not in response.headers


@pytest.mark.parametrize(("method", "path", "status"), [("get", "/api/v1/none", 404), ("get", SCALE_PATH, 405)])
async def test_unknown_route_is_a_problem(api_client: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    """An unknown path and a wrong method return a problem."""
    response = await api_client.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"

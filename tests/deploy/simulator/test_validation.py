"""Simulator and OpenAPI document agree on valid policies."""

from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.deploy.simulator.openapi_contract import OPENAPI_DOCUMENT

POLICY_CASES: list[tuple[str, dict[str, Any], bool]] = [
    ("SCALE_UP", {"replicas": 15}, True),
    ("SCALE_UP", {"replicas": 16}, False),
    ("SCALE_DOWN", {"replicas": 0}, False),
    ("SCALE_DOWN", {"replicas": "3"}, False),
    ("RESTART_SERVICE", {"graceful": True, "timeout": 30, "member": "validator-1"}, True),
    ("RESTART_SERVICE", {"graceful": 1}, False),
    ("APPLY_POLICY", {"ruleset": "strict-v1"}, True),
    ("APPLY_POLICY", {}, False),
    ("BYPASS_VALIDATION", {}, True),
    ("BYPASS_VALIDATION", {"duration": 5}, False),
    ("THROTTLE_REQUESTS", {"rate_limit": 50}, True),
    ("THROTTLE_REQUESTS", {"rate_limit": 49}, False),
    ("THROTTLE_REQUESTS", {"rate": 300}, False),
    ("ACTIVATE_EMERGENCY_OVERRIDE", {"duration": 300}, True),
    ("ACTIVATE_EMERGENCY_OVERRIDE", {"duration": 0}, False),
    ("REBALANCE_LOAD", {"strategy": "round_robin"}, True),
    ("REBALANCE_LOAD", {"strategy": "random"}, False),
    ("UPDATE_CONFIGURATION", {"batch_size": 64, "parallelism": 8, "timeout": 5}, True),
    ("UPDATE_CONFIGURATION", {}, False),
    ("UPDATE_CONFIGURATION", {"batch_size": 1.5}, False),
    ("NAP", {}, False),
]


@pytest.mark.parametrize(("kind", "parameters", "valid"), POLICY_CASES)
async def test_simulator_and_document_agree_on_policies(
    api_client: httpx.AsyncClient, kind: str, parameters: dict[str, Any], valid: bool
) -> None:
    """The simulator accepts exactly the policies that conform to PolicySpec; a refusal has a pointer."""
    name = "committee" if kind in ("SCALE_UP", "SCALE_DOWN", "RESTART_SERVICE") else "x"
    spec = {"name": name, "kind": kind, "component": None, "parameters": parameters}
    schema = {"components": OPENAPI_DOCUMENT["components"], "$ref": "#/components/schemas/PolicySpec"}
    assert Draft202012Validator(schema).is_valid(spec) is valid
    response = await api_client.post("/api/v1/policies/validate", json=spec)
    assert response.status_code == (200 if valid else 422)
    if not valid:
        pointers = [error["pointer"] for error in response.json()["errors"]]
        assert all(pointer.startswith(("/kind", "/parameters")) for pointer in pointers)

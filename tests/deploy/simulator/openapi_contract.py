"""The OpenAPI document, and checks of live responses against it."""

from pathlib import Path
from typing import Any

import httpx
import yaml
from jsonschema import Draft202012Validator

from tests.deploy.simulator.simulator_process import ROOT

OPENAPI_DOCUMENT: dict[str, Any] = yaml.safe_load(Path(ROOT, "deploy/charter/openapi.yaml").read_text(encoding="utf-8"))
OPERATIONS = {(method, path) for path, item in OPENAPI_DOCUMENT["paths"].items() for method in item}


def resolve_reference(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node and node["$ref"].startswith("#/"):
        target: Any = OPENAPI_DOCUMENT
        for part in node["$ref"][2:].split("/"):
            target = target[part]
        node = target
    return node


def check_response(response: httpx.Response, method: str, path: str) -> Any:
    """Check status, media type, headers and body of a response against the contract; return the body."""
    declared = resolve_reference(OPENAPI_DOCUMENT["paths"][path][method]["responses"][str(response.status_code)])
    (media_type, content), *others = declared["content"].items()
    assert not others
    assert response.headers["content-type"].partition(";")[0] == media_type
    for name, header in declared.get("headers", {}).items():
        header = resolve_reference(header)
        assert name in response.headers or not header.get("required")
        if name in response.headers:
            Draft202012Validator(header["schema"]).validate(response.headers[name])
    body = response.json() if "json" in media_type else response.text
    schema = {"components": OPENAPI_DOCUMENT["components"], **content["schema"]}
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(body)
    check_declared_fields(content["schema"], body)
    return body


def check_declared_fields(schema: dict[str, Any], body: Any) -> None:
    """Fail on an undeclared field of the body; the contract itself allows further fields."""
    schema = resolve_reference(schema)
    for item in body if isinstance(body, list) else []:
        check_declared_fields(schema["items"], item)
    for choice in schema.get("oneOf", []):
        if isinstance(body, dict) and resolve_reference(choice).get("type") == "object":
            check_declared_fields(choice, body)
    if isinstance(body, dict) and "properties" in schema:
        assert body.keys() <= schema["properties"].keys()
        for name, value in body.items():
            check_declared_fields(schema["properties"][name], value)

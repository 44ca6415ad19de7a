"""The reference page of the HTTP service, from its OpenAPI document."""

from pathlib import Path
from typing import Any

import yaml

import worker.http
from deploy.tools.reference.table import markdown_code, markdown_page, markdown_table

OPENAPI_FILE = Path(worker.http.__path__[0]) / "openapi.yaml"
AUTH_LABELS = {"bearer": "token", "basic": "token as password"}


def build_http_page() -> str:
    """Return the page of all routes."""
    document: dict[str, Any] = yaml.safe_load(OPENAPI_FILE.read_text(encoding="utf-8"))
    rows = [
        (
            markdown_code(f"{method.upper()} {path}"),
            operation["summary"],
            describe_auth(operation),
            describe_responses(operation, document),
        )
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    introduction = f"{document['info']['description']} The full document is `worker/http/openapi.yaml`."
    return markdown_page(
        "HTTP", introduction, markdown_table(("Route", "Purpose", "Authentication", "Responses"), rows)
    )


def describe_auth(operation: dict[str, Any]) -> str:
    """Return the authentication that a route requires."""
    schemes = [name for requirement in operation.get("security", []) for name in requirement]
    credentials = " or ".join(AUTH_LABELS[name] for name in schemes)
    return f"{credentials}; on loopback none" if {} in operation.get("security", []) else credentials or "none"


def describe_responses(operation: dict[str, Any], document: dict[str, Any]) -> str:
    """Return the statuses with their descriptions."""
    return "; ".join(
        f"{status}: {describe_response(response, document)}" for status, response in operation["responses"].items()
    )


def describe_response(response: dict[str, Any], document: dict[str, Any]) -> str:
    """Return the description of a response; that of a reference overrides that of its target."""
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]] | response
    return str(response["description"]).strip().rstrip(".")

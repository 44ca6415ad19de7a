"""What the service answers, from its OpenAPI document."""

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
            said["summary"],
            describe_auth(said),
            describe_responses(said, document),
        )
        for path, methods in document["paths"].items()
        for method, said in methods.items()
    ]
    about = f"{document['info']['description']} The whole document is `worker/http/openapi.yaml`."
    return markdown_page("HTTP", about, markdown_table(("Route", "What for", "Shown", "Answers"), rows))


def describe_auth(operation: dict[str, Any]) -> str:
    """Return what a caller has to show."""
    ways = [name for way in operation.get("security", []) for name in way]
    shown = " or ".join(AUTH_LABELS[name] for name in ways)
    return f"{shown}; on loopback nothing" if {} in operation.get("security", []) else shown or "nothing"


def describe_responses(operation: dict[str, Any], document: dict[str, Any]) -> str:
    """Return the statuses with what each means."""
    return "; ".join(
        f"{status}: {describe_response(answer, document)}" for status, answer in operation["responses"].items()
    )


def describe_response(response: dict[str, Any], document: dict[str, Any]) -> str:
    """Return a response's description, wherever it stands."""
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return str(response["description"]).strip().rstrip(".")

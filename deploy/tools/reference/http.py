"""What the service answers, from its OpenAPI document."""

from pathlib import Path
from typing import Any

import yaml

import worker.http
from deploy.tools.reference.table import code, page, table

OPENAPI = Path(worker.http.__path__[0]) / "openapi.yaml"
ROLES = {"bearer": "token", "basic": "token as password"}


def http_page() -> str:
    """Return the page of all routes."""
    document: dict[str, Any] = yaml.safe_load(OPENAPI.read_text(encoding="utf-8"))
    rows = [
        (code(f"{method.upper()} {path}"), said["summary"], needed(said), answers(said, document))
        for path, methods in document["paths"].items()
        for method, said in methods.items()
    ]
    about = f"{document['info']['description']} The whole document is `worker/http/openapi.yaml`."
    return page("HTTP", about, table(("Route", "What for", "Shown", "Answers"), rows))


def needed(said: dict[str, Any]) -> str:
    """Return what a caller has to show."""
    ways = [name for way in said.get("security", []) for name in way]
    shown = " or ".join(ROLES[name] for name in ways)
    return f"{shown}; on loopback nothing" if {} in said.get("security", []) else shown or "nothing"


def answers(said: dict[str, Any], document: dict[str, Any]) -> str:
    """Return the statuses with what each means."""
    return "; ".join(f"{status}: {meaning(answer, document)}" for status, answer in said["responses"].items())


def meaning(answer: dict[str, Any], document: dict[str, Any]) -> str:
    """Return a response's description, wherever it stands."""
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return str(answer["description"]).strip().rstrip(".")

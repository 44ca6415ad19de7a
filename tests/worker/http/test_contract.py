"""The whole service against its OpenAPI document, by generated requests."""

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from deploy.devstack.render import REPOSITORY_ROOT
from tests.support.webhook_service import AUTHORIZATION_HEADER, WebhookService
from worker.http.service import serve

EXAMPLE_COUNT = int(os.environ.get("MAPEK_EXAMPLES", "20"))
"""Generated requests for each path."""
OPENAPI_SCHEMA = schemathesis.openapi.from_path(REPOSITORY_ROOT / "worker/http/openapi.yaml")
RESPONSE_CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def service_url() -> Iterator[str]:
    """The service in a thread of its own: the generated requests are sent synchronously."""
    ready, done = threading.Event(), threading.Event()
    found: list[int] = []

    async def run() -> None:
        async with serve(WebhookService().app, "127.0.0.1", 0) as port:
            found.append(port)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(10)
    yield f"http://127.0.0.1:{found[0]}"
    done.set()
    thread.join(10)


@OPENAPI_SCHEMA.parametrize()
@settings(max_examples=EXAMPLE_COUNT, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_the_document_says(case: schemathesis.Case, service_url: str) -> None:
    """Valid or not, every request with a token is answered as documented, and by no 5xx but 503."""
    case.call_and_validate(base_url=service_url, headers=AUTHORIZATION_HEADER, checks=RESPONSE_CHECKS)


@OPENAPI_SCHEMA.include(path="/webhooks/alerts").parametrize()
@settings(max_examples=EXAMPLE_COUNT, deadline=None, suppress_health_check=list(HealthCheck))
def test_strangers(case: schemathesis.Case, service_url: str) -> None:
    """Whatever is in it, without a token it is refused; so is any other method."""
    reply = case.call(base_url=service_url, headers={"Authorization": "Bearer wrong"})
    assert reply.status_code == (401 if reply.request.method == "POST" else 405)

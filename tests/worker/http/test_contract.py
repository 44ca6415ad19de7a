"""The service against its OpenAPI document, with generated requests."""

import asyncio
import os
import threading
from collections.abc import Iterator
from typing import Any

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
"""Number of generated requests for each path."""
OPENAPI_SCHEMA = schemathesis.openapi.from_path(REPOSITORY_ROOT / "worker/http/openapi.yaml")
RESPONSE_CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def service_url() -> Iterator[str]:
    """The URL of a service in a separate thread, because the requests are synchronous."""
    ready, done = threading.Event(), threading.Event()
    ports: list[int] = []

    async def run() -> None:
        async with serve(WebhookService().app, "127.0.0.1", 0) as port:
            ports.append(port)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(10)
    yield f"http://127.0.0.1:{ports[0]}"
    done.set()
    thread.join(10)


@OPENAPI_SCHEMA.parametrize()
@settings(max_examples=EXAMPLE_COUNT, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_response_is_documented(case: schemathesis.Case[Any], service_url: str) -> None:
    """Any request with a token gets a documented response, and no 5xx except 503."""
    case.call_and_validate(base_url=service_url, headers=AUTHORIZATION_HEADER, checks=RESPONSE_CHECKS)


@OPENAPI_SCHEMA.include(path="/webhooks/alerts").parametrize()
@settings(max_examples=EXAMPLE_COUNT, deadline=None, suppress_health_check=list(HealthCheck))
def test_requests_with_a_wrong_token_are_refused(case: schemathesis.Case[Any], service_url: str) -> None:
    """A POST gets 401, any other method 405."""
    response = case.call(base_url=service_url, headers={"Authorization": "Bearer wrong"})
    assert response.status_code == (401 if response.request.method == "POST" else 405)

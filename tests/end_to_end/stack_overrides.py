"""What is changed around the loop for the length of a block: its worker's config, its token, its Prometheus."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml

from activities.execute.calls import build_apply_request
from activities.model.plan import Plan
from deploy.devstack.state import write_private
from tests.support.stack import StackHarness
from worker.config.document import deep_merge

RESPONSE_HEAD = b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def worker_settings(harness: StackHarness, settings: Mapping[str, Any]) -> AsyncIterator[None]:
    """Run the worker with these settings over its own."""
    file = harness.stack.state.config_file
    usual = file.read_text()
    try:
        await harness.stack.kill("worker")
        write_private(file, yaml.safe_dump(deep_merge(yaml.safe_load(usual), settings)))
        await harness.stack.start_service("worker")
        yield
    finally:
        await harness.stack.kill("worker")
        write_private(file, usual)
        await harness.stack.start_service("worker")


@asynccontextmanager
async def invalid_charter_token(harness: StackHarness) -> AsyncIterator[None]:
    """Let the loop come to Charter with a token that Charter does not know."""
    file = harness.stack.state.path / "charter.token"
    usual = file.read_text()
    try:
        write_private(file, "not-the-token\n")
        yield
    finally:
        write_private(file, usual)


@asynccontextmanager
async def stopped_service(harness: StackHarness, service: str) -> AsyncIterator[None]:
    """Kill a part, and start it again at the end."""
    await harness.stack.kill(service)
    try:
        yield
    finally:
        await harness.stack.start_service(service)


@asynccontextmanager
async def fixed_prometheus_reply(
    harness: StackHarness, status: int, body: bytes, length: int | None = None
) -> AsyncIterator[None]:
    """Put a server in Prometheus' place that gives everybody the same answer; `length` may lie about it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[1:-2]
            headers = httpx.Headers([(name, value) for name, _, value in (line.partition(b":") for line in lines)])
            # A socket closed with something unread in it is reset, and the reply may never be seen.
            await reader.readexactly(int(headers.get("content-length", "0")))
            writer.write(RESPONSE_HEAD % (status, b"OK", len(body) if length is None else length) + body)
            await writer.drain()
        writer.close()

    at = urlsplit(harness.stack.addresses.prometheus)
    server = await asyncio.start_server(serve, at.hostname, at.port)
    async with server:
        yield


async def apply_foreign_change(harness: StackHarness, plan: Plan) -> None:
    """Let somebody else apply the policy that the plan would apply, and so move its knob."""
    token = (harness.stack.state.path / "charter.token").read_text().strip()
    call = build_apply_request(plan, 0, plan.generation, timeout=5.0)
    headers = {
        "Authorization": f"Bearer {token}",
        "Idempotency-Key": f"somebody-else-{plan.plan_id}",
        "If-Match": f'"{plan.generation}"',
    }
    async with httpx.AsyncClient(base_url=harness.stack.addresses.charter, trust_env=False) as charter:
        (await charter.post(f"/api/v1/{call.path}", json=call.body, headers=headers)).raise_for_status()

"""Temporary changes around the loop: the worker's configuration, Charter's token, servers."""

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
    """Run the worker with overridden settings for the duration of a block."""
    file = harness.stack.state.config_file
    original = file.read_text()
    try:
        await harness.stack.kill("worker")
        write_private(file, yaml.safe_dump(deep_merge(yaml.safe_load(original), settings)))
        await harness.stack.start_service("worker")
        yield
    finally:
        await harness.stack.kill("worker")
        write_private(file, original)
        await harness.stack.start_service("worker")


@asynccontextmanager
async def invalid_charter_token(harness: StackHarness) -> AsyncIterator[None]:
    """Give the loop an invalid token for Charter for the duration of a block."""
    file = harness.stack.state.path / "charter.token"
    original = file.read_text()
    try:
        write_private(file, "not-the-token\n")
        yield
    finally:
        write_private(file, original)


@asynccontextmanager
async def stopped_service(harness: StackHarness, service: str) -> AsyncIterator[None]:
    """Kill a service and restart it after the block."""
    await harness.stack.kill(service)
    try:
        yield
    finally:
        await harness.stack.start_service(service)


@asynccontextmanager
async def fixed_prometheus_reply(
    harness: StackHarness, status: int, body: bytes, length: int | None = None
) -> AsyncIterator[None]:
    """Replace Prometheus by a server with a fixed response; `length` overrides its Content-Length."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[1:-2]
            headers = httpx.Headers([(name, value) for name, _, value in (line.partition(b":") for line in lines)])
            # Closing a socket with unread data resets it, and the client can lose the response.
            await reader.readexactly(int(headers.get("content-length", "0")))
            writer.write(RESPONSE_HEAD % (status, b"OK", len(body) if length is None else length) + body)
            await writer.drain()
        writer.close()

    address = urlsplit(harness.stack.addresses.prometheus)
    server = await asyncio.start_server(serve, address.hostname, address.port)
    async with server:
        yield


async def apply_foreign_change(harness: StackHarness, plan: Plan) -> None:
    """Apply the plan's policy as another writer, which changes the generation of the knob."""
    token = (harness.stack.state.path / "charter.token").read_text().strip()
    call = build_apply_request(plan, 0, plan.generation, timeout=5.0)
    headers = {
        "Authorization": f"Bearer {token}",
        "Idempotency-Key": f"other-writer-{plan.plan_id}",
        "If-Match": f'"{plan.generation}"',
    }
    async with httpx.AsyncClient(base_url=harness.stack.addresses.charter, trust_env=False) as charter:
        (await charter.post(f"/api/v1/{call.path}", json=call.body, headers=headers)).raise_for_status()

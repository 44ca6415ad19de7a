"""Real sockets for the edges, and one shared client."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from activities.clients.http import HttpClient

ConnectionHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def http_client() -> AsyncIterator[HttpClient]:
    client = HttpClient()
    yield client
    await client.close()


@pytest.fixture
async def start_server() -> AsyncIterator[Callable[[ConnectionHandler], Awaitable[str]]]:
    """Start a server whose connections are handled by the given coroutine; return its URL."""
    servers: list[asyncio.Server] = []

    async def start(answer: ConnectionHandler) -> str:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await answer(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        servers.append(server)
        port = server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    yield start
    for server in servers:
        server.close()

"""Receivers of notifications on loopback: an HTTP server and a small SMTP server."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class PostReceiver:
    """Keeps the received posts and answers with `status`. With `is_hanging` it never answers."""

    port: int = 0
    status: int = 200
    is_hanging: bool = False
    bodies: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def handle_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle one request."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            if self.is_hanging:
                await asyncio.sleep(3600)
            self.paths.append(head.split()[1])
            self.headers.append(headers)
            self.bodies.append(json.loads(body))
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % self.status)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def running_http_receiver(**options: Any) -> AsyncIterator[PostReceiver]:
    """Yield a running receiver of posts."""
    receiver = PostReceiver(**options)
    server = await asyncio.start_server(receiver.handle_request, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        # No wait_closed: it would wait for a hanging connection.
        server.close()


@dataclass
class MailReceiver:
    """Keeps the received mails: (recipients, text)."""

    port: int = 0
    messages: list[tuple[list[str], str]] = field(default_factory=list)

    async def handle_session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle one session of RFC 5321 without extensions."""
        recipients: list[str] = []
        writer.write(b"220 loopback ESMTP\r\n")
        while line := (await reader.readline()).decode().strip():
            verb = line.split(":")[0].split()[0].upper()
            if verb == "RCPT":
                recipients.append(line.partition("<")[2].partition(">")[0])
            if verb == "DATA":
                writer.write(b"354 go on\r\n")
                text = (await reader.readuntil(b"\r\n.\r\n")).decode()
                self.messages.append((recipients, text))
                recipients = []
            writer.write(b"221 bye\r\n" if verb == "QUIT" else b"250 ok\r\n")
            if verb == "QUIT":
                break
        await writer.drain()
        writer.close()


@asynccontextmanager
async def running_mail_receiver() -> AsyncIterator[MailReceiver]:
    """Yield a running receiver of mails."""
    receiver = MailReceiver()
    server = await asyncio.start_server(receiver.handle_session, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()

"""Real receivers on loopback: an HTTP server that takes what is posted, and a small SMTP server."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class PostReceiver:
    """What was posted. `status` is answered after `delay` seconds; `hang` keeps the connection open for ever."""

    port: int = 0
    status: int = 200
    is_hanging: bool = False
    bodies: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def handle_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request."""
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
    """Give a receiver of posts."""
    posts = PostReceiver(**options)
    server = await asyncio.start_server(posts.handle_request, "127.0.0.1", 0)
    posts.port = server.sockets[0].getsockname()[1]
    try:
        yield posts
    finally:
        # Not waited for: a connection that hangs would be waited for in vain.
        server.close()


@dataclass
class MailReceiver:
    """What was mailed: (recipients, text)."""

    port: int = 0
    messages: list[tuple[list[str], str]] = field(default_factory=list)

    async def handle_session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hold one conversation as RFC 5321 wants it, without any extension."""
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
    """Give a receiver of mails."""
    mails = MailReceiver()
    server = await asyncio.start_server(mails.handle_session, "127.0.0.1", 0)
    mails.port = server.sockets[0].getsockname()[1]
    try:
        yield mails
    finally:
        server.close()

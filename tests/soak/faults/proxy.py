"""Proxies that inject faults between two processes that talk TCP.

`HttpProxy` passes one HTTP/1.1 exchange per connection and spoils single requests, chosen by their head.
`TcpProxy` passes bytes and spoils all connections, open ones included.
"""

import asyncio
import contextlib
import re
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter

CHUNK_BYTES = 65_536
OVERSIZE_BYTES = 32 << 20
"""Bytes of a body that is too large for any client."""
GARBAGE_REPLY = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n\x00\xff\xfe{{{{not json at all"
)
OVERSIZE_REPLY_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % OVERSIZE_BYTES
)
UNAVAILABLE_REPLY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
)
CONTENT_LENGTH_PATTERN = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
LINGER_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with time 0: closing sends a reset."""


class Fault(StrEnum):
    """A fault of an exchange."""

    DELAY = "delay"
    """The exchange is complete, `seconds` late."""
    DROP = "drop"
    """The request is not passed on: no answer for `seconds`, then a reset."""
    REFUSE = "refuse"
    """A reset before anything is read."""
    RESET = "reset"
    """The request is read and a reset is sent; the server does not receive it."""
    REPLY_LOST = "reply-lost"
    """The server executes the request; a reset replaces its reply."""
    TRUNCATE = "truncate"
    """The server executes the request; half of its reply is passed on."""
    DRIP = "drip"
    """The server executes the request; its reply is passed on byte by byte over `seconds`."""
    GARBAGE = "garbage"
    """The server executes the request; the reply is 200 with invalid JSON."""
    OVERSIZE = "oversize"
    """The server executes the request; the reply is 200 with 32 MB of blanks."""
    UNAVAILABLE = "unavailable"
    """503 with Retry-After 1; the server does not receive the request."""
    LATE = "late"
    """The server receives the request after `seconds`, when the caller has given up."""


UNDELIVERED_FAULTS = frozenset({Fault.DROP, Fault.REFUSE, Fault.RESET, Fault.UNAVAILABLE})
"""Faults after which the server has not received the request."""


DELAYING_FAULTS = frozenset({Fault.DELAY, Fault.LATE})
"""Faults that delay the request."""


@dataclass
class FaultRule:
    """Spoils the requests whose head matches, `count` of them (None: all)."""

    fault: Fault
    head_pattern: re.Pattern[bytes] = re.compile(rb"")
    count: int | None = None
    seconds: float = 3.0

    def take_match(self, head: bytes) -> bool:
        """Return whether the rule spoils this request, and count it."""
        if self.count == 0 or not self.head_pattern.search(head):
            return False
        if self.count is not None:
            self.count -= 1
        return True


class FaultProxy:
    """A server on loopback before a target, with the number of faults so far."""

    def __init__(self, target: str, report: Callable[[Fault], None] = lambda _: None) -> None:
        host, _, port = target.rpartition(":")
        self.target = (host, int(port))
        self.fault_counts: Counter[Fault] = Counter()
        self.report = report
        self.tasks: set[asyncio.Task[None]] = set()

    def count_fault(self, fault: Fault) -> None:
        """Count a fault that struck."""
        self.fault_counts[fault] += 1
        self.report(fault)

    @asynccontextmanager
    async def listen(self, port: int = 0) -> AsyncIterator[str]:
        """Listen inside the block, and yield host and port."""
        server = await asyncio.start_server(self.handle_connection, "127.0.0.1", port)
        try:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for task in list(self.tasks):
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)

    async def handle_connection(self, reader: Reader, writer: Writer) -> None:
        """Serve one connection; a broken connection is reset without an error."""
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            await self.serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            reset_connection(writer)
        finally:
            self.tasks.discard(task)
            writer.close()

    async def serve(self, reader: Reader, writer: Writer) -> None:
        """Serve one connection."""
        raise NotImplementedError


class HttpProxy(FaultProxy):
    """Spoils single requests by the first of its `rules` that matches, else by `random_rule`.

    `on_reply` is called with each request and its whole reply, before the reply is spoiled.
    """

    def __init__(self, target: str, report: Callable[[Fault], None] = lambda _: None) -> None:
        super().__init__(target, report)
        self.rules: list[FaultRule] = []
        self.random_rule: Callable[[bytes], FaultRule | None] = lambda _: None
        self.on_reply: Callable[[bytes, bytes], None] = lambda _request, _reply: None
        self.requests = 0

    async def serve(self, reader: Reader, writer: Writer) -> None:
        """Pass one request on and its reply back, or spoil them."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        rule = next((rule for rule in self.rules if rule.take_match(head)), None) or self.random_rule(head)
        if rule:
            self.count_fault(rule.fault)
        if rule and rule.fault is Fault.REFUSE:
            reset_connection(writer)
            return
        length = CONTENT_LENGTH_PATTERN.search(head)
        body = await reader.readexactly(int(length[1]) if length else 0)
        if rule and rule.fault in UNDELIVERED_FAULTS:
            await fail_undelivered(rule, writer)
            return
        if rule and rule.fault in DELAYING_FAULTS:
            await asyncio.sleep(rule.seconds)
        reply = await self.forward_request(head, body)
        self.on_reply(head + body, reply)
        await (send_spoiled_reply(rule, reply, writer) if rule else send_reply(reply, writer))

    async def forward_request(self, head: bytes, body: bytes) -> bytes:
        """Return the target's reply to a request, sent with `Connection: close`."""
        first, rest = head.split(b"\r\n", 1)
        headers = [line for line in rest.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        upstream, out = await asyncio.open_connection(*self.target)
        try:
            out.write(b"\r\n".join((first, b"Connection: close", *headers)) + body)
            await out.drain()
            return await upstream.read()
        finally:
            out.close()


class TcpProxy(FaultProxy):
    """Spoils all connections while `fault` is set: DELAY and DRIP slow them, DROP stalls them, RESET breaks them."""

    def __init__(self, target: str, report: Callable[[Fault], None] = lambda _: None) -> None:
        super().__init__(target, report)
        self.fault: Fault | None = None
        self.delay_seconds = 1.0
        self.passing = asyncio.Event()
        self.passing.set()

    def set_fault(self, fault: Fault, seconds: float = 1.0) -> None:
        """Start to spoil, open connections included. `seconds` is the delay of each piece."""
        self.fault, self.delay_seconds = fault, seconds
        self.count_fault(fault)
        self.passing.clear()
        if fault in (Fault.RESET, Fault.REFUSE):
            for task in list(self.tasks):
                task.cancel()

    def clear_fault(self) -> None:
        """Stop to spoil."""
        self.fault = None
        self.passing.set()

    async def serve(self, reader: Reader, writer: Writer) -> None:
        """Pass bytes in both directions until one side ends."""
        if self.fault in (Fault.RESET, Fault.REFUSE):
            reset_connection(writer)
            return
        upstream, out = await asyncio.open_connection(*self.target)
        directions = ((reader, out), (upstream, writer))
        copies = [asyncio.create_task(self.copy_stream(*direction)) for direction in directions]
        try:
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for copy in copies:
                copy.cancel()
            await asyncio.gather(*copies, return_exceptions=True)
            out.close()

    async def copy_stream(self, source: Reader, target: Writer) -> None:
        """Pass bytes in one direction."""
        while piece := await source.read(CHUNK_BYTES):
            if self.fault is Fault.DROP:
                await self.passing.wait()
            elif self.fault in (Fault.DELAY, Fault.DRIP):
                await asyncio.sleep(self.delay_seconds)
            target.write(piece)
            await target.drain()


def reset_connection(writer: Writer) -> None:
    """Close a connection with a reset."""
    connection = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
    writer.transport.abort()


async def fail_undelivered(rule: FaultRule, writer: Writer) -> None:
    """Answer a request that the server does not receive."""
    if rule.fault is Fault.UNAVAILABLE:
        writer.write(UNAVAILABLE_REPLY)
        await writer.drain()
        return
    if rule.fault is Fault.DROP:
        await asyncio.sleep(rule.seconds)
    reset_connection(writer)


async def send_reply(reply: bytes, writer: Writer) -> None:
    """Send a reply unchanged."""
    writer.write(reply)
    await writer.drain()


async def send_spoiled_reply(rule: FaultRule, reply: bytes, writer: Writer) -> None:
    """Send a spoiled reply."""
    match rule.fault:
        case Fault.REPLY_LOST:
            reset_connection(writer)
            return
        case Fault.TRUNCATE:
            reply = reply[: len(reply) - max(1, len(reply.partition(b"\r\n\r\n")[2]) // 2)]
        case Fault.GARBAGE:
            reply = GARBAGE_REPLY
        case Fault.OVERSIZE:
            writer.write(OVERSIZE_REPLY_HEAD)
            for _ in range(OVERSIZE_BYTES // CHUNK_BYTES):
                writer.write(b" " * CHUNK_BYTES)
                await writer.drain()
            return
        case Fault.DRIP:
            for byte in reply:
                writer.write(bytes((byte,)))
                await writer.drain()
                await asyncio.sleep(rule.seconds / len(reply))
            return
    await send_reply(reply, writer)

"""A sender of alerts that keeps its pace: bare sockets, so that what is measured is the service and not the sender."""

import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.support.alert_payloads import payload

SENDERS = 200
"""Connections: at a rate of 50 a second, answers may take the four seconds they have before one is missing."""
PATIENCE = 15.0
"""Seconds for one answer; the service promises it far below ten."""
AGAIN = 0.5
"""Seconds until an alert that was not taken is posted again, as Alertmanager's first pause."""


@dataclass
class Sent:
    """What came of it. `late` are the most seconds a first POST was behind its time, `took` those of all answers."""

    again: int = 0
    late: float = 0.0
    took: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)


async def send(url: str, token: str, alerts: list[dict[str, Any]], rate: float) -> Sent:
    """Post each alert in a POST of its own, `rate` a second, and again until it is answered 200."""
    sent, numbers, began = Sent(), itertools.count(), time.monotonic()
    pace = Pace(alerts, numbers, rate, began)
    await asyncio.gather(*(_sender(url, token, pace, sent) for _ in range(SENDERS)))
    return sent


@dataclass(frozen=True)
class Pace:
    """Which alert is due when: number n at `began` + n / `rate`."""

    alerts: list[dict[str, Any]]
    numbers: Iterator[int]
    rate: float
    began: float

    async def due(self, sent: Sent) -> dict[str, Any] | None:
        """Return the next alert when its time has come, None after the last one."""
        number = next(self.numbers)
        if number >= len(self.alerts):
            return None
        wait = self.began + number / self.rate - time.monotonic()
        sent.late = max(sent.late, -wait)
        await asyncio.sleep(max(0.0, wait))
        return self.alerts[number]


async def _sender(url: str, token: str, pace: Pace, sent: Sent) -> None:
    where = urlsplit(url)
    head = f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {token}\r\n"
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        while (one := await pace.due(sent)) is not None:
            body = json.dumps(payload(one)).encode()
            request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
            while await _answer(reader, writer, request, sent) != 200:
                sent.again += 1
                await asyncio.sleep(AGAIN)
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, sent: Sent) -> int:
    started = time.perf_counter()
    writer.write(request)
    async with asyncio.timeout(PATIENCE):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
        await reader.readexactly(int(length.partition(":")[2]))
    sent.took.append(time.perf_counter() - started)
    status = int(head.split(" ", 2)[1])
    sent.statuses[status] = sent.statuses.get(status, 0) + 1
    return status

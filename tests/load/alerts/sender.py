"""A sender of alerts that keeps its pace: bare sockets, so that what is measured is the service and not the sender."""

import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.support.alert_payloads import make_payload

SENDER_COUNT = 200
"""Connections: at a rate of 50 a second, answers may take the four seconds they have before one is missing."""
REPLY_TIMEOUT_SECONDS = 15.0
"""Seconds for one answer; the service promises it far below ten."""
RETRY_DELAY_SECONDS = 0.5
"""Seconds until an alert that was not taken is posted again, as Alertmanager's first pause."""


@dataclass
class SendResult:
    """What came of it. `late` are the most seconds a first POST was behind its time, `took` those of all answers."""

    retries: int = 0
    max_lateness: float = 0.0
    durations: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)


async def send_alerts(url: str, token: str, alerts: list[dict[str, Any]], rate: float) -> SendResult:
    """Post each alert in a POST of its own, `rate` a second, and again until it is answered 200."""
    sent, numbers, began = SendResult(), itertools.count(), time.monotonic()
    pace = SendSchedule(alerts, numbers, rate, began)
    await asyncio.gather(*(_run_sender(url, token, pace, sent) for _ in range(SENDER_COUNT)))
    return sent


@dataclass(frozen=True)
class SendSchedule:
    """Which alert is due when: number n at `began` + n / `rate`."""

    alerts: list[dict[str, Any]]
    numbers: Iterator[int]
    rate: float
    started_at: float

    async def next_due(self, result: SendResult) -> dict[str, Any] | None:
        """Return the next alert when its time has come, None after the last one."""
        number = next(self.numbers)
        if number >= len(self.alerts):
            return None
        wait = self.started_at + number / self.rate - time.monotonic()
        result.max_lateness = max(result.max_lateness, -wait)
        await asyncio.sleep(max(0.0, wait))
        return self.alerts[number]


async def _run_sender(url: str, token: str, schedule: SendSchedule, result: SendResult) -> None:
    where = urlsplit(url)
    head = f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {token}\r\n"
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        while (one := await schedule.next_due(result)) is not None:
            body = json.dumps(make_payload(one)).encode()
            request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
            while await _post_and_read_status(reader, writer, request, result) != 200:
                result.retries += 1
                await asyncio.sleep(RETRY_DELAY_SECONDS)
    finally:
        writer.close()


async def _post_and_read_status(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, result: SendResult
) -> int:
    started = time.perf_counter()
    writer.write(request)
    async with asyncio.timeout(REPLY_TIMEOUT_SECONDS):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
        await reader.readexactly(int(length.partition(":")[2]))
    result.durations.append(time.perf_counter() - started)
    status = int(head.split(" ", 2)[1])
    result.statuses[status] = result.statuses.get(status, 0) + 1
    return status

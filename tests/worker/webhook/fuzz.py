"""A fuzzer of the alert webhook over a real socket: `make fuzz`. Deterministic for the seed, which it prints."""

import argparse
import asyncio
import json
import random
import resource
import sys
import time
from collections import Counter
from typing import Any

import httpx

from tests.support.alert_payloads import make_alert, make_payload
from tests.support.webhook_service import AUTHORIZATION_HEADER, WEBHOOK_PATH, WebhookService
from worker.http.service import serve

ALLOWED_STATUSES = {200, 400, 401, 404, 405, 408, 413, 503}
MAX_HANG_SECONDS = 10.0
MAX_GROWTH_KIB = 50 * 1024
"""Allowed growth of the process after the first tenth of the run."""
INVALID_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 10**30, 1e308, "", "4", " ", "\x00", "é" * 50, "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"),
    *("2026-01-31T12:00:00", "../../etc/passwd", "{{ .Labels }}", '"} or up{a="', "x" * 5000, [], {}, [[]], {"": ""}),
)


def mangle_value(value: Any, random_source: random.Random) -> Any:
    """Return a JSON value with one random part replaced, dropped, repeated or renamed."""
    if isinstance(value, dict) and value and random_source.random() < 0.85:
        key = random_source.choice(list(value))
        rest = {name: inner for name, inner in value.items() if name != key}
        match random_source.randrange(8):
            case 0:
                return rest
            case 1:
                return {**rest, key.swapcase(): value[key]}
            case _:
                return {**value, key: mangle_value(value[key], random_source)}
    if isinstance(value, list) and value and random_source.random() < 0.85:
        index = random_source.randrange(len(value))
        match random_source.randrange(6):
            case 0:
                return value[:index] + value[index + 1 :]
            case 1:
                return value * random_source.randrange(2, 30)
            case _:
                return [*value[:index], mangle_value(value[index], random_source), *value[index + 1 :]]
    return random_source.choice(INVALID_VALUES)


def make_body(random_source: random.Random) -> bytes:
    """Return a body that is valid, altered, or hardly JSON."""
    value: Any = make_payload(*(make_alert(random_source.randrange(500)) for _ in range(random_source.randrange(4))))
    for _ in range(random_source.choice((0, 1, 1, 2, 5))):
        value = mangle_value(value, random_source)
    raw = json.dumps(value).encode()
    match random_source.randrange(10):
        case 0:
            return raw[: random_source.randrange(len(raw) + 1)]
        case 1:
            at = random_source.randrange(len(raw) + 1)
            return raw[:at] + random_source.randbytes(random_source.randrange(1, 9)) + raw[at:]
        case 2:
            return random_source.choice((b"[", b'{"a":', b'{"alerts":[')) * random_source.randrange(1, 20_000)
        case _:
            return raw


async def send_malformed_http(port: int, random_source: random.Random) -> None:
    """Send bytes that are hardly HTTP, and disconnect at a random point."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = b"POST /webhooks/alerts HTTP/1.1\r\nHost: m\r\nAuthorization: Bearer new\r\nContent-Length: %d\r\n\r\n"
    raw = bytearray(head % random_source.choice((0, 5, 10**9, 2**70)) + make_body(random_source)[:2000])
    for _ in range(random_source.randrange(8)):
        raw[random_source.randrange(len(raw))] = random_source.randrange(256)
    try:
        writer.write(bytes(raw[: random_source.randrange(1, len(raw) + 1)]))
        await writer.drain()
        if random_source.random() < 0.5:
            await asyncio.wait_for(reader.read(200), 0.05)
    except (ConnectionError, TimeoutError):
        pass
    finally:
        writer.close()


async def fuzz(seed: int, examples: int | None = None, seconds: float = 600.0) -> Counter[int]:
    """Send bodies until the examples or the seconds are used up, and return the number of answers by status.

    Raises:
        AssertionError: an answer has an unexpected status, or the memory of the service grew too much.
        TimeoutError: there was no answer.
    """
    random_source, service, answers = random.Random(seed), WebhookService(), Counter[int]()
    started_at, number, settled_kib = time.monotonic(), 0, 0
    async with (
        serve(service.app, "127.0.0.1", 0) as port,
        httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{port}") as client,
    ):
        while number != examples and time.monotonic() - started_at < seconds:
            number += 1
            headers = (
                AUTHORIZATION_HEADER
                if random_source.random() < 0.95
                else {"authorization": random_source.choice(("", "Basic ==", "Bearer x"))}
            )
            body = make_body(random_source)
            async with asyncio.timeout(MAX_HANG_SECONDS):
                reply = await client.post(WEBHOOK_PATH, content=body, headers=headers)
            assert reply.status_code in ALLOWED_STATUSES, (seed, number, reply.status_code, body[:500])
            answers[reply.status_code] += 1
            if number % 10 == 0:
                await send_malformed_http(port, random_source)
            service.clear_received()
            if not settled_kib and time.monotonic() - started_at > seconds / 10:
                settled_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    growth_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - settled_kib if settled_kib else 0
    assert growth_kib < MAX_GROWTH_KIB, f"memory grew by {growth_kib} KiB"
    return answers


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.seconds:g} s", flush=True)
    status_counts = asyncio.run(fuzz(options.seed, seconds=options.seconds))
    print(f"{sum(status_counts.values())} bodies answered: {dict(sorted(status_counts.items()))}")
    sys.exit(0)

"""A real Prometheus over samples made for a measurement."""

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from deploy.devstack.binaries import SearchPaths, find_binary


@asynccontextmanager
async def backfilled_prometheus(samples: Iterator[str]) -> AsyncIterator[str]:
    """Give the address of a Prometheus that holds these samples, lines of OpenMetrics text."""
    promtool, prometheus = (find_binary(name, SearchPaths()) for name in ("promtool", "prometheus"))
    if promtool is None or prometheus is None:
        raise SystemExit("Prometheus is not installed: run `make setup`")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        text, data, config = folder / "samples.txt", folder / "data", folder / "prometheus.yml"
        config.write_text("{}")
        with text.open("w", encoding="utf-8") as file:
            file.writelines(samples)
            file.write("# EOF\n")
        made = [promtool.path, "tsdb", "create-blocks-from", "openmetrics", text, data]
        nowhere = asyncio.subprocess.DEVNULL
        backfill = await asyncio.create_subprocess_exec(*map(str, made), stdout=nowhere, stderr=nowhere)
        assert await backfill.wait() == 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        command = [
            *(str(prometheus.path), f"--config.file={config}", f"--storage.tsdb.path={data}"),
            *(f"--web.listen-address={address}", "--storage.tsdb.retention.time=100y"),
        ]
        server = await asyncio.create_subprocess_exec(*command, stdout=nowhere, stderr=nowhere)
        try:
            await wait_until_ready(f"http://{address}/-/ready")
            yield f"http://{address}"
        finally:
            server.terminate()
            await server.wait()


async def wait_until_ready(url: str) -> None:
    """Wait until Prometheus answers."""
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(600):
            try:
                if (await client.get(url)).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    raise SystemExit("Prometheus was not ready within a minute")

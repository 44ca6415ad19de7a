"""`python -m tests.soak.harness.worker`: the product's worker with failpoints around every side effect."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from temporalio.client import Client

from tests.soak.faults.failpoints import (
    Failpoints,
    FailpointTransport,
    StepInterceptor,
    failpoint_store_opener,
    load_failpoints,
)
from worker.assemble import Assembly, assemble
from worker.config.load import Config, load_config
from worker.main import Assembler, run_worker
from worker.observability import logging

STANDBY_VARIABLE = "MAPEK_STANDBY"
"""The path of a file: a loaded worker waits until it exists, so it can follow a killed one immediately."""


def main() -> int:
    """Run the worker like `mapek worker`."""
    config = load_config()
    points = load_failpoints(os.environ, config)
    while (awaited := os.environ.get(STANDBY_VARIABLE)) and not Path(awaited).exists():
        time.sleep(0.05)
    logging.configure_logging(config)
    return asyncio.run(run_worker(config) if points is None else run_worker(config, add_failpoints(points)))


def add_failpoints(points: Failpoints) -> Assembler:
    """Return the product's assembly with failpoints in its transport and store, and around its activities."""

    @asynccontextmanager
    async def assemble_with_failpoints(config: Config, client: Client) -> AsyncIterator[Assembly]:
        transport = FailpointTransport(points)
        async with assemble(
            config, client, transport=transport, store_opener=failpoint_store_opener(points)
        ) as assembly:
            plain = assembly.interceptor
            yield replace(assembly, interceptor=StepInterceptor(plain.metrics, plain.last_run, points))

    return assemble_with_failpoints


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)

"""The real `mapek` command, as a person runs it."""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.stack import World

MAPEK = Path(sys.executable).with_name("mapek")
WITHIN = 60.0


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str


async def mapek(world: World, *arguments: str) -> Said:
    """Run `mapek` against the stack and return its answer."""
    return await mapek_of(environment_of(world), *arguments)


def environment_of(world: World) -> dict[str, str]:
    """Return the environment in which `mapek` works on the stack."""
    state = world.stack.state
    return {**os.environ, "MAPEK_CONFIG": str(state.config_file), "MAPEK_STATE": str(state.path)}


async def mapek_of(environment: Mapping[str, str], *arguments: str) -> Said:
    """Run `mapek` in an environment and return its answer."""
    process = await asyncio.create_subprocess_exec(
        MAPEK,
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), WITHIN)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Said(process.returncode or 0, out.decode(), err.decode())

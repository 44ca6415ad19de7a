"""The scripted incident: one fault that is healed, one whose first remedy makes it worse and is rolled back."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from deploy.devstack.narrator import Event, Story
from deploy.devstack.stack import RunningStack

VALIDATORS = tuple(f"validator-{number}" for number in range(1, 6))
SERVICES = ("gateway", "policy-engine", "audit-log")

HEALABLE = {
    "few-validators": VALIDATORS,
    "bad-policy": SERVICES,
    "overload": (*SERVICES, *VALIDATORS),
    "slow-node": VALIDATORS[1:],
    "dead-node": VALIDATORS[1:],
}
"""Faults whose first remedy helps, and where each may strike."""

HELPED = ("fixed", "improved")
BOUND = 75.0
"""Seconds each step of the story may take."""
NEXT_RUNG = 40.0
"""Seconds the story waits to show the next rung of the ladder; it is not part of what has to happen."""


@dataclass(frozen=True)
class Script:
    """What a seed stands for: the first fault, where it strikes, and after how many healthy seconds."""

    kind: str
    component: str
    start: float


def script_of(seed: int) -> Script:
    """Return the script of a seed: the same one on every machine."""
    drawn = random.Random(seed)
    kind = drawn.choice(sorted(HEALABLE))
    return Script(kind, drawn.choice(HEALABLE[kind]), round(drawn.uniform(1.0, 4.0), 1))


async def play(stack: RunningStack, seed: int) -> int:
    """Play both incidents; 0 only if the first was healed and the second rolled back."""
    script = script_of(seed)
    print(f"seed {seed}: {script.kind} on {script.component} after {script.start} s, then remedy-worsens")
    print("timings are shortened for the demo (see deploy/devstack/profiles.py); nothing else is")
    client = await Client.connect(stack.addresses.temporal, data_converter=pydantic_data_converter)
    async with httpx.AsyncClient(base_url=stack.addresses.charter, trust_env=False, timeout=5.0) as charter:
        story = Story(client, charter, "charter", say=print)
        try:
            figures = await incidents(story, script)
        except TimeoutError:
            story.tell(f"what was scripted did not happen within {BOUND:.0f} s")
            return 1
    summary(stack, story, figures)
    return 0


async def incidents(story: Story, script: Script) -> list[str]:
    """Play the two incidents and return a line of measured times for each."""
    await story.until(is_healthy, 0.0, BOUND)
    await asyncio.sleep(script.start)
    healed = await healing(story, script)
    await recovered(story)
    worsened = await rollback(story)
    with contextlib.suppress(TimeoutError):
        await story.until(has("ended", *HELPED), story.now(), NEXT_RUNG)
    await recovered(story)
    return [healed, worsened]


async def healing(story: Story, script: Script) -> str:
    """A fault is detected, planned for, applied against, verified, and the loop is healthy again."""
    began = await strike(story, script.kind, script.component)
    planned = await story.until(has("cycle", "planned"), began, BOUND)
    applied = await story.until(has("effect", "applied"), began, BOUND)
    verified = await story.until(has("ended", *HELPED), began, BOUND)
    healthy = await story.until(is_healthy, verified.at, BOUND)
    return times(f"{script.kind} on {script.component}, healed", began, planned, applied, verified, healthy)


async def rollback(story: Story) -> str:
    """The standard remedy makes it worse, which verification sees, and it is undone at Charter."""
    began = await strike(story, "remedy-worsens", "validator-1")
    planned = await story.until(has("cycle", "planned"), began, BOUND)
    applied = await story.until(has("effect", "applied"), began, BOUND)
    undone = await story.until(has("effect", "rolled_back"), began, BOUND)
    ended = await story.until(has("ended", "rolled_back"), began, BOUND)
    return times("remedy-worsens, rolled back", began, planned, applied, undone, ended)


async def strike(story: Story, kind: str, component: str) -> float:
    """Switch a fault on and return when."""
    reply = await story.charter.post("/sim/faults", json={"kind": kind, "component": component})
    reply.raise_for_status()
    story.tell(f"FAULT {kind} on {component}")
    return story.now()


async def recovered(story: Story) -> None:
    """Switch all faults off and wait until the loop sees nothing wrong."""
    (await story.charter.delete("/sim/faults")).raise_for_status()
    story.tell("all faults are switched off")
    await story.until(is_healthy, story.now(), BOUND)


def has(kind: str, *outcomes: str) -> Callable[[Event], bool]:
    """Return what recognises an event of this kind with one of these outcomes."""
    return lambda event: event.kind == kind and event.outcome in outcomes


is_healthy = has("cycle", "healthy")


def times(title: str, began: float, *events: Event) -> str:
    """Return a line with the seconds from the fault to each event."""
    return f"{title}: " + ", ".join(f"{e.outcome} {e.at - began:.1f} s" for e in events) + " after the fault"


def summary(stack: RunningStack, story: Story, figures: list[str]) -> None:
    """Say what happened, how long it took, and where to look while the stack is up."""
    cycles = sum(event.kind == "cycle" for event in story.events)
    print("\nboth happened:")
    for line in figures:
        print(f"  {line}")
    print(f"  {cycles} cycles; times as measured here, with the demo's shortened periods")
    print("to look at it yourself, `make run` keeps the same stack up; its Temporal UI shows every cycle")
    print(f"  this one was at {stack.addresses.temporal_ui}/namespaces/{stack.addresses.namespace}/workflows")

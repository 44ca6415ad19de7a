"""The scripted incident: one fault that is healed, one whose first remedy makes it worse and is rolled back."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from deploy.devstack.narrator import StackEvent, StackNarrator
from deploy.devstack.stack import RunningStack

VALIDATORS = tuple(f"validator-{number}" for number in range(1, 6))
CHARTER_SERVICES = ("gateway", "policy-engine", "audit-log")

HEALABLE_FAULTS = {
    "few-validators": VALIDATORS,
    "bad-policy": CHARTER_SERVICES,
    "overload": (*CHARTER_SERVICES, *VALIDATORS),
    "slow-node": VALIDATORS[1:],
    "dead-node": VALIDATORS[1:],
}
"""Faults whose first remedy helps, and where each may strike."""

HELPFUL_OUTCOMES = ("fixed", "improved")
STEP_TIMEOUT_SECONDS = 75.0
"""Seconds each step of the story may take."""
NEXT_RUNG_WAIT_SECONDS = 40.0
"""Seconds the story waits to show the next rung of the ladder; it is not part of what has to happen."""


@dataclass(frozen=True)
class DemoScript:
    """What a seed stands for: the first fault, where it strikes, and after how many healthy seconds."""

    kind: str
    component: str
    delay_seconds: float


def build_script(seed: int) -> DemoScript:
    """Return the script of a seed: the same one on every machine."""
    drawn = random.Random(seed)
    kind = drawn.choice(sorted(HEALABLE_FAULTS))
    return DemoScript(kind, drawn.choice(HEALABLE_FAULTS[kind]), round(drawn.uniform(1.0, 4.0), 1))


async def run_demo(stack: RunningStack, seed: int) -> int:
    """Play both incidents; 0 only if the first was healed and the second rolled back."""
    script = build_script(seed)
    print(f"seed {seed}: {script.kind} on {script.component} after {script.delay_seconds} s, then remedy-worsens")
    print("timings are shortened for the demo (see deploy/devstack/profiles.py); nothing else is")
    client = await Client.connect(stack.addresses.temporal, data_converter=pydantic_data_converter)
    async with httpx.AsyncClient(base_url=stack.addresses.charter, trust_env=False, timeout=5.0) as charter:
        story = StackNarrator(client, charter, "charter", write_line=print)
        try:
            figures = await run_incidents(story, script)
        except TimeoutError:
            story.report(f"what was scripted did not happen within {STEP_TIMEOUT_SECONDS:.0f} s")
            return 1
    print_summary(stack, story, figures)
    return 0


async def run_incidents(narrator: StackNarrator, script: DemoScript) -> list[str]:
    """Play the two incidents and return a line of measured times for each."""
    await narrator.wait_for_event(is_healthy, 0.0, STEP_TIMEOUT_SECONDS)
    await asyncio.sleep(script.delay_seconds)
    healed = await run_healing_incident(narrator, script)
    await clear_faults(narrator)
    worsened = await run_rollback_incident(narrator)
    with contextlib.suppress(TimeoutError):
        await narrator.wait_for_event(
            matches("ended", *HELPFUL_OUTCOMES), narrator.elapsed_seconds(), NEXT_RUNG_WAIT_SECONDS
        )
    await clear_faults(narrator)
    return [healed, worsened]


async def run_healing_incident(narrator: StackNarrator, script: DemoScript) -> str:
    """A fault is detected, planned for, applied against, verified, and the loop is healthy again."""
    began = await inject_fault(narrator, script.kind, script.component)
    planned = await narrator.wait_for_event(matches("cycle", "planned"), began, STEP_TIMEOUT_SECONDS)
    applied = await narrator.wait_for_event(matches("effect", "applied"), began, STEP_TIMEOUT_SECONDS)
    verified = await narrator.wait_for_event(matches("ended", *HELPFUL_OUTCOMES), began, STEP_TIMEOUT_SECONDS)
    healthy = await narrator.wait_for_event(is_healthy, verified.elapsed_seconds, STEP_TIMEOUT_SECONDS)
    return format_times(f"{script.kind} on {script.component}, healed", began, planned, applied, verified, healthy)


async def run_rollback_incident(narrator: StackNarrator) -> str:
    """The standard remedy makes it worse, which verification sees, and it is undone at Charter."""
    began = await inject_fault(narrator, "remedy-worsens", "validator-1")
    planned = await narrator.wait_for_event(matches("cycle", "planned"), began, STEP_TIMEOUT_SECONDS)
    applied = await narrator.wait_for_event(matches("effect", "applied"), began, STEP_TIMEOUT_SECONDS)
    undone = await narrator.wait_for_event(matches("effect", "rolled_back"), began, STEP_TIMEOUT_SECONDS)
    ended = await narrator.wait_for_event(matches("ended", "rolled_back"), began, STEP_TIMEOUT_SECONDS)
    return format_times("remedy-worsens, rolled back", began, planned, applied, undone, ended)


async def inject_fault(narrator: StackNarrator, kind: str, component: str) -> float:
    """Switch a fault on and return when."""
    reply = await narrator.charter_client.post("/sim/faults", json={"kind": kind, "component": component})
    reply.raise_for_status()
    narrator.report(f"FAULT {kind} on {component}")
    return narrator.elapsed_seconds()


async def clear_faults(narrator: StackNarrator) -> None:
    """Switch all faults off and wait until the loop sees nothing wrong."""
    (await narrator.charter_client.delete("/sim/faults")).raise_for_status()
    narrator.report("all faults are switched off")
    await narrator.wait_for_event(is_healthy, narrator.elapsed_seconds(), STEP_TIMEOUT_SECONDS)


def matches(kind: str, *outcomes: str) -> Callable[[StackEvent], bool]:
    """Return what recognises an event of this kind with one of these outcomes."""
    return lambda event: event.kind == kind and event.outcome in outcomes


is_healthy = matches("cycle", "healthy")


def format_times(title: str, started_at: float, *events: StackEvent) -> str:
    """Return a line with the seconds from the fault to each event."""
    return (
        f"{title}: "
        + ", ".join(f"{e.outcome} {e.elapsed_seconds - started_at:.1f} s" for e in events)
        + " after the fault"
    )


def print_summary(stack: RunningStack, narrator: StackNarrator, timings: list[str]) -> None:
    """Say what happened, how long it took, and where to look while the stack is up."""
    cycles = sum(event.kind == "cycle" for event in narrator.events)
    print("\nboth happened:")
    for line in timings:
        print(f"  {line}")
    print(f"  {cycles} cycles; times as measured here, with the demo's shortened periods")
    print("to look at it yourself, `make run` keeps the same stack up; its Temporal UI shows every cycle")
    print(f"  this one was at {stack.addresses.temporal_ui}/namespaces/{stack.addresses.namespace}/workflows")

"""The scripted incidents: one fault is healed; the first remedy of the other makes it worse and is rolled back."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.model.remediation_outcome import RemediationOutcome
from deploy.devstack.narrator import EventKind, StackEvent, StackNarrator
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
"""Faults whose first remedy helps, each with the components it may affect."""

HELPFUL_OUTCOMES = (RemediationOutcome.FIXED, RemediationOutcome.IMPROVED)
STEP_TIMEOUT_SECONDS = 75.0
"""Limit for each step of an incident."""
NEXT_RUNG_WAIT_SECONDS = 40.0
"""Time to show the next rung of the ladder; the demo passes without it."""


@dataclass(frozen=True)
class DemoScript:
    """The first fault, its component and the healthy seconds before it; derived from a seed."""

    kind: str
    component: str
    delay_seconds: float


def build_script(seed: int) -> DemoScript:
    """Return the script of a seed; it is the same on every machine."""
    generator = random.Random(seed)
    kind = generator.choice(sorted(HEALABLE_FAULTS))
    return DemoScript(kind, generator.choice(HEALABLE_FAULTS[kind]), round(generator.uniform(1.0, 4.0), 1))


async def run_demo(stack: RunningStack, seed: int) -> int:
    """Play both incidents; return 0 if the first was healed and the second rolled back, otherwise 1."""
    script = build_script(seed)
    print(f"seed {seed}: fault {script.kind} on {script.component}, then fault remedy-worsens on validator-1")
    print("the demo shortens only the timings (deploy/devstack/profiles.py)")
    client = await Client.connect(stack.addresses.temporal, data_converter=pydantic_data_converter)
    async with httpx.AsyncClient(base_url=stack.addresses.charter, trust_env=False, timeout=5.0) as charter:
        narrator = StackNarrator(client, charter, "charter", write_line=print)
        try:
            timings = await run_incidents(narrator, script)
        except TimeoutError:
            narrator.report(f"failed: the next step of the script did not happen within {STEP_TIMEOUT_SECONDS:.0f} s")
            return 1
    print_summary(stack, narrator, timings)
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
            matches(EventKind.ENDED, *HELPFUL_OUTCOMES), narrator.elapsed_seconds(), NEXT_RUNG_WAIT_SECONDS
        )
    await clear_faults(narrator)
    return [healed, worsened]


async def run_healing_incident(narrator: StackNarrator, script: DemoScript) -> str:
    """Inject a fault and wait until the loop has planned, applied and verified a remedy and is healthy."""
    started_at = await inject_fault(narrator, script.kind, script.component)
    planned = await narrator.wait_for_event(matches(EventKind.CYCLE, "planned"), started_at, STEP_TIMEOUT_SECONDS)
    applied = await narrator.wait_for_event(matches(EventKind.EFFECT, "applied"), started_at, STEP_TIMEOUT_SECONDS)
    verified = await narrator.wait_for_event(
        matches(EventKind.ENDED, *HELPFUL_OUTCOMES), started_at, STEP_TIMEOUT_SECONDS
    )
    healthy = await narrator.wait_for_event(is_healthy, verified.elapsed_seconds, STEP_TIMEOUT_SECONDS)
    steps = {"planned": planned, "applied": applied, f"verified as {verified.outcome}": verified, "healthy": healthy}
    return format_times(f"{script.kind} on {script.component}, healed", started_at, steps)


async def run_rollback_incident(narrator: StackNarrator) -> str:
    """Inject a fault whose first remedy makes it worse; wait until the remedy is rolled back."""
    started_at = await inject_fault(narrator, "remedy-worsens", "validator-1")
    planned = await narrator.wait_for_event(matches(EventKind.CYCLE, "planned"), started_at, STEP_TIMEOUT_SECONDS)
    applied = await narrator.wait_for_event(matches(EventKind.EFFECT, "applied"), started_at, STEP_TIMEOUT_SECONDS)
    undone = await narrator.wait_for_event(matches(EventKind.EFFECT, "rolled_back"), started_at, STEP_TIMEOUT_SECONDS)
    ended = await narrator.wait_for_event(
        matches(EventKind.ENDED, RemediationOutcome.ROLLED_BACK), started_at, STEP_TIMEOUT_SECONDS
    )
    steps = {"planned": planned, "applied": applied, "rolled back": undone, "rollback verified": ended}
    return format_times("remedy-worsens on validator-1, rolled back", started_at, steps)


async def inject_fault(narrator: StackNarrator, kind: str, component: str) -> float:
    """Inject a fault and return the elapsed seconds."""
    response = await narrator.charter_client.post("/sim/faults", json={"kind": kind, "component": component})
    response.raise_for_status()
    narrator.report(f"FAULT {kind} on {component}")
    return narrator.elapsed_seconds()


async def clear_faults(narrator: StackNarrator) -> None:
    """Clear all faults and wait for a healthy cycle."""
    (await narrator.charter_client.delete("/sim/faults")).raise_for_status()
    narrator.report("ALL FAULTS CLEARED")
    await narrator.wait_for_event(is_healthy, narrator.elapsed_seconds(), STEP_TIMEOUT_SECONDS)


def matches(kind: EventKind, *outcomes: str) -> Callable[[StackEvent], bool]:
    """Return a predicate for events of a kind with one of these outcomes."""
    return lambda event: event.kind == kind and event.outcome in outcomes


is_healthy = matches(EventKind.CYCLE, "healthy")


def format_times(title: str, started_at: float, steps: Mapping[str, StackEvent]) -> str:
    """Return one line with the seconds from the fault to each step."""
    times = (f"{step} after {event.elapsed_seconds - started_at:.1f} s" for step, event in steps.items())
    return f"{title}: {', '.join(times)}"


def print_summary(stack: RunningStack, narrator: StackNarrator, timings: list[str]) -> None:
    """Print the timings of both incidents and the address of the Temporal UI."""
    cycles = sum(event.kind is EventKind.CYCLE for event in narrator.events)
    print("\nboth incidents passed:")
    for line in timings:
        print(f"  {line}")
    print(f"  {cycles} cycles, with the demo's shortened timings")
    print("next: `make run` keeps the same stack running, with every cycle in the Temporal UI:")
    print(f"  {stack.addresses.temporal_ui}/namespaces/{stack.addresses.namespace}/workflows")

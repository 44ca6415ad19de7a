"""What became of a life: the checker's evidence, and figures."""

import sqlite3
from collections import Counter
from dataclasses import asdict
from typing import Any, cast

from activities.plan.guards.settings import RateSettings
from deploy.simulator.topology import COMMITTEE
from tests.simulation.driver import PERIOD, Driver
from tests.simulation.environment import World
from tests.simulation.memory_store import InlineDatabase
from tests.soak.checker.check import check
from tests.soak.checker.evidence import Evidence, Row, Violation
from tests.soak.checker.loader import rows_of

HOUR = 3600.0


def evidence_of(driver: Driver, seed: int) -> Evidence:
    """Return what the checker judges."""
    world = driver.world
    runs = [*world.engine.closed, *world.engine.running.values()]
    database = cast(InlineDatabase, world.store.database)
    raw = database.engine.raw_connection()
    rows = rows_of(cast(sqlite3.Connection, raw.driver_connection))
    raw.close()
    return Evidence(
        seed=seed,
        ledger=tuple(asdict(entry) for entry in world.plant.ledger),
        histories=tuple(run.plain() for run in runs),
        committee=tuple(world.charter.effects),
        alerts=tuple(driver.alerts),
        observed=tuple(driver.observed),
        blind=tuple(driver.troubles.blind),
        generations={entry.knob: generation_of(world, entry.knob) for entry in world.plant.ledger},
        budgets=budgets_of(world.settings.plan.rates) if driver.guarded else (),
        clock_right=not world.counts["clock steps"],
        period=PERIOD,
        quiet_since=driver.quiet_since,
        ended=world.now,
        **rows,
    )


def budgets_of(rates: RateSettings) -> tuple[tuple[str, int, float], ...]:
    """Return the budgets as the checker wants them."""
    return (
        ("knob", rates.knob_per_hour, HOUR),
        ("knob", rates.knob_per_day, 24 * HOUR),
        ("loop", rates.loop_per_hour, HOUR),
    )


def generation_of(world: World, knob: str) -> int:
    """Return a knob's generation at Charter."""
    plant = world.plant
    return plant.committee.generation if knob == COMMITTEE else plant.policies.knob(knob).generation


def figures(driver: Driver, evidence: Evidence) -> Counter[str]:
    """Return what was done and what came of it, by name."""
    found: Counter[str] = Counter(driver.world.counts)
    found.update(driver.weather.counts)
    tally = driver.tally
    found["cycles"] = tally.idle + tally.full
    found["cycles idle"], found["cycles skipped"] = tally.idle, tally.skipped
    found["cycles guarded"] = found["cycles"] if driver.guarded else 0
    found["storms"] = sum(row["kind"] == "storm" and row["text"].startswith("entered") for row in evidence.audit)
    found["faults brought"] = driver.troubles.count
    found["incidents"] = len({plan["incident_id"] for plan in evidence.plans})
    found["effects of ours"] = len(evidence.done)
    for run in evidence.remediations():
        found[f"ending {run['outcome'] or run['status']}"] += 1
        for event in run["events"]:
            if event["event"] == "activity" and event["name"] == "verify" and judged_now(event):
                found[f"verdict {event['result']['verdict']}"] += 1
    for run in evidence.histories:
        if run["type"] == "MapekCycle":
            found[f"cycle {run['outcome'] or run['status']}"] += 1
        found["crashes"] += sum(event["event"] == "crash" for event in run["events"])
    return found


def judged_now(event: Row) -> bool:
    """Tell whether a verification judged a plan: neither a rollback nor one that has an outcome already."""
    return not event["rollback"] and not event["result"]["headline"].startswith("it has ended before")


def judged(driver: Driver, seed: int) -> tuple[list[Violation], dict[str, Any]]:
    """Return the violations of a life, and its figures."""
    evidence = evidence_of(driver, seed)
    return check(evidence), dict(figures(driver, evidence))

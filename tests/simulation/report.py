"""What became of a life: the checker's evidence, and figures."""

import sqlite3
from collections import Counter
from dataclasses import asdict
from typing import Any, cast

from activities.model.identifiers import WorkflowName
from activities.plan.guards.settings import RateSettings
from deploy.simulator.topology import COMMITTEE
from tests.simulation.driver import PERIOD_SECONDS, LifeDriver
from tests.simulation.environment import SimulatedEnvironment
from tests.simulation.memory_store import InlineDatabase
from tests.soak.checker.check import find_violations
from tests.soak.checker.evidence import Evidence, Row, Violation
from tests.soak.checker.loader import load_rows

HOUR_SECONDS = 3600.0


def build_evidence(driver: LifeDriver, seed: int) -> Evidence:
    """Return what the checker judges."""
    world = driver.environment
    runs = [*world.engine.closed, *world.engine.running.values()]
    database = cast(InlineDatabase, world.store.database)
    raw = database.engine.raw_connection()
    rows = load_rows(cast(sqlite3.Connection, raw.driver_connection))
    raw.close()
    return Evidence(
        seed=seed,
        ledger=tuple(asdict(entry) for entry in world.plant.ledger),
        histories=tuple(run.to_row() for run in runs),
        committee=tuple(world.charter.effects),
        alerts=tuple(driver.alerts),
        observed_at=tuple(driver.observed_at),
        blind_intervals=tuple(driver.incidents.blind_intervals),
        generations={entry.knob: fetch_generation(world, entry.knob) for entry in world.plant.ledger},
        budgets=build_budgets(world.settings.plan.rates) if driver.has_guards else (),
        is_clock_correct=not world.counts["clock steps"],
        period_seconds=PERIOD_SECONDS,
        quiet_since=driver.quiet_since,
        ended_at=world.now,
        **rows,
    )


def build_budgets(rates: RateSettings) -> tuple[tuple[str, int, float], ...]:
    """Return the budgets as the checker wants them."""
    return (
        ("knob", rates.knob_per_hour, HOUR_SECONDS),
        ("knob", rates.knob_per_day, 24 * HOUR_SECONDS),
        ("loop", rates.loop_per_hour, HOUR_SECONDS),
    )


def fetch_generation(environment: SimulatedEnvironment, knob: str) -> int:
    """Return a knob's generation at Charter."""
    plant = environment.plant
    return plant.committee.generation if knob == COMMITTEE else plant.policies.knob(knob).generation


def count_figures(driver: LifeDriver, evidence: Evidence) -> Counter[str]:
    """Return what was done and what came of it, by name."""
    found: Counter[str] = Counter(driver.environment.counts)
    found.update(driver.random_faults.counts)
    tally = driver.cycle_counts
    found["cycles"] = tally.idle_count + tally.full_count
    found["cycles idle"], found["cycles skipped"] = tally.idle_count, tally.skipped_count
    found["cycles guarded"] = found["cycles"] if driver.has_guards else 0
    found["storms"] = sum(row["kind"] == "storm" and row["summary"].startswith("entered") for row in evidence.audit)
    found["faults brought"] = driver.incidents.count
    found["incidents"] = len({plan["incident_id"] for plan in evidence.plans})
    found["effects of ours"] = len(evidence.effects)
    for run in evidence.list_remediations():
        found[f"ending {run['outcome'] or run['status']}"] += 1
        for event in run["events"]:
            if event["event"] == "activity" and event["name"] == "verify" and judged_plan(event):
                found[f"verdict {event['result']['verdict']}"] += 1
    for run in evidence.histories:
        if run["type"] == WorkflowName.CYCLE:
            found[f"cycle {run['outcome'] or run['status']}"] += 1
        found["crashes"] += sum(event["event"] == "crash" for event in run["events"])
    return found


def judged_plan(event: Row) -> bool:
    """Tell whether a verification judged a plan: neither a rollback nor one that has an outcome already."""
    return not event["rollback"] and not event["result"]["headline"].startswith("the plan ended before")


def check_life(driver: LifeDriver, seed: int) -> tuple[list[Violation], dict[str, Any]]:
    """Return the violations of a life, and its figures."""
    evidence = build_evidence(driver, seed)
    return find_violations(evidence), dict(count_figures(driver, evidence))

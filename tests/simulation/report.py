"""The result of a life: the checker's evidence, violations, and figures."""

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
    """Return the evidence of a life for the checker."""
    environment = driver.environment
    runs = [*environment.engine.closed, *environment.engine.running.values()]
    database = cast(InlineDatabase, environment.store.database)
    raw = database.engine.raw_connection()
    rows = load_rows(cast(sqlite3.Connection, raw.driver_connection))
    raw.close()
    return Evidence(
        seed=seed,
        ledger=tuple(asdict(entry) for entry in environment.plant.ledger),
        histories=tuple(run.to_row() for run in runs),
        committee=tuple(environment.charter.effects),
        alerts=tuple(driver.alerts),
        observed_at=tuple(driver.observed_at),
        blind_intervals=tuple(driver.incidents.blind_intervals),
        generations={entry.knob: fetch_generation(environment, entry.knob) for entry in environment.plant.ledger},
        budgets=build_budgets(environment.settings.plan.rates) if driver.has_guards else (),
        is_clock_correct=not environment.counts["clock steps"],
        period_seconds=PERIOD_SECONDS,
        quiet_since=driver.quiet_since,
        ended_at=environment.now,
        **rows,
    )


def build_budgets(rates: RateSettings) -> tuple[tuple[str, int, float], ...]:
    """Return the budgets as `Evidence` has them."""
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
    """Return the counts of cycles, faults, effects, outcomes and verdicts by name."""
    figures: Counter[str] = Counter(driver.environment.counts)
    figures.update(driver.random_faults.counts)
    counts = driver.cycle_counts
    figures["cycles"] = counts.idle_count + counts.full_count
    figures["cycles idle"], figures["cycles skipped"] = counts.idle_count, counts.skipped_count
    figures["cycles guarded"] = figures["cycles"] if driver.has_guards else 0
    figures["storms"] = sum(row["kind"] == "storm" and row["summary"].startswith("entered") for row in evidence.audit)
    figures["faults brought"] = driver.incidents.count
    figures["incidents"] = len({plan["incident_id"] for plan in evidence.plans})
    figures["effects of ours"] = len(evidence.effects)
    for run in evidence.list_remediations():
        figures[f"ending {run['outcome'] or run['status']}"] += 1
        for event in run["events"]:
            if event["event"] == "activity" and event["name"] == "verify" and judged_plan(event):
                figures[f"verdict {event['result']['verdict']}"] += 1
    for run in evidence.histories:
        if run["type"] == WorkflowName.CYCLE:
            figures[f"cycle {run['outcome'] or run['status']}"] += 1
        figures["crashes"] += sum(event["event"] == "crash" for event in run["events"])
    return figures


def judged_plan(event: Row) -> bool:
    """Return whether a verification reached a verdict on an open plan, not on a rollback."""
    return not event["rollback"] and not event["result"]["headline"].startswith("the plan ended before")


def check_life(driver: LifeDriver, seed: int) -> tuple[list[Violation], dict[str, Any]]:
    """Return the violations of a life, and its figures."""
    evidence = build_evidence(driver, seed)
    return find_violations(evidence), dict(count_figures(driver, evidence))

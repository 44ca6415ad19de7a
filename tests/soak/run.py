"""`python -m tests.soak.run`: inject faults into real processes for some time, and report the violations.

A soak consists of rounds. In a round incidents come and go at every Charter, requests are spoiled, one task kills
processes and another injects all other faults. Then all faults are cleared, everything comes to rest, and the checker
reads ledger, store and histories. Exit 0 only without a violation.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from tests.soak.checker.check import find_violations
from tests.soak.checker.evidence import Violation
from tests.soak.checker.outcomes import GRACE_SECONDS
from tests.soak.faults.coverage import list_points
from tests.soak.faults.injections import FaultInjector, make_random_fault_rule
from tests.soak.faults.kills import KillScheduler
from tests.soak.faults.unauthorized_posts import UnauthorizedSender
from tests.soak.harness.deadlines import SoakStalled, time_limit
from tests.soak.harness.evidence_collection import EvidenceCollector
from tests.soak.harness.fleet import PERIOD_SECONDS, Fleet, wait_until_serving
from tests.soak.harness.measurements import run_measurements
from tests.soak.harness.report import ROUND_SECONDS, SoakRun, build_report, print_report
from tests.soak.harness.servers import running_fleet
from tests.soak.harness.upgrade import run_upgrade
from tests.soak.harness.workload import Workload, answer_remediation

SoakTasks = tuple[KillScheduler, FaultInjector, Workload, UnauthorizedSender]
"""The tasks of a round."""
REST_TIMEOUT_SECONDS = 150.0
"""Maximum seconds from the end of the faults until no remediation runs."""
STALL_MARGIN_SECONDS = 180.0
"""Seconds beyond the limit of a round or a rest until it counts as stalled: a started action may end."""
REQUEST_FAULT_SHARE, ALERT_FAULT_SHARE = 0.02, 0.3
"""The fraction of spoiled requests to Charter and Prometheus, and of the few to the webhook."""
HANG_TIMEOUT_SECONDS = 60.0
"""Seconds after which a fault beside the kills counts as stalled; the longest ones take a third of it."""
PAUSE_SECONDS = 4.0
"""Seconds between two faults beside the kills, so that remediations progress."""


async def run_soak(run: SoakRun, state: Path, minutes: float) -> dict[str, Any]:
    """Play rounds until the end of the time, and return the report."""
    async with running_fleet(state, run.sites, run.seed, run.count_proxy_fault) as fleet:
        kills = KillScheduler(
            fleet,
            Random(f"{run.seed} kills"),
            run.counts,
            run.print_progress,
            run.kill_targets,
            run.min_in_flight,
            run.gather_timeout_seconds,
        )
        unauthorized_sender = UnauthorizedSender(fleet, run.seed)
        collector = EvidenceCollector(fleet, run.seed, unauthorized_posts=unauthorized_sender.posts)
        injector = FaultInjector(
            fleet, Random(f"{run.seed} hands"), run.counts, collector.blind_intervals, kills.open_points
        )
        workload = Workload(fleet, run.seed, kills.open_points)
        tasks = (kills, injector, workload, unauthorized_sender)
        await fleet.start_worker()
        await wait_until_serving(fleet)
        run.print_progress(f"seed {run.seed}: {len(run.sites)} Charters, all servers run")
        try:
            if run.has_measurements:
                await measure_fleet(run, fleet)
                await play_upgrade(run, fleet, state.parent / "new")
                run.counts.clear()  # the report counts only the faults of the rounds
            while not run.round_count or time.monotonic() - run.started_at < minutes * 60 - run.round_seconds / 2:
                remaining = minutes * 60 - (time.monotonic() - run.started_at)
                seconds = min(run.round_seconds, max(60.0, remaining - REST_TIMEOUT_SECONDS / 2))
                async with time_limit(f"round {run.round_count + 1}", seconds + STALL_MARGIN_SECONDS):
                    await play_round(run, fleet, tasks, seconds)
                async with time_limit(
                    f"the rest after round {run.round_count + 1}", REST_TIMEOUT_SECONDS + STALL_MARGIN_SECONDS
                ):
                    await check_at_rest(run, fleet, collector)
                run.round_count += 1
                run.print_progress(format_progress(run, kills, workload))
        except Exception as error:  # the report of an hour must survive any error
            traceback.print_exc()
            run.violations.append(f"the soak ended early: {type(error).__name__}: {error}")
    return build_report(run, *tasks)


def format_progress(run: SoakRun, kills: KillScheduler, workload: Workload) -> str:
    """Return the progress in one line."""
    busy_kills = sum(kill.is_busy_enough for kill in kills.records if kill.target.startswith("worker"))
    return (
        f"round {run.round_count}: {sum(run.counts.values())} faults, {run.counts['worker killed']} worker kills"
        f" ({busy_kills} with 4 in flight), {run.counts['server killed']} server kills, {len(kills.open_points)} of"
        f" {len(list_points())} points open, {workload.incident_count} incidents, {len(run.violations)} violations"
    )


async def play_upgrade(run: SoakRun, fleet: Fleet, folder: Path) -> None:
    """Play the upgrade gate; its failures are violations."""
    failures = await run_upgrade(fleet, fleet.sites[:3], folder)
    run.violations += [f"upgrade: {text}" for text in failures]
    run.measurements.append(f"started by the old code, finished by the new: {len(failures)} failures")
    run.print_progress(run.measurements[-1])


async def measure_fleet(run: SoakRun, fleet: Fleet) -> None:
    """Run the measurements; a value beyond its limit is a violation."""
    for measurement in await run_measurements(fleet):
        run.measurements.append(str(measurement))
        run.print_progress(str(measurement))
        if not measurement.is_within_limit:
            run.violations.append(f"measured: {measurement}")


async def play_round(run: SoakRun, fleet: Fleet, tasks: SoakTasks, seconds: float) -> None:
    """Inject faults for some seconds, then clear all of them."""
    kills, injector, workload, unauthorized_sender = tasks
    dice = Random(f"{run.seed} {run.round_count}")
    for site in fleet.sites:
        for proxy in (site.charter_proxy, site.prometheus_proxy):
            proxy.random_rule = make_random_fault_rule(dice, REQUEST_FAULT_SHARE)
    fleet.alertmanager.webhook_proxy.random_rule = make_random_fault_rule(dice, ALERT_FAULT_SHARE)
    background_work = [
        *(workload.play_incidents(site) for site in fleet.sites),
        workload.answer_approvals(),
        unauthorized_sender.send_posts(),
    ]
    background_tasks = [asyncio.create_task(work) for work in background_work]
    until = time.monotonic() + seconds
    try:
        await asyncio.gather(
            *(repeat_until(work, until) for work in (kill_repeatedly(kills), inject_repeatedly(injector)))
        )
        for task in background_tasks:
            if task.done():
                task.result()
    finally:
        for task in background_tasks:
            task.cancel()
        await asyncio.gather(*background_tasks, return_exceptions=True)
    await clear_all_faults(fleet)


async def repeat_until(work: AsyncIterator[None], deadline: float) -> None:
    """Repeat the work until the deadline (`time.monotonic()`); started work is finished."""
    async for _ in work:
        if time.monotonic() > deadline:
            return


async def kill_repeatedly(kills: KillScheduler) -> AsyncIterator[None]:
    """Kill one target after the other."""
    while True:
        await kills.kill_next()
        yield


async def inject_repeatedly(injector: FaultInjector) -> AsyncIterator[None]:
    """Inject one fault after the other. A stalled one is reported, abandoned and not counted."""
    while True:
        with suppress(SoakStalled):
            async with time_limit("one fault beside the kills", HANG_TIMEOUT_SECONDS):
                await injector.inject_random_fault()
        await asyncio.sleep(PAUSE_SECONDS)
        yield


async def clear_all_faults(fleet: Fleet) -> None:
    """Clear every fault: no request is spoiled, all servers answer, one worker serves."""
    fleet.temporal_proxy.clear_fault()
    fleet.alertmanager.webhook_proxy.random_rule = lambda _: None
    for point in fleet.failpoints.list_armed():
        fleet.failpoints.disarm(point)
    for site in fleet.sites:
        site.clear_proxy_faults()
        await site.clear_faults()
    if "first" not in fleet.live_workers:
        await fleet.start_worker()
    await wait_until_serving(fleet)


async def check_at_rest(run: SoakRun, fleet: Fleet, collector: EvidenceCollector) -> None:
    """Wait until no remediation runs, and report the checker's violations."""
    quiet_since = time.time()
    dice = Random(f"{run.seed} rest")
    while running := await fleet.remediation_list.list_running():
        if time.time() - quiet_since > REST_TIMEOUT_SECONDS:
            run.violations += [
                f"I4: {remediation.workflow_id} is still in {remediation.phase} after {REST_TIMEOUT_SECONDS:.0f} s"
                for remediation in running
            ]
            run.print_progress(run.violations[-1])
            break
        for remediation in running:
            if remediation.phase in ("awaiting-approval", "quarantined") and dice.random() < 0.5:
                await answer_remediation(fleet, remediation, approve=False)
        await asyncio.sleep(1.0)
    await asyncio.sleep(max(0.0, quiet_since + 2 * PERIOD_SECONDS + GRACE_SECONDS + 1.0 - time.time()))
    # Alerts due until now are checked; a cycle that started until now has a period to observe.
    ended_at = time.time()
    await asyncio.sleep(PERIOD_SECONDS)
    await collector.fetch_histories()
    for violation in find_violations(await collector.find_leaks()):
        report_violation(run, "all sites", violation)
    for site in fleet.sites:
        await fleet.store.guards.close_quiet(site.name, time.time())
        for violation in find_violations(await collector.build_evidence(site, quiet_since, ended_at)):
            report_violation(run, site.name, violation)


def report_violation(run: SoakRun, site: str, violation: Violation) -> None:
    """Print a violation the first time it occurs."""
    text = f"{site}: {violation}"
    if text not in run.violations:
        run.violations.append(text)
        run.print_progress(f"VIOLATION {text}")
        for row in violation.rows[:3]:
            run.print_progress(f"  {json.dumps(row, default=str)[:400]}")


def main() -> int:
    """Run a soak. Return 0 without a violation and, at full length, with all minimum counts reached; else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.run", description=__doc__)
    parser.add_argument("--minutes", type=float, default=52.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--round", type=float, default=ROUND_SECONDS, help="seconds of faults before everything must come to rest"
    )
    parser.add_argument("--json", type=Path, help="file for the report")
    parser.add_argument("--keep", action="store_true", help="keep the state folder")
    parser.add_argument("--no-measuring", action="store_true", help="start the faults without measurements")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mapek-soak-"))
    run = SoakRun(options.seed, not options.no_measuring, round_seconds=options.round)
    try:
        report = asyncio.run(run_soak(run, folder / "state", options.minutes))
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return print_report(report, options.minutes)


if __name__ == "__main__":
    sys.exit(main())

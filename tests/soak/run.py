"""`python -m tests.soak.run`: faults on real processes until the time is over, and what they broke.

A soak is a row of rounds. In a round troubles come and go at every Charter, requests are spoiled on their way, one
task kills and another one does everything else. Then it becomes quiet, everything comes to rest, and the checker reads
ledger, store and histories. Exit 0 only without a violation.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
import traceback
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
"""What happens in a round."""
REST_TIMEOUT_SECONDS = 150.0
"""Seconds until nothing runs any more once it is quiet, at most."""
STALL_MARGIN_SECONDS = 180.0
"""Seconds beyond their time after which a round, and a rest, count as stalled: what has begun may end."""
REQUEST_FAULT_SHARE, ALERT_FAULT_SHARE = 0.02, 0.3
"""Of the requests to Charter and Prometheus, and of the few to the webhook, how many are spoiled."""
HANG_TIMEOUT_SECONDS = 60.0
"""Seconds after which a fault beside the kills counts as hung; the longest ones take a third of it."""
PAUSE_SECONDS = 4.0
"""Seconds between two things that are done beside killing: enough for remediations to get anywhere."""


async def run_soak(run: SoakRun, state: Path, minutes: float) -> dict[str, Any]:
    """Play rounds until the time is over, and return the report."""
    async with running_fleet(state, run.sites, run.seed, run.count_proxy_fault) as running:
        kills = KillScheduler(
            running,
            Random(f"{run.seed} kills"),
            run.counts,
            run.print_progress,
            run.kill_targets,
            run.min_in_flight,
            run.gather_timeout_seconds,
        )
        strangers = UnauthorizedSender(running, run.seed)
        gathering = EvidenceCollector(running, run.seed, unauthorized_posts=strangers.posts)
        hands = FaultInjector(
            running, Random(f"{run.seed} hands"), run.counts, gathering.blind_intervals, kills.open_points
        )
        traffic = Workload(running, run.seed, kills.open_points)
        parts = (kills, hands, traffic, strangers)
        await running.start_worker()
        await wait_until_serving(running)
        run.print_progress(f"seed {run.seed}: {len(run.sites)} Charters, everything is up")
        try:
            if run.has_measurements:
                await measure_fleet(run, running)
                await play_upgrade(run, running, state.parent / "new")
                run.counts.clear()  # what was measured was no test of endurance
            while not run.round_count or time.monotonic() - run.started_at < minutes * 60 - run.round_seconds / 2:
                left = minutes * 60 - (time.monotonic() - run.started_at)
                seconds = min(run.round_seconds, max(60.0, left - REST_TIMEOUT_SECONDS / 2))
                async with time_limit(f"round {run.round_count + 1}", seconds + STALL_MARGIN_SECONDS):
                    await play_round(run, running, parts, seconds)
                async with time_limit(
                    f"the rest after round {run.round_count + 1}", REST_TIMEOUT_SECONDS + STALL_MARGIN_SECONDS
                ):
                    await check_at_rest(run, running, gathering)
                run.round_count += 1
                run.print_progress(format_progress(run, kills, traffic))
        except Exception as error:  # what was seen in an hour is told, whatever ends it
            traceback.print_exc()
            run.violations.append(f"the soak ended early: {type(error).__name__}: {error}")
    return build_report(run, *parts)


def format_progress(run: SoakRun, kills: KillScheduler, workload: Workload) -> str:
    """Return what was done until now, in one line."""
    counted = sum(kill.is_busy_enough for kill in kills.records if kill.target.startswith("worker"))
    return (
        f"round {run.round_count}: {sum(run.counts.values())} faults, {run.counts['worker killed']} worker kills"
        f" ({counted} with 4 in flight), {run.counts['server killed']} server kills, {len(kills.open_points)} of"
        f" {len(list_points())} points open, {workload.incident_count} troubles, {len(run.violations)} violations"
    )


async def play_upgrade(run: SoakRun, fleet: Fleet, folder: Path) -> None:
    """Play the upgrade gate; what goes wrong in it is a violation."""
    wrong = await run_upgrade(fleet, fleet.sites[:3], folder)
    run.violations += [f"upgrade: {text}" for text in wrong]
    run.measurements.append(f"begun by the old code, finished by the new: {len(wrong)} went wrong")
    run.print_progress(run.measurements[-1])


async def measure_fleet(run: SoakRun, fleet: Fleet) -> None:
    """Measure what is bounded in seconds and rates; a bound that is not kept is a violation too."""
    for figure in await run_measurements(fleet):
        run.measurements.append(str(figure))
        run.print_progress(str(figure))
        if not figure.is_within_limit:
            run.violations.append(f"measured: {figure}")


async def play_round(run: SoakRun, fleet: Fleet, tasks: SoakTasks, seconds: float) -> None:
    """Let everything happen for some seconds, then take every fault away."""
    kills, hands, traffic, strangers = tasks
    dice = Random(f"{run.seed} {run.round_count}")
    for site in fleet.sites:
        for proxy in (site.charter_proxy, site.prometheus_proxy):
            proxy.random_rule = make_random_fault_rule(dice, REQUEST_FAULT_SHARE)
    fleet.alertmanager.webhook_proxy.random_rule = make_random_fault_rule(dice, ALERT_FAULT_SHARE)
    works = [
        *(traffic.play_incidents(site) for site in fleet.sites),
        traffic.answer_approvals(),
        strangers.send_posts(),
    ]
    life = [asyncio.create_task(work) for work in works]
    until = time.monotonic() + seconds
    try:
        await asyncio.gather(
            *(repeat_until(work, until) for work in (kill_repeatedly(kills), inject_repeatedly(hands)))
        )
        for task in life:
            if task.done():
                task.result()
    finally:
        for task in life:
            task.cancel()
        await asyncio.gather(*life, return_exceptions=True)
    await clear_all_faults(fleet)


async def repeat_until(work: Any, deadline: float) -> None:
    """Do the work again and again until the time is over; what has begun is finished."""
    async for _ in work:
        if time.monotonic() > deadline:
            return


async def kill_repeatedly(kills: KillScheduler) -> Any:
    """Kill one thing after the other."""
    while True:
        await kills.kill_next()
        yield


async def inject_repeatedly(injector: FaultInjector) -> Any:
    """Do one other thing after the other. One of them that hangs is told and given up: it is ours, not the loop's."""
    while True:
        with suppress(SoakStalled):
            async with time_limit("one fault beside the kills", HANG_TIMEOUT_SECONDS):
                await injector.inject_random_fault()
        await asyncio.sleep(PAUSE_SECONDS)
        yield


async def clear_all_faults(fleet: Fleet) -> None:
    """Take every fault away: nothing is spoiled, everything answers, one worker serves."""
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
    """Wait until everything rests, and let the checker read what is left of it."""
    quiet = time.time()
    people = Random(f"{run.seed} rest")
    while held := await fleet.remediation_list.list_running():
        if time.time() - quiet > REST_TIMEOUT_SECONDS:
            run.violations += [
                f"I4: {one.workflow_id} is still in {one.phase} after {REST_TIMEOUT_SECONDS:.0f} s" for one in held
            ]
            run.print_progress(run.violations[-1])
            break
        for one in held:
            if one.phase in ("awaiting-approval", "quarantined") and people.random() < 0.5:
                await answer_remediation(fleet, one, approve=False)
        await asyncio.sleep(1.0)
    await asyncio.sleep(max(0.0, quiet + 2 * PERIOD_SECONDS + GRACE_SECONDS + 1.0 - time.time()))
    # What is due by now is judged, and a cycle that began by now has a period to look before the histories are read.
    ended = time.time()
    await asyncio.sleep(PERIOD_SECONDS)
    await collector.fetch_histories()
    for violation in find_violations(await collector.find_leaks()):
        report_violation(run, "everything", violation)
    for site in fleet.sites:
        await fleet.store.guards.close_quiet(site.name, time.time())
        for violation in find_violations(await collector.build_evidence(site, quiet, ended)):
            report_violation(run, site.name, violation)


def report_violation(run: SoakRun, site: str, violation: Violation) -> None:
    """Print a violation the first time it is seen."""
    text = f"{site}: {violation}"
    if text not in run.violations:
        run.violations.append(text)
        run.print_progress(f"VIOLATION {text}")
        for row in violation.rows[:3]:
            run.print_progress(f"  {json.dumps(row, default=str)[:400]}")


def main() -> int:
    """Run a soak. Returns 0 without a violation and, at full length, with everything reached; else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.run", description=__doc__)
    parser.add_argument("--minutes", type=float, default=52.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--round", type=float, default=ROUND_SECONDS, help="seconds of faults before everything has to rest"
    )
    parser.add_argument("--json", type=Path, help="where the report goes")
    parser.add_argument("--keep", action="store_true", help="keep the state folder")
    parser.add_argument("--no-measuring", action="store_true", help="torment at once")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mapek-soak-"))
    run = SoakRun(options.seed, not options.no_measuring, round_seconds=options.round)
    try:
        told = asyncio.run(run_soak(run, folder / "state", options.minutes))
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        options.json.write_text(json.dumps(told, indent=2) + "\n")
    return print_report(told, options.minutes)


if __name__ == "__main__":
    sys.exit(main())

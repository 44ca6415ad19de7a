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

from tests.soak.checker.check import check
from tests.soak.checker.evidence import Violation
from tests.soak.checker.outcomes import GRACE
from tests.soak.faults.coverage import cells
from tests.soak.faults.injections import Hands, weather
from tests.soak.faults.kills import Kills
from tests.soak.faults.unauthorized_posts import Strangers
from tests.soak.harness.deadlines import Stalled, within
from tests.soak.harness.evidence_collection import Gathering
from tests.soak.harness.fleet import PERIOD, Fleet, until_serving
from tests.soak.harness.measurements import measured
from tests.soak.harness.report import ROUND, Soak, report, told_of
from tests.soak.harness.servers import fleet
from tests.soak.harness.upgrade import upgraded
from tests.soak.harness.workload import Traffic, answered

Parts = tuple[Kills, Hands, Traffic, Strangers]
"""What happens in a round."""
REST = 150.0
"""Seconds until nothing runs any more once it is quiet, at most."""
LONGEST = 180.0
"""Seconds beyond their time after which a round, and a rest, count as stalled: what has begun may end."""
SHARE, ALERTS_SHARE = 0.02, 0.3
"""Of the requests to Charter and Prometheus, and of the few to the webhook, how many are spoiled."""
HUNG = 60.0
"""Seconds after which a fault beside the kills counts as hung; the longest ones take a third of it."""
PAUSE = 4.0
"""Seconds between two things that are done beside killing: enough for remediations to get anywhere."""


async def soak(run: Soak, state: Path, minutes: float) -> dict[str, Any]:
    """Play rounds until the time is over, and return the report."""
    async with fleet(state, run.sites, run.seed, run.spoiled) as running:
        kills = Kills(running, Random(f"{run.seed} kills"), run.counts, run.say, run.what, run.much, run.gathers)
        strangers = Strangers(running, run.seed)
        gathering = Gathering(running, run.seed, strangers=strangers.posts)
        hands = Hands(running, Random(f"{run.seed} hands"), run.counts, gathering.blind, kills.open)
        traffic = Traffic(running, run.seed, kills.open)
        parts = (kills, hands, traffic, strangers)
        await running.start_worker()
        await until_serving(running)
        run.say(f"seed {run.seed}: {len(run.sites)} Charters, everything is up")
        try:
            if run.measuring:
                await measurements(run, running)
                await upgrade(run, running, state.parent / "new")
                run.counts.clear()  # what was measured was no test of endurance
            while not run.rounds or time.monotonic() - run.began < minutes * 60 - run.round / 2:
                left = minutes * 60 - (time.monotonic() - run.began)
                seconds = min(run.round, max(60.0, left - REST / 2))
                async with within(f"round {run.rounds + 1}", seconds + LONGEST):
                    await one_round(run, running, parts, seconds)
                async with within(f"the rest after round {run.rounds + 1}", REST + LONGEST):
                    await checked(run, running, gathering)
                run.rounds += 1
                run.say(so_far(run, kills, traffic))
        except Exception as error:  # what was seen in an hour is told, whatever ends it
            traceback.print_exc()
            run.violations.append(f"the soak ended early: {type(error).__name__}: {error}")
    return report(run, *parts)


def so_far(run: Soak, kills: Kills, traffic: Traffic) -> str:
    """Return what was done until now, in one line."""
    counted = sum(kill.counts for kill in kills.done if kill.what.startswith("worker"))
    return (
        f"round {run.rounds}: {sum(run.counts.values())} faults, {run.counts['worker killed']} worker kills"
        f" ({counted} with 4 in flight), {run.counts['server killed']} server kills, {len(kills.open)} of"
        f" {len(cells())} points open, {traffic.incidents} troubles, {len(run.violations)} violations"
    )


async def upgrade(run: Soak, running: Fleet, folder: Path) -> None:
    """Play the upgrade gate; what goes wrong in it is a violation."""
    wrong = await upgraded(running, running.sites[:3], folder)
    run.violations += [f"upgrade: {text}" for text in wrong]
    run.figures.append(f"begun by the old code, finished by the new: {len(wrong)} went wrong")
    run.say(run.figures[-1])


async def measurements(run: Soak, running: Fleet) -> None:
    """Measure what is bounded in seconds and rates; a bound that is not kept is a violation too."""
    for figure in await measured(running):
        run.figures.append(str(figure))
        run.say(str(figure))
        if not figure.good:
            run.violations.append(f"measured: {figure}")


async def one_round(run: Soak, running: Fleet, parts: Parts, seconds: float) -> None:
    """Let everything happen for some seconds, then take every fault away."""
    kills, hands, traffic, strangers = parts
    dice = Random(f"{run.seed} {run.rounds}")
    for site in running.sites:
        for proxy in (site.to_charter, site.to_prometheus):
            proxy.weather = weather(dice, SHARE)
    running.alerting.to_webhook.weather = weather(dice, ALERTS_SHARE)
    works = [*(traffic.at(site) for site in running.sites), traffic.people(), strangers.knock()]
    life = [asyncio.create_task(work) for work in works]
    until = time.monotonic() + seconds
    try:
        await asyncio.gather(*(repeated(work, until) for work in (killing(kills), others(hands))))
        for task in life:
            if task.done():
                task.result()
    finally:
        for task in life:
            task.cancel()
        await asyncio.gather(*life, return_exceptions=True)
    await calmed(running)


async def repeated(work: Any, until: float) -> None:
    """Do the work again and again until the time is over; what has begun is finished."""
    async for _ in work:
        if time.monotonic() > until:
            return


async def killing(kills: Kills) -> Any:
    """Kill one thing after the other."""
    while True:
        await kills.one()
        yield


async def others(hands: Hands) -> Any:
    """Do one other thing after the other. One of them that hangs is told and given up: it is ours, not the loop's."""
    while True:
        with suppress(Stalled):
            async with within("one fault beside the kills", HUNG):
                await hands.one()
        await asyncio.sleep(PAUSE)
        yield


async def calmed(running: Fleet) -> None:
    """Take every fault away: nothing is spoiled, everything answers, one worker serves."""
    running.to_temporal.heal()
    running.alerting.to_webhook.weather = lambda _: None
    for point in running.points.armed():
        running.points.disarm(point)
    for site in running.sites:
        site.undisturbed()
        await site.heal()
    if "first" not in running.alive:
        await running.start_worker()
    await until_serving(running)


async def checked(run: Soak, running: Fleet, gathering: Gathering) -> None:
    """Wait until everything rests, and let the checker read what is left of it."""
    quiet = time.time()
    people = Random(f"{run.seed} rest")
    while held := await running.census.running():
        if time.time() - quiet > REST:
            run.violations += [f"I4: {one.workflow_id} is still in {one.phase} after {REST:.0f} s" for one in held]
            run.say(run.violations[-1])
            break
        for one in held:
            if one.phase in ("awaiting-approval", "quarantined") and people.random() < 0.5:
                await answered(running, one, approve=False)
        await asyncio.sleep(1.0)
    await asyncio.sleep(max(0.0, quiet + 2 * PERIOD + GRACE + 1.0 - time.time()))
    # What is due by now is judged, and a cycle that began by now has a period to look before the histories are read.
    ended = time.time()
    await asyncio.sleep(PERIOD)
    await gathering.look()
    for violation in check(await gathering.told()):
        tell(run, "everything", violation)
    for site in running.sites:
        await running.store.guards.close_quiet(site.name, time.time())
        for violation in check(await gathering.evidence(site, quiet, ended)):
            tell(run, site.name, violation)


def tell(run: Soak, site: str, violation: Violation) -> None:
    """Print a violation the first time it is seen."""
    text = f"{site}: {violation}"
    if text not in run.violations:
        run.violations.append(text)
        run.say(f"VIOLATION {text}")
        for row in violation.rows[:3]:
            run.say(f"  {json.dumps(row, default=str)[:400]}")


def main() -> int:
    """Run a soak. Returns 0 without a violation and, at full length, with everything reached; else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.run", description=__doc__)
    parser.add_argument("--minutes", type=float, default=52.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--round", type=float, default=ROUND, help="seconds of faults before everything has to rest")
    parser.add_argument("--json", type=Path, help="where the report goes")
    parser.add_argument("--keep", action="store_true", help="keep the state folder")
    parser.add_argument("--no-measuring", action="store_true", help="torment at once")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mapek-soak-"))
    run = Soak(options.seed, not options.no_measuring, round=options.round)
    try:
        told = asyncio.run(soak(run, folder / "state", options.minutes))
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        options.json.write_text(json.dumps(told, indent=2) + "\n")
    return told_of(told, options.minutes)


if __name__ == "__main__":
    sys.exit(main())

"""Storms through the real Alertmanager: many groups at once, a burst, and Temporal away in the middle."""

import asyncio
import time

from activities.model.alert_state import AlertBook
from tests.load.alerts.figures import group, say
from tests.support.alert_stack import Rig

GROUPS = 1000
BURST = 20_000
OUTAGE = 60.0
"""Seconds Temporal is away."""
STORM_GROUPS = 720
"""Groups of 5 alerts fired while it is, and half a minute around that: fewer than the intake remembers one by one."""
STORM_EVERY = 0.125
"""Seconds between two groups of it."""


async def groups(rig: Rig) -> bool:
    """1,000 groups: accepted in 3 s beyond the group_wait of 1 s, in a fifth of the signals, none lost or doubled."""
    since, signals = time.time(), await rig.metric("mapek_alert_signals_total")
    before = await rig.book()
    await rig.fire([one for number in range(GROUPS) for one in group(number)])
    await accepted(rig, news(before) + GROUPS, 60)
    took = time.time() - since - 1.0
    book = await rig.settled(news(before) + GROUPS, 30)
    signals = await rig.metric("mapek_alert_signals_total") - signals
    cycles = await rig.alert_cycles(since)
    known = len(book.known) - len(before.known)
    return say(
        "groups",
        took < 3.0 and signals <= GROUPS / 5 and known == GROUPS and once(cycles, book.cycles - before.cycles),
        seconds=round(took, 2),
        signals=signals,
        known=known,
        cycles=len(cycles),
    )


async def burst(rig: Rig) -> bool:
    """20,000 alerts in 200 groups at once: none lost, none refused for good."""
    since, before = time.time(), await rig.book()
    for start in range(2000, 2200, 10):
        await rig.fire([one for number in range(start, start + 10) for one in group(number, BURST // 200)])
    book = await rig.settled(news(before) + BURST, 240)
    took, refused = time.time() - since, await refusals(rig)
    return say(
        "burst",
        news(book) - news(before) >= BURST and refused == 0,
        seconds=round(took, 1),
        received=news(book) - news(before),
        known=len(book.known),
        refused=refused,
        told_to_come_again=await answers(rig, "503"),
        cycles=book.cycles - before.cycles,
    )


async def killed(rig: Rig) -> bool:
    """The service is killed while Alertmanager tells it of 1,000 groups; it comes back, and each is known once."""
    since, before = time.time(), await rig.book()
    await rig.fire([one for number in range(30_000, 30_000 + GROUPS) for one in group(number)])
    await accepted(rig, news(before) + 1, 30)
    await rig.stack.kill("worker")
    await rig.stack.start_part("worker")
    back = time.time()
    book = await rig.settled(news(before) + GROUPS, 120)
    took, cycles = time.time() - back, await rig.alert_cycles(since)
    known = len(book.known) - len(before.known)
    return say(
        "killed",
        known == GROUPS == news(book) - news(before) and once(cycles, book.cycles - before.cycles),
        seconds_until_settled=round(took, 1),
        known=known,
        told_twice=book.repeated - before.repeated,
        cycles=len(cycles),
    )


async def outage(rig: Rig) -> bool:
    """Temporal goes away for a minute while alerts keep coming: after it is back each is known, once."""
    since, before = time.time(), await rig.book()
    storm = asyncio.create_task(fire_slowly(rig))
    await asyncio.sleep(15)
    await rig.stack.kill("temporal")
    await asyncio.sleep(OUTAGE)
    await rig.stack.start_part("temporal")
    back = time.time()
    await storm
    book = await rig.settled(news(before) + 5 * STORM_GROUPS, 180)
    took, refused, cycles = time.time() - back, await refusals(rig), await rig.alert_cycles(since)
    known, slow = len(book.known) - len(before.known), await slower(rig, "5.0")
    return say(
        "Temporal away",
        known == 5 * STORM_GROUPS and refused == 0 and slow == 0 and once(cycles, book.cycles - before.cycles),
        seconds_until_settled=round(took, 1),
        known=known,
        of=5 * STORM_GROUPS,
        told_to_come_again=await answers(rig, "503"),
        answers_above_5_s=slow,
        refused=refused,
        cycles=book.cycles - before.cycles,
    )


async def fire_slowly(rig: Rig) -> None:
    """Fire the groups of the storm one after the other."""
    began = time.monotonic()
    for number in range(STORM_GROUPS):
        await asyncio.sleep(max(0.0, began + number * STORM_EVERY - time.monotonic()))
        await rig.fire(group(10_000 + number, 5))


async def accepted(rig: Rig, wanted: int, bound: float) -> None:
    """Wait until so many different alerts are received."""
    began = time.monotonic()
    while news(book := await rig.counts()) < wanted:
        assert time.monotonic() - began < bound, f"received {book.received}, repeated {book.repeated}, not {wanted}"
        await asyncio.sleep(0.05)


def news(book: AlertBook) -> int:
    """Return how many states of alerts the intake ever learned."""
    return book.received - book.repeated


def once(cycles: list[str], counted: int) -> bool:
    """Tell whether each cycle the intake counts exists, once; a list is cut at the page size of the look-up."""
    return len(cycles) == len(set(cycles)) and len(cycles) in (counted, 80)


async def answers(rig: Rig, *statuses: str) -> float:
    """Return how many POSTs were answered with one of these."""
    return sum([await rig.metric("mapek_webhook_seconds_count", status=status) for status in statuses])


async def refusals(rig: Rig) -> float:
    """Return how many POSTs got an answer after which Alertmanager does not come again."""
    return await answers(rig, "400", "401", "408", "413", "429")


async def slower(rig: Rig, bound: str) -> float:
    """Return how many answers took longer than `bound`, one of the histogram's."""
    within = await rig.metric("mapek_webhook_seconds_bucket", le=bound)
    return await rig.metric("mapek_webhook_seconds_count") - within

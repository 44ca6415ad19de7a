"""Storms through the real Alertmanager: many groups together, a burst, and Temporal away in the middle."""

import asyncio
import time

from activities.model.alert_state import AlertState
from tests.load.alerts.figures import make_group_labels, report
from tests.support.alert_stack import AlertStack

GROUP_COUNT = 1000
BURST_ALERTS = 20_000
OUTAGE_SECONDS = 60.0
"""Seconds Temporal is away."""
STORM_GROUPS = 720
"""Groups of 5 alerts fired while it is, and half a minute around that: fewer than the intake remembers one by one."""
STORM_INTERVAL_SECONDS = 0.125
"""Seconds between two groups of it."""


async def run_many_groups(alert_stack: AlertStack) -> bool:
    """1,000 groups: accepted in 3 s beyond the group_wait of 1 s, in a fifth of the signals, none lost or doubled."""
    since, signals = time.time(), await alert_stack.sum_metric("mapek_alert_signals_total")
    before = await alert_stack.query_alert_state()
    await alert_stack.fire_alerts([one for number in range(GROUP_COUNT) for one in make_group_labels(number)])
    await wait_until_accepted(alert_stack, count_new_states(before) + GROUP_COUNT, 60)
    took = time.time() - since - 1.0
    book = await alert_stack.wait_until_processed(count_new_states(before) + GROUP_COUNT, 30)
    signals = await alert_stack.sum_metric("mapek_alert_signals_total") - signals
    cycles = await alert_stack.list_alert_cycles(since)
    known = len(book.last_states) - len(before.last_states)
    return report(
        "groups",
        took < 3.0
        and signals <= GROUP_COUNT / 5
        and known == GROUP_COUNT
        and is_each_cycle_once(cycles, book.cycles - before.cycles),
        seconds=round(took, 2),
        signals=signals,
        known=known,
        cycles=len(cycles),
    )


async def run_burst(alert_stack: AlertStack) -> bool:
    """20,000 alerts in 200 groups together: none lost, none refused for good."""
    since, before = time.time(), await alert_stack.query_alert_state()
    for start in range(2000, 2200, 10):
        await alert_stack.fire_alerts(
            [one for number in range(start, start + 10) for one in make_group_labels(number, BURST_ALERTS // 200)]
        )
    book = await alert_stack.wait_until_processed(count_new_states(before) + BURST_ALERTS, 240)
    took, refused = time.time() - since, await count_refusals(alert_stack)
    return report(
        "burst",
        count_new_states(book) - count_new_states(before) >= BURST_ALERTS and refused == 0,
        seconds=round(took, 1),
        received=count_new_states(book) - count_new_states(before),
        known=len(book.last_states),
        refused=refused,
        told_to_come_again=await count_answers(alert_stack, "503"),
        cycles=book.cycles - before.cycles,
    )


async def run_worker_kill(alert_stack: AlertStack) -> bool:
    """The service is killed while Alertmanager posts 1,000 groups; after its restart each is known once."""
    since, before = time.time(), await alert_stack.query_alert_state()
    await alert_stack.fire_alerts(
        [one for number in range(30_000, 30_000 + GROUP_COUNT) for one in make_group_labels(number)]
    )
    await wait_until_accepted(alert_stack, count_new_states(before) + 1, 30)
    await alert_stack.stack.kill("worker")
    await alert_stack.stack.start_service("worker")
    back = time.time()
    book = await alert_stack.wait_until_processed(count_new_states(before) + GROUP_COUNT, 120)
    took, cycles = time.time() - back, await alert_stack.list_alert_cycles(since)
    known = len(book.last_states) - len(before.last_states)
    return report(
        "killed",
        known == GROUP_COUNT == count_new_states(book) - count_new_states(before)
        and is_each_cycle_once(cycles, book.cycles - before.cycles),
        seconds_until_settled=round(took, 1),
        known=known,
        told_twice=book.duplicates - before.duplicates,
        cycles=len(cycles),
    )


async def run_temporal_outage(alert_stack: AlertStack) -> bool:
    """Temporal goes away for a minute while alerts keep coming: after it is back each is known, once."""
    since, before = time.time(), await alert_stack.query_alert_state()
    storm = asyncio.create_task(fire_slowly(alert_stack))
    await asyncio.sleep(15)
    await alert_stack.stack.kill("temporal")
    await asyncio.sleep(OUTAGE_SECONDS)
    await alert_stack.stack.start_service("temporal")
    back = time.time()
    await storm
    book = await alert_stack.wait_until_processed(count_new_states(before) + 5 * STORM_GROUPS, 180)
    took, refused, cycles = (
        time.time() - back,
        await count_refusals(alert_stack),
        await alert_stack.list_alert_cycles(since),
    )
    known, slow = len(book.last_states) - len(before.last_states), await count_slower_than(alert_stack, "5.0")
    return report(
        "Temporal away",
        known == 5 * STORM_GROUPS
        and refused == 0
        and slow == 0
        and is_each_cycle_once(cycles, book.cycles - before.cycles),
        seconds_until_settled=round(took, 1),
        known=known,
        of=5 * STORM_GROUPS,
        told_to_come_again=await count_answers(alert_stack, "503"),
        answers_above_5_s=slow,
        refused=refused,
        cycles=book.cycles - before.cycles,
    )


async def fire_slowly(alert_stack: AlertStack) -> None:
    """Fire the groups of the storm one after the other."""
    began = time.monotonic()
    for number in range(STORM_GROUPS):
        await asyncio.sleep(max(0.0, began + number * STORM_INTERVAL_SECONDS - time.monotonic()))
        await alert_stack.fire_alerts(make_group_labels(10_000 + number, 5))


async def wait_until_accepted(alert_stack: AlertStack, count: int, timeout_seconds: float) -> None:
    """Wait until so many different alerts are received."""
    began = time.monotonic()
    while count_new_states(book := await alert_stack.query_alert_counts()) < count:
        assert time.monotonic() - began < timeout_seconds, (
            f"received {book.received}, repeated {book.duplicates}, not {count}"
        )
        await asyncio.sleep(0.05)


def count_new_states(alert_state: AlertState) -> int:
    """Return how many states of alerts the intake ever learned."""
    return alert_state.received - alert_state.duplicates


def is_each_cycle_once(cycles: list[str], cycle_count: int) -> bool:
    """Return whether each cycle that the intake counts exists once; a list is cut at the page size of the look-up."""
    return len(cycles) == len(set(cycles)) and len(cycles) in (cycle_count, 80)


async def count_answers(alert_stack: AlertStack, *statuses: str) -> float:
    """Return how many POSTs were answered with one of these."""
    return sum(
        [await alert_stack.sum_metric("mapek_webhook_duration_seconds_count", status=status) for status in statuses]
    )


async def count_refusals(alert_stack: AlertStack) -> float:
    """Return how many POSTs got an answer after which Alertmanager does not come again."""
    return await count_answers(alert_stack, "400", "401", "408", "413", "429")


async def count_slower_than(alert_stack: AlertStack, bucket: str) -> float:
    """Return how many answers took longer than `bound`, one of the histogram's."""
    within = await alert_stack.sum_metric("mapek_webhook_duration_seconds_bucket", le=bucket)
    return await alert_stack.sum_metric("mapek_webhook_duration_seconds_count") - within

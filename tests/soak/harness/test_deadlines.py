"""Time limits report the block and its tasks; the due time of an alert excludes outages."""

import asyncio

import pytest

from tests.soak.checker.outcomes import GRACE_SECONDS
from tests.soak.harness.deadlines import SoakStalled, format_task_stack, time_limit
from tests.soak.harness.evidence_collection import RESUME_GRACE_SECONDS, compute_due
from tests.soak.harness.fleet import PERIOD_SECONDS


async def wait_forever() -> None:
    await asyncio.Event().wait()


async def test_a_stalled_block_reports_its_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the block, and the stack of every task is printed."""
    waiting = asyncio.create_task(wait_forever())
    with pytest.raises(SoakStalled, match="the round did not end"):
        async with time_limit("the round", 0.05):
            await wait_forever()
    waiting.cancel()
    assert "test_deadlines.py" in capsys.readouterr().out


async def test_an_error_inside_a_block_is_not_a_stall() -> None:
    """An error before the limit is raised unchanged."""
    with pytest.raises(ValueError, match="other error"):
        async with time_limit("the round", 5.0):
            raise ValueError("other error")


async def test_a_task_s_stack_includes_its_awaited_calls() -> None:
    """The stack begins with the task's own function and ends with the waiting one."""

    async def outer() -> None:
        await wait_forever()

    task = asyncio.create_task(outer())
    await asyncio.sleep(0)
    stack = format_task_stack(task)
    task.cancel()
    assert stack.index(" outer") < stack.index(" wait_forever")


ALERT_LIMIT_SECONDS = 2 * PERIOD_SECONDS + GRACE_SECONDS


@pytest.mark.parametrize(
    ("outages", "expected"),
    [
        ((), ALERT_LIMIT_SECONDS),
        (((-100.0, -50.0),), ALERT_LIMIT_SECONDS),
        (((200.0, 300.0),), ALERT_LIMIT_SECONDS),
        (((-1.0, 10.0),), 10.0 + RESUME_GRACE_SECONDS + ALERT_LIMIT_SECONDS),
        (((-20.0, -1.0),), -1.0 + RESUME_GRACE_SECONDS + ALERT_LIMIT_SECONDS),
        (((1.0, 10.0), (20.0, 40.0)), 40.0 + RESUME_GRACE_SECONDS + ALERT_LIMIT_SECONDS),
    ],
)
def test_an_alert_is_due_two_periods_after_everything_resumed(
    outages: tuple[tuple[float, float], ...], expected: float
) -> None:
    """The time is two periods and the grace, from the answer or from the end of an outage with its resumption."""
    assert compute_due(1000.0, [(1000.0 + start, 1000.0 + end) for start, end in outages]) == 1000.0 + expected

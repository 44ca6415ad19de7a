"""A soak that waits says for what; an alert is due when somebody could have looked."""

import asyncio

import pytest

from tests.soak.checker.outcomes import GRACE_SECONDS
from tests.soak.harness.deadlines import SoakStalled, format_task_stack, time_limit
from tests.soak.harness.evidence_collection import RESUME_GRACE_SECONDS, compute_due
from tests.soak.harness.fleet import PERIOD_SECONDS


async def wait_forever() -> None:
    await asyncio.Event().wait()


async def test_a_block_that_does_not_end_says_who_waits_where(capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the block, and every task of ours is printed with the place it stands at."""
    waiting = asyncio.create_task(wait_forever())
    with pytest.raises(SoakStalled, match="the round did not end"):
        async with time_limit("the round", 0.05):
            await wait_forever()
    waiting.cancel()
    assert "test_deadlines.py" in capsys.readouterr().out


async def test_an_error_inside_a_block_is_its_own() -> None:
    """What goes wrong before the time is over is not called a stall."""
    with pytest.raises(ValueError, match="own"):
        async with time_limit("the round", 5.0):
            raise ValueError("own")


async def test_a_task_is_seen_through_what_it_awaits() -> None:
    """The place goes from the task's own function to the one that waits."""

    async def outer() -> None:
        await wait_forever()

    task = asyncio.create_task(outer())
    await asyncio.sleep(0)
    place = format_task_stack(task)
    task.cancel()
    assert place.index(" outer") < place.index(" wait_forever")


ALERT_LIMIT_SECONDS = 2 * PERIOD_SECONDS + GRACE_SECONDS


@pytest.mark.parametrize(
    ("away", "expected"),
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
    away: tuple[tuple[float, float], ...], expected: float
) -> None:
    """Two periods and the grace from the answer; while nobody could look, and until all has resumed, time stands."""
    assert compute_due(1000.0, [(1000.0 + start, 1000.0 + end) for start, end in away]) == 1000.0 + expected

"""Few signals, each POST answered only after its own are accepted."""

import asyncio
from collections.abc import Sequence

import pytest

from activities.model.alert import Alert, AlertBatch
from activities.model.errors import Overloaded, Unreachable
from worker.webhook import batcher
from worker.webhook.batcher import MAX_ALERTS_PER_SIGNAL, AlertBatcher


def make_alerts(count: int, start: int = 0) -> Sequence[Alert]:
    return [Alert(fingerprint=f"{start + n:016x}", firing=True, starts_at=1.0, name="A") for n in range(count)]


class FakeIntake:
    """Accepts batches once the gate is open; the next `failures` it refuses."""

    def __init__(self) -> None:
        self.batches: list[AlertBatch] = []
        self.accepting = asyncio.Event()
        self.accepting.set()
        self.failures = 0

    async def send(self, batch: AlertBatch) -> None:
        await self.accepting.wait()
        if self.failures:
            self.failures -= 1
            raise Unreachable("down")
        self.batches.append(batch)

    @property
    def accepted(self) -> list[str]:
        return [alert.fingerprint for batch in self.batches for alert in batch.alerts]


@pytest.fixture
def fake_intake() -> FakeIntake:
    return FakeIntake()


async def test_alone_at_once(fake_intake: FakeIntake) -> None:
    """POSTs one after the other are each a signal of their own, without a pause."""
    way = AlertBatcher(fake_intake.send, 5.0)
    began = asyncio.get_running_loop().time()
    for number in range(20):
        await way.submit(make_alerts(1, number))
    assert asyncio.get_running_loop().time() - began < 20 * batcher.MIN_INTERVAL_SECONDS
    assert (len(fake_intake.batches), fake_intake.batches[0].debounce) == (20, 5.0)


async def test_together_they_are_joined(fake_intake: FakeIntake) -> None:
    """What comes in while a signal is on its way shares the next ones, 100 alerts each; none is lost or doubled."""
    way = AlertBatcher(fake_intake.send, 5.0)
    await asyncio.gather(*(way.submit(make_alerts(1, number)) for number in range(1000)))
    assert sorted(fake_intake.accepted) == [alert.fingerprint for alert in make_alerts(1000)]
    assert len(fake_intake.batches) <= 12
    assert max(len(batch.alerts) for batch in fake_intake.batches) == MAX_ALERTS_PER_SIGNAL


async def test_a_large_post_is_split_and_answered_at_the_end(fake_intake: FakeIntake) -> None:
    """A POST of 250 is three signals, and what it left out is told once."""
    await AlertBatcher(fake_intake.send, 5.0).submit(make_alerts(250), omitted=7)
    assert [len(batch.alerts) for batch in fake_intake.batches] == [100, 100, 50]
    assert [batch.omitted for batch in fake_intake.batches] == [7, 0, 0]


async def test_no_answer_before_the_signal_is_accepted(fake_intake: FakeIntake) -> None:
    """While Temporal has not answered, neither do we."""
    fake_intake.accepting.clear()
    handing = asyncio.create_task(AlertBatcher(fake_intake.send, 5.0).submit(make_alerts(1)))
    await asyncio.sleep(0.05)
    assert not handing.done()
    fake_intake.accepting.set()
    await handing


async def test_a_failure_is_told_to_all_that_wait(fake_intake: FakeIntake) -> None:
    """Whoever waits while a signal fails has to come again; the next POST is tried afresh."""
    way = AlertBatcher(fake_intake.send, 5.0)
    fake_intake.failures = 1
    fake_intake.accepting.clear()
    handing = [asyncio.create_task(way.submit(make_alerts(1, number))) for number in range(3)]
    await asyncio.sleep(0.01)
    fake_intake.accepting.set()
    results = await asyncio.gather(*handing, return_exceptions=True)
    assert [type(result) for result in results] == [Unreachable] * 3
    await way.submit(make_alerts(1, 9))
    assert fake_intake.accepted == ["0000000000000009"]


async def test_an_answer_in_time(fake_intake: FakeIntake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Temporal that hangs costs a caller a bounded time; what was on its way is not cut."""
    monkeypatch.setattr(batcher, "ANSWER_TIMEOUT_SECONDS", 0.05)
    fake_intake.accepting.clear()
    way = AlertBatcher(fake_intake.send, 5.0)
    with pytest.raises(Overloaded, match="within"):
        await way.submit(make_alerts(1))
    fake_intake.accepting.set()
    monkeypatch.setattr(batcher, "ANSWER_TIMEOUT_SECONDS", 5.0)
    await way.submit(make_alerts(1, 1))
    assert len(fake_intake.accepted) == 2


async def test_who_gave_up_holds_nobody_up(fake_intake: FakeIntake, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a caller waited for in vain, and was not on its way yet, is not sent: it will be brought again."""
    monkeypatch.setattr(batcher, "ANSWER_TIMEOUT_SECONDS", 0.05)
    fake_intake.accepting.clear()
    way = AlertBatcher(fake_intake.send, 5.0)
    results = await asyncio.gather(*(way.submit(make_alerts(100, 100 * n)) for n in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [Overloaded] * 5
    assert way.pending_count == 0
    fake_intake.accepting.set()
    monkeypatch.setattr(batcher, "ANSWER_TIMEOUT_SECONDS", 5.0)
    await way.submit(make_alerts(1, 900))
    assert len(fake_intake.accepted) == 101


async def test_bounded(fake_intake: FakeIntake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the room callers are told to come again, and nothing of theirs is kept."""
    monkeypatch.setattr(batcher, "MAX_PENDING_ALERTS", 150)
    fake_intake.accepting.clear()
    way = AlertBatcher(fake_intake.send, 5.0)
    first = asyncio.create_task(way.submit(make_alerts(250)[:120]))
    await asyncio.sleep(0.01)
    with pytest.raises(Overloaded, match="wait already"):
        await way.submit(make_alerts(140, 500))
    fake_intake.accepting.set()
    await first
    assert len(fake_intake.accepted) == 120


async def test_in_the_long_run_signals_are_few(fake_intake: FakeIntake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the burst is used up, POSTs share signals that are further apart, be they one after the other or at once."""
    monkeypatch.setattr(batcher, "BURST_SIZE", 5.0)
    way = AlertBatcher(fake_intake.send, 5.0)
    began = asyncio.get_running_loop().time()
    for number in range(10):
        await way.submit(make_alerts(1, number))
    assert asyncio.get_running_loop().time() - began > 4 * batcher.SUSTAINED_INTERVAL_SECONDS
    await asyncio.gather(*(way.submit(make_alerts(1, number)) for number in range(10, 60)))
    assert len(fake_intake.batches) <= 12

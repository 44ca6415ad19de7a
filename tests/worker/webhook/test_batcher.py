"""Batching of alerts: few signals, and each post is answered only after its signals are accepted."""

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
    """An intake that accepts batches while `accepting` is set, and refuses the next `failures` of them."""

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


async def test_a_single_post_is_sent_immediately(fake_intake: FakeIntake) -> None:
    """Consecutive posts are one signal each, without a pause."""
    alert_batcher = AlertBatcher(fake_intake.send, 5.0)
    start = asyncio.get_running_loop().time()
    for number in range(20):
        await alert_batcher.submit(make_alerts(1, number))
    assert asyncio.get_running_loop().time() - start < 20 * batcher.MIN_INTERVAL_SECONDS
    assert (len(fake_intake.batches), fake_intake.batches[0].debounce) == (20, 5.0)


async def test_concurrent_posts_share_signals(fake_intake: FakeIntake) -> None:
    """Posts that arrive during a signal share the next ones, 100 alerts each; no alert is lost or sent twice."""
    alert_batcher = AlertBatcher(fake_intake.send, 5.0)
    await asyncio.gather(*(alert_batcher.submit(make_alerts(1, number)) for number in range(1000)))
    assert sorted(fake_intake.accepted) == [alert.fingerprint for alert in make_alerts(1000)]
    assert len(fake_intake.batches) <= 12
    assert max(len(batch.alerts) for batch in fake_intake.batches) == MAX_ALERTS_PER_SIGNAL


async def test_a_large_post_is_split_and_answered_at_the_end(fake_intake: FakeIntake) -> None:
    """A post of 250 alerts is three signals, and its omitted alerts are reported once."""
    await AlertBatcher(fake_intake.send, 5.0).submit(make_alerts(250), omitted=7)
    assert [len(batch.alerts) for batch in fake_intake.batches] == [100, 100, 50]
    assert [batch.omitted for batch in fake_intake.batches] == [7, 0, 0]


async def test_a_post_is_answered_after_the_signal_is_accepted(fake_intake: FakeIntake) -> None:
    """There is no answer while Temporal has not accepted the signal."""
    fake_intake.accepting.clear()
    submits = asyncio.create_task(AlertBatcher(fake_intake.send, 5.0).submit(make_alerts(1)))
    await asyncio.sleep(0.05)
    assert not submits.done()
    fake_intake.accepting.set()
    await submits


async def test_a_failed_signal_fails_all_waiting_posts(fake_intake: FakeIntake) -> None:
    """Every post that waits during a failed signal fails; the next post is sent."""
    alert_batcher = AlertBatcher(fake_intake.send, 5.0)
    fake_intake.failures = 1
    fake_intake.accepting.clear()
    submits = [asyncio.create_task(alert_batcher.submit(make_alerts(1, number))) for number in range(3)]
    await asyncio.sleep(0.01)
    fake_intake.accepting.set()
    results = await asyncio.gather(*submits, return_exceptions=True)
    assert [type(result) for result in results] == [Unreachable] * 3
    await alert_batcher.submit(make_alerts(1, 9))
    assert fake_intake.accepted == ["0000000000000009"]


async def test_a_hanging_server_times_out(fake_intake: FakeIntake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller waits for a limited time; a signal that was being sent is not cancelled."""
    monkeypatch.setattr(batcher, "ANSWER_TIMEOUT_SECONDS", 0.05)
    fake_intake.accepting.clear()
    alert_batcher = AlertBatcher(fake_intake.send, 5.0)
    with pytest.raises(Overloaded, match="within"):
        await alert_batcher.submit(make_alerts(1))
    fake_intake.accepting.set()
    monkeypatch.setattr(batcher, "ANSWER_TIMEOUT_SECONDS", 5.0)
    await alert_batcher.submit(make_alerts(1, 1))
    assert len(fake_intake.accepted) == 2


async def test_timed_out_posts_are_not_sent(fake_intake: FakeIntake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alerts of a timed-out post that are not being sent yet are dropped: the sender posts them again."""
    monkeypatch.setattr(batcher, "ANSWER_TIMEOUT_SECONDS", 0.05)
    fake_intake.accepting.clear()
    alert_batcher = AlertBatcher(fake_intake.send, 5.0)
    results = await asyncio.gather(
        *(alert_batcher.submit(make_alerts(100, 100 * n)) for n in range(5)), return_exceptions=True
    )
    assert [type(result) for result in results] == [Overloaded] * 5
    assert alert_batcher.pending_count == 0
    fake_intake.accepting.set()
    monkeypatch.setattr(batcher, "ANSWER_TIMEOUT_SECONDS", 5.0)
    await alert_batcher.submit(make_alerts(1, 900))
    assert len(fake_intake.accepted) == 101


async def test_the_queue_is_limited(fake_intake: FakeIntake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A post beyond the limit is rejected, and its alerts are not queued."""
    monkeypatch.setattr(batcher, "MAX_PENDING_ALERTS", 150)
    fake_intake.accepting.clear()
    alert_batcher = AlertBatcher(fake_intake.send, 5.0)
    first = asyncio.create_task(alert_batcher.submit(make_alerts(250)[:120]))
    await asyncio.sleep(0.01)
    with pytest.raises(Overloaded, match="20 alerts are waiting; the limit is 150"):
        await alert_batcher.submit(make_alerts(140, 500))
    fake_intake.accepting.set()
    await first
    assert len(fake_intake.accepted) == 120


async def test_the_sustained_interval_follows_the_burst(
    fake_intake: FakeIntake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the burst, consecutive and concurrent posts share signals at the sustained interval."""
    monkeypatch.setattr(batcher, "BURST_SIZE", 5.0)
    alert_batcher = AlertBatcher(fake_intake.send, 5.0)
    start = asyncio.get_running_loop().time()
    for number in range(10):
        await alert_batcher.submit(make_alerts(1, number))
    assert asyncio.get_running_loop().time() - start > 4 * batcher.SUSTAINED_INTERVAL_SECONDS
    await asyncio.gather(*(alert_batcher.submit(make_alerts(1, number)) for number in range(10, 60)))
    assert len(fake_intake.batches) <= 12

"""Delivery of alerts to a loop in few signals. A post is answered only after Temporal has accepted its alerts."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from activities.model.alert import Alert, AlertBatch
from activities.model.errors import MapekError, Overloaded

SendBatch = Callable[[AlertBatch], Awaitable[None]]
"""Return once Temporal has accepted the signal; raise MapekError if it has not, or if that is unknown."""

MAX_ALERTS_PER_SIGNAL = 100
"""At 400 bytes or fewer an alert, a signal has 40 KB or fewer."""
MIN_INTERVAL_SECONDS = 0.02
"""Minimum seconds between signals. A history that grows by more than 50 signals a second cannot continue as new in
time."""
SUSTAINED_INTERVAL_SECONDS = 0.1
"""Seconds between signals after a burst: 1,000 alerts a second, and a run of the intake lasts most of a minute."""
BURST_SIZE = 250.0
"""Signals that may be sent before the sustained interval applies."""
MAX_PENDING_ALERTS = 4_000
"""Alerts in the queue, 40 signals: a slow Temporal accepts them before callers time out. A post beyond the limit is
rejected immediately."""
ANSWER_TIMEOUT_SECONDS = 4.0
"""Callers are answered within this time; Alertmanager gives up after 10 s."""


@dataclass(eq=False)
class _PendingPost:
    """The alerts of one post that are not sent yet, and the future of its result: an error, or None for success."""

    alerts: deque[Alert]
    omitted: int
    done: asyncio.Future[MapekError | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class AlertBatcher:
    """The queue of one loop. `debounce` goes with each signal: minimum seconds between two cycles that alerts start."""

    def __init__(self, send: SendBatch, debounce: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._send = send
        self._debounce = debounce
        self._clock = clock
        self._posts: deque[_PendingPost] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._sent_at = clock() - MIN_INTERVAL_SECONDS
        self._tokens, self._refilled_at = BURST_SIZE, clock()

    @property
    def pending_count(self) -> int:
        """The number of alerts that are not sent yet."""
        return sum(len(post.alerts) for post in self._posts)

    @property
    def is_full(self) -> bool:
        """Whether a post of usual size would be rejected, so that it need not be read."""
        return self.pending_count + MAX_ALERTS_PER_SIGNAL > MAX_PENDING_ALERTS

    async def submit(self, alerts: Sequence[Alert], omitted: int = 0) -> None:
        """Return once every signal with one of the alerts is accepted.

        Raises:
            MapekError: Temporal did not accept them, or not in time. The caller must post again; alerts that were
                accepted nevertheless are known to the loop and start nothing twice.
        """
        if self.pending_count + len(alerts) > MAX_PENDING_ALERTS:
            raise Overloaded(f"{self.pending_count} alerts are waiting; the limit is {MAX_PENDING_ALERTS}")
        post = _PendingPost(deque(alerts), omitted)
        self._posts.append(post)
        if self._sending is None:
            self._sending = asyncio.create_task(self._flush())
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
                error = await asyncio.shield(post.done)
        except TimeoutError:
            # The sender posts them again, so sending them now would only delay other posts.
            with contextlib.suppress(ValueError):
                self._posts.remove(post)
            raise Overloaded(f"the alerts were not delivered within {ANSWER_TIMEOUT_SECONDS:g} s") from None
        if error is not None:
            raise error

    async def _flush(self) -> None:
        """Send until the queue is empty. The first signal goes immediately, unless the burst is used up."""
        try:
            if self._refill_tokens() < 1:
                await self._pause()
            while self._posts:
                await self._send_batch()
                if self._posts:
                    await self._pause()
        finally:
            self._sending = None

    def _refill_tokens(self) -> float:
        """Return how many signals may be sent without a long pause; one is added per sustained interval."""
        now = self._clock()
        self._tokens = min(BURST_SIZE, self._tokens + (now - self._refilled_at) / SUSTAINED_INTERVAL_SECONDS)
        self._refilled_at = now
        return self._tokens

    async def _pause(self) -> None:
        spacing = MIN_INTERVAL_SECONDS if self._refill_tokens() >= 1 else SUSTAINED_INTERVAL_SECONDS
        await asyncio.sleep(max(0.0, self._sent_at + spacing - self._clock()))

    async def _send_batch(self) -> None:
        """Send one batch. If it fails, every waiting post fails too: each would only fail after the one before it."""
        batch, complete = self._take_batch()
        self._tokens = self._refill_tokens() - 1
        self._sent_at = self._clock()
        try:
            await self._send(batch)
        except MapekError as error:
            self._resolve([*complete, *self._posts], error)
            self._posts.clear()
        except BaseException:
            self._resolve([*complete, *self._posts], Overloaded("the delivery was cancelled"))
            self._posts.clear()
            raise
        else:
            self._resolve(complete, None)

    def _take_batch(self) -> tuple[AlertBatch, list[_PendingPost]]:
        """Take a batch off the queue and return it with the posts that it completes."""
        alerts: list[Alert] = []
        omitted, complete = 0, []
        while self._posts and len(alerts) < MAX_ALERTS_PER_SIGNAL:
            post = self._posts[0]
            omitted, post.omitted = omitted + post.omitted, 0
            while post.alerts and len(alerts) < MAX_ALERTS_PER_SIGNAL:
                alerts.append(post.alerts.popleft())
            if not post.alerts:
                complete.append(self._posts.popleft())
        return AlertBatch(alerts=tuple(alerts), omitted=omitted, debounce=self._debounce), complete

    @staticmethod
    def _resolve(posts: Sequence[_PendingPost], error: MapekError | None) -> None:
        for post in posts:
            if not post.done.done():
                post.done.set_result(error)

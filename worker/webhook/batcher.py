"""Handing alerts over to a loop: few signals, and an answer only after Temporal has them."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from activities.model.alert import Alert, AlertBatch
from activities.model.errors import MapekError, Overloaded

SendBatch = Callable[[AlertBatch], Awaitable[None]]
"""Returns once Temporal has accepted the signal; raises MapekError if it has not, or nobody can tell."""

MAX_ALERTS_PER_SIGNAL = 100
"""Of at most 400 bytes each: a signal of 40 KB."""
MIN_INTERVAL_SECONDS = 0.02
"""Seconds between signals while POSTs come in faster than they are handed over. A history that grows by more than 50
signals a second cannot be continued as new in time."""
SUSTAINED_INTERVAL_SECONDS = 0.1
"""Seconds between signals in the long run: 1,000 alerts a second, and a run of the intake lasts most of a minute."""
BURST_SIZE = 250.0
"""Signals that may be sent before that is kept to."""
MAX_PENDING_ALERTS = 4_000
"""Alerts that may wait, 40 signals: what Temporal takes in the time a caller is given, also on a bad day. Beyond it
callers are told at once to come again, before they wait in vain."""
ANSWER_TIMEOUT_SECONDS = 4.0
"""A caller is answered within this: Alertmanager gives up after ten."""


@dataclass(eq=False)
class _PendingPost:
    """What of one POST is still to be sent, and the future that tells its sender the error, None for none."""

    alerts: deque[Alert]
    omitted: int
    done: asyncio.Future[MapekError | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class AlertBatcher:
    """The way to one loop. `debounce` is carried along: the least seconds between two cycles that alerts start."""

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
        """How many alerts are not sent yet."""
        return sum(len(post.alerts) for post in self._posts)

    @property
    def is_full(self) -> bool:
        """Whether a POST of usual size would be refused: then it need not be read either."""
        return self.pending_count + MAX_ALERTS_PER_SIGNAL > MAX_PENDING_ALERTS

    async def submit(self, alerts: Sequence[Alert], omitted: int = 0) -> None:
        """Return once every signal that holds one of the alerts is accepted.

        Raises:
            MapekError: Temporal did not take them, or not in time. The caller has to come again; what was taken
                nevertheless is known by then and starts nothing twice.
        """
        if self.pending_count + len(alerts) > MAX_PENDING_ALERTS:
            raise Overloaded(f"{self.pending_count} alerts wait already")
        post = _PendingPost(deque(alerts), omitted)
        self._posts.append(post)
        if self._sending is None:
            self._sending = asyncio.create_task(self._flush())
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
                error = await asyncio.shield(post.done)
        except TimeoutError:
            # Whoever comes again brings them again: sent for nobody, they would only hold up the others.
            with contextlib.suppress(ValueError):
                self._posts.remove(post)
            raise Overloaded(f"not handed over within {ANSWER_TIMEOUT_SECONDS:g} s") from None
        if error is not None:
            raise error

    async def _flush(self) -> None:
        """Send until nothing waits. The first signal goes at once, unless too many were sent lately."""
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
        """Return how many signals may go without a long pause by now: one is earned every `LASTING` seconds."""
        now = self._clock()
        self._tokens = min(BURST_SIZE, self._tokens + (now - self._refilled_at) / SUSTAINED_INTERVAL_SECONDS)
        self._refilled_at = now
        return self._tokens

    async def _pause(self) -> None:
        spacing = MIN_INTERVAL_SECONDS if self._refill_tokens() >= 1 else SUSTAINED_INTERVAL_SECONDS
        await asyncio.sleep(max(0.0, self._sent_at + spacing - self._clock()))

    async def _send_batch(self) -> None:
        """Send one batch. If it fails, all that wait are told: they would only fail one after the other."""
        batch, complete = self._take_batch()
        self._tokens = self._refill_tokens() - 1
        self._sent_at = self._clock()
        try:
            await self._send(batch)
        except MapekError as error:
            self._resolve([*complete, *self._posts], error)
            self._posts.clear()
        except BaseException:
            self._resolve([*complete, *self._posts], Overloaded("the hand-over ended"))
            self._posts.clear()
            raise
        else:
            self._resolve(complete, None)

    def _take_batch(self) -> tuple[AlertBatch, list[_PendingPost]]:
        """Take a batch off the queue; return it with the posts that are complete once it is sent."""
        alerts: list[Alert] = []
        left_out, complete = 0, []
        while self._posts and len(alerts) < MAX_ALERTS_PER_SIGNAL:
            post = self._posts[0]
            left_out, post.omitted = left_out + post.omitted, 0
            while post.alerts and len(alerts) < MAX_ALERTS_PER_SIGNAL:
                alerts.append(post.alerts.popleft())
            if not post.alerts:
                complete.append(self._posts.popleft())
        return AlertBatch(alerts=tuple(alerts), omitted=left_out, debounce=self._debounce), complete

    @staticmethod
    def _resolve(posts: Sequence[_PendingPost], error: MapekError | None) -> None:
        for post in posts:
            if not post.done.done():
                post.done.set_result(error)

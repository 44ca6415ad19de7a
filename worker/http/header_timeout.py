"""Connections that have to say what they want: whoever sends no whole request head in time is cut off."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 5.0


class Impatient(H11Protocol):
    """uvicorn's HTTP/1.1, whose own time-out begins only after the first answer."""

    _clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Start the clock of a new connection."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Read on; between two requests of a connection uvicorn's keep-alive time-out is at work until data comes."""
        waiting = self.cycle is None or self.cycle.response_complete
        head_begins = waiting and self._clock is None
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._head_came()
        elif head_begins:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._head_came()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._clock = self.loop.call_later(HEAD_SECONDS, self._cut_off)

    def _head_came(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _cut_off(self) -> None:
        self._clock = None
        if not self.transport.is_closing():
            self.transport.abort()

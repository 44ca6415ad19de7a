"""Connections that have to say what they want: whoever sends no whole request head in time is cut off."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_TIMEOUT_SECONDS = 5.0


class HeaderTimeoutProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, whose own time-out begins only after the first answer."""

    _header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Start the clock of a new connection."""
        super().connection_made(transport)
        self._start_header_timer()

    def data_received(self, data: bytes) -> None:
        """Read on; between two requests of a connection uvicorn's keep-alive time-out is at work until data comes."""
        waiting = self.cycle is None or self.cycle.response_complete
        head_begins = waiting and self._header_timer is None
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._cancel_header_timer()
        elif head_begins:
            self._start_header_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._cancel_header_timer()
        super().connection_lost(exc)

    def _start_header_timer(self) -> None:
        self._header_timer = self.loop.call_later(HEADER_TIMEOUT_SECONDS, self._abort_connection)

    def _cancel_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _abort_connection(self) -> None:
        self._header_timer = None
        if not self.transport.is_closing():
            self.transport.abort()

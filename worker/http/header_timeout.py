"""Close connections that do not send a complete request header in time."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_TIMEOUT_SECONDS = 5.0


class HeaderTimeoutProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with a timeout for the header; uvicorn's own timeout starts after the first response."""

    _header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Start the timer of a new connection."""
        super().connection_made(transport)
        self._start_header_timer()

    def data_received(self, data: bytes) -> None:
        """Stop the timer with a complete header. Between requests uvicorn's keep-alive timeout applies."""
        is_idle = self.cycle is None or self.cycle.response_complete
        header_starts = is_idle and self._header_timer is None
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._cancel_header_timer()
        elif header_starts:
            self._start_header_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
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

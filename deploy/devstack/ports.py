"""Ports for the stack: the usual one where it is free, otherwise the next free one ten further on."""

import contextlib
import socket
import sys

from deploy.devstack.errors import DevStackError

LOOPBACK = "127.0.0.1"
# Ten apart, so that Charter's and MAPE-K's neighbours do not meet, and far below the ephemeral range, from which
# the kernel could hand a port to someone's outgoing connection between our choice and the server's bind.
_PORT_STEP = 10
_MAX_ATTEMPTS = 200


class PortAllocator:
    """Chooses ports and keeps them from other stacks of this machine until closed.

    Between choice and bind a port looks free to everyone. A name in the kernel's abstract socket space, which
    vanishes with the process, tells other stacks that it is taken (Linux only; elsewhere there is just the bind).
    """

    def __init__(self) -> None:
        self._reservations: dict[int, socket.socket] = {}

    def allocate(self, preferred_port: int) -> int:
        """The usual port, or the first free one after it in steps of ten.

        Raises:
            LocalError: none of 200 is free.
        """
        for port in range(preferred_port, min(preferred_port + _PORT_STEP * _MAX_ATTEMPTS, 65_536), _PORT_STEP):
            if self._reserve(port):
                return port
        raise DevStackError(f"no free port from {preferred_port} on")

    def close(self) -> None:
        """Give all ports back."""
        for reservation in self._reservations.values():
            reservation.close()
        self._reservations.clear()

    def _reserve(self, port: int) -> bool:
        if port in self._reservations:
            return False
        reservation = socket.socket(socket.AF_UNIX)
        try:
            if sys.platform == "linux":
                reservation.bind(f"\0mapek-port-{port}")
            if is_port_free(port):
                self._reservations[port] = reservation
                return True
        except OSError:
            pass
        reservation.close()
        return False


def is_port_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with contextlib.closing(socket.socket()) as probe:
        # As servers do: a connection of the previous stack still in TIME_WAIT does not make the port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True

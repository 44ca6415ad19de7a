"""Ports of the stack: the preferred port if it is free, otherwise the next free one in steps of ten."""

import contextlib
import socket
import sys

from deploy.devstack.errors import DevStackError

LOOPBACK = "127.0.0.1"
# Steps of ten keep the ports after Charter's 8000 and MAPE-K's 8001 apart. All ports are far below the ephemeral range:
# from that range the kernel could give one to an outgoing connection between the choice and the server's bind.
_PORT_STEP = 10
_MAX_ATTEMPTS = 200


class PortAllocator:
    """Chooses ports and reserves them against other stacks of this machine until closed.

    A port is free between choice and bind. On Linux the stack therefore binds a name in the kernel's abstract socket
    space, which other stacks check and which disappears with the process.
    """

    def __init__(self) -> None:
        self._reservations: dict[int, socket.socket] = {}

    def allocate(self, preferred_port: int) -> int:
        """Return the preferred port, or the first free one after it in steps of ten.

        Raises:
            DevStackError: none of 200 ports is free.
        """
        for port in range(preferred_port, min(preferred_port + _PORT_STEP * _MAX_ATTEMPTS, 65_536), _PORT_STEP):
            if self._reserve(port):
                return port
        raise DevStackError(
            f"no free port: tried {preferred_port} and the ports after it in steps of {_PORT_STEP}; stop another stack"
        )

    def close(self) -> None:
        """Release all ports."""
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
    """Return whether a server can listen on the port now."""
    with contextlib.closing(socket.socket()) as probe:
        # Servers set it too: a connection of the previous stack in TIME_WAIT does not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True

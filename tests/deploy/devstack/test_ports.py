import contextlib
import socket
from collections.abc import Iterator

import pytest

from deploy.devstack.ports import PortAllocator, is_port_free

PREFERRED_PORT = 21_700


@pytest.fixture
def occupied_port() -> Iterator[int]:
    """Yield a port with a listening server."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def test_free_preferred_port_is_chosen() -> None:
    """The preferred port is chosen if it is free."""
    with contextlib.closing(PortAllocator()) as ports:
        assert ports.allocate(PREFERRED_PORT) == PREFERRED_PORT


def test_occupied_port_is_skipped(occupied_port: int) -> None:
    """A port with a listening server is skipped."""
    assert not is_port_free(occupied_port)
    with contextlib.closing(PortAllocator()) as ports:
        assert ports.allocate(occupied_port) > occupied_port


def test_two_stacks_choose_different_ports() -> None:
    """The next stack skips a reserved port without a listening server."""
    with contextlib.closing(PortAllocator()) as one, contextlib.closing(PortAllocator()) as two:
        assert {one.allocate(PREFERRED_PORT), two.allocate(PREFERRED_PORT), one.allocate(PREFERRED_PORT)} == {
            PREFERRED_PORT,
            PREFERRED_PORT + 10,
            PREFERRED_PORT + 20,
        }


def test_closing_releases_ports() -> None:
    """A released port can be chosen again."""
    for _ in range(2):
        with contextlib.closing(PortAllocator()) as ports:
            assert ports.allocate(PREFERRED_PORT) == PREFERRED_PORT

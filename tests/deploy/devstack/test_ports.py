import contextlib
import socket
from collections.abc import Iterator

import pytest

from deploy.devstack.ports import PortAllocator, is_port_free

PREFERRED_PORT = 21_700


@pytest.fixture
def occupied_port() -> Iterator[int]:
    """A port on which something listens."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def test_usual_port_when_free() -> None:
    """A free usual port is taken."""
    with contextlib.closing(PortAllocator()) as ports:
        assert ports.allocate(PREFERRED_PORT) == PREFERRED_PORT


def test_next_port_when_something_listens(occupied_port: int) -> None:
    """A port on which something listens is passed over."""
    assert not is_port_free(occupied_port)
    with contextlib.closing(PortAllocator()) as ports:
        assert ports.allocate(occupied_port) > occupied_port


def test_two_stacks_never_choose_the_same() -> None:
    """A port chosen by one stack is passed over by the next, although nothing listens on it yet."""
    with contextlib.closing(PortAllocator()) as one, contextlib.closing(PortAllocator()) as two:
        assert {one.allocate(PREFERRED_PORT), two.allocate(PREFERRED_PORT), one.allocate(PREFERRED_PORT)} == {
            PREFERRED_PORT,
            PREFERRED_PORT + 10,
            PREFERRED_PORT + 20,
        }


def test_closed_gives_back() -> None:
    """Ports given back can be chosen again."""
    for _ in range(2):
        with contextlib.closing(PortAllocator()) as ports:
            assert ports.allocate(PREFERRED_PORT) == PREFERRED_PORT

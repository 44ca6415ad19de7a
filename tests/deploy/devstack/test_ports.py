import contextlib
import socket
from collections.abc import Iterator

import pytest

from deploy.devstack.ports import Ports, is_free

USUAL = 21_700


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which something listens."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def test_usual_port_when_free() -> None:
    """A free usual port is taken."""
    with contextlib.closing(Ports()) as ports:
        assert ports.take(USUAL) == USUAL


def test_next_port_when_something_listens(taken: int) -> None:
    """A port on which something listens is passed over."""
    assert not is_free(taken)
    with contextlib.closing(Ports()) as ports:
        assert ports.take(taken) > taken


def test_two_stacks_never_choose_the_same() -> None:
    """A port chosen by one stack is passed over by the next, although nothing listens on it yet."""
    with contextlib.closing(Ports()) as one, contextlib.closing(Ports()) as two:
        assert {one.take(USUAL), two.take(USUAL), one.take(USUAL)} == {USUAL, USUAL + 10, USUAL + 20}


def test_closed_gives_back() -> None:
    """Ports given back can be chosen again."""
    for _ in range(2):
        with contextlib.closing(Ports()) as ports:
            assert ports.take(USUAL) == USUAL

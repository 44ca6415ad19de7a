"""Failpoints strike at their moment, once, and exist only on request and on the simulator."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from activities.clients.store.store import Store
from activities.model.audit import AuditEntry
from activities.model.errors import ConfigurationError, StoreUnavailable
from activities.settings import LoopSettings
from tests.soak.faults.coverage import list_points
from tests.soak.faults.failpoints import (
    AFTER_COMMIT,
    AFTER_REPLY,
    AFTER_SEND,
    BEFORE_SEND,
    CURRENT_STEP,
    DISK_FULL,
    FOLDER_VARIABLE,
    KILL,
    LOSE_REPLY,
    Failpoints,
    FailpointTransport,
    failpoint_store_opener,
    load_failpoints,
)
from tests.soak.faults.test_proxy import RecordingServer, running_server
from worker.config.load import Config

ROOT = Path(__file__).parents[3]
LARGE_TEXT = "x" * 300
AUDIT_ROW = AuditEntry(at=1.0, kind="attempt", loop="charter", plan_id="0" * 12, knob="committee", summary=LARGE_TEXT)
WRITE_COUNT = 60
"""Rows that need more pages than a new file has."""


@pytest.fixture
def points(tmp_path: Path) -> Failpoints:
    """Failpoints of a folder, in the step `apply-1`."""
    CURRENT_STEP.set("apply-1")
    return Failpoints(tmp_path / "points")


@pytest_asyncio.fixture
async def store(points: Failpoints, tmp_path: Path) -> AsyncIterator[Store]:
    """A store on a file, with points around its writes."""
    store = await failpoint_store_opener(points)(tmp_path / "store.db")
    yield store
    await store.close()


def test_failpoints_exist_only_on_request(tmp_path: Path) -> None:
    """Without the variable there are no failpoints; with it, a Charter that is not the simulator is refused."""
    simulated = Config(loops=(LoopSettings(simulator=True),))
    real = Config(loops=(LoopSettings(simulator=True), LoopSettings(name="other", simulator=False)))
    assert load_failpoints({}, real) is None
    assert load_failpoints({FOLDER_VARIABLE: str(tmp_path)}, simulated) is not None
    with pytest.raises(ConfigurationError, match="a real Charter: other"):
        load_failpoints({FOLDER_VARIABLE: str(tmp_path)}, real)


def test_the_product_does_not_know_failpoints() -> None:
    """No module of the product names the variable or imports the tests."""
    for top in ("workflows", "activities", "worker", "deploy"):
        for path in (ROOT / top).rglob("*.py"):
            text = path.read_text()
            assert FOLDER_VARIABLE not in text, path
            assert "from tests" not in text, path


@pytest.mark.parametrize(("moment", "received"), [(BEFORE_SEND, False), (AFTER_SEND, True), (AFTER_REPLY, True)])
async def test_a_request_is_lost_at_its_moment(points: Failpoints, moment: str, received: bool) -> None:
    """The server has received the request or not, the caller gets no reply, and the next request passes."""
    async with running_server() as server, httpx.AsyncClient(transport=FailpointTransport(points)) as client:
        points.arm(f"apply-1.change.{moment}", LOSE_REPLY)
        with pytest.raises(httpx.TransportError):
            await send_change(client, server)
        if received:
            await asyncio.wait_for(server.request_received.wait(), 5.0)
        assert bool(server.requests) == received
        assert (await send_change(client, server)).status_code == httpx.codes.OK
        assert points.list_fired() == [f"apply-1.change.{moment}"]
        assert points.list_armed() == []


async def send_change(client: httpx.AsyncClient, server: RecordingServer) -> httpx.Response:
    """Send a change."""
    return await client.post(f"http://{server.address}/do", content=b"please", headers={"Idempotency-Key": "a-0-do"})


@pytest.mark.parametrize(("moment", "rows"), [(BEFORE_SEND, 0), (AFTER_SEND, 0), (AFTER_COMMIT, 1)])
async def test_a_write_is_lost_at_its_moment(points: Failpoints, store: Store, moment: str, rows: int) -> None:
    """The row is stored only if the commit came first; the caller gets an error, and the next write is stored."""
    points.arm(f"apply-1.store.{moment}", LOSE_REPLY)
    with pytest.raises(StoreUnavailable):
        await store.audit.append(AUDIT_ROW)
    assert len(await store.audit.load_for_plan(AUDIT_ROW.plan_id)) == rows
    await store.audit.append(AUDIT_ROW)
    assert len(await store.audit.load_for_plan(AUDIT_ROW.plan_id)) == rows + 1


async def test_a_full_disk_is_full_for_one_write(points: Failpoints, store: Store) -> None:
    """A write that needs space fails as a whole, and the next write with space succeeds."""
    written = refused = 0
    for _ in range(WRITE_COUNT):
        points.arm(f"apply-1.store.{BEFORE_SEND}", DISK_FULL)
        try:
            await store.audit.append(AUDIT_ROW)
            written += 1
        except StoreUnavailable as error:
            refused += "full" in str(error)
    await store.audit.append(AUDIT_ROW)
    assert refused > 0
    assert len(await store.audit.load_for_plan(AUDIT_ROW.plan_id)) == written + 1
    assert await store.audit.verify_chain() is None


def test_a_kill_ends_the_process(tmp_path: Path) -> None:
    """The process that passes an armed point dies by SIGKILL, and the point has struck."""
    points = Failpoints(tmp_path)
    points.arm("apply-1.change.before_send", KILL)
    program = (
        "from pathlib import Path; from tests.soak.faults.failpoints import Failpoints;"
        f"Failpoints(Path({str(tmp_path)!r})).pass_point('change', 'before_send', 'apply-1'); print('alive')"
    )
    process = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == -signal.SIGKILL
    assert process.stdout == ""
    assert points.list_fired() == ["apply-1.change.before_send"]


def test_every_cell_is_named_once() -> None:
    """The coverage table has no cell twice."""
    assert len(list_points()) == len(set(list_points()))

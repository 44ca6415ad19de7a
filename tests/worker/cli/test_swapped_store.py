"""A store whose file was replaced under a running worker is noticed by `/health` and by `mapek doctor`."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from activities.clients.http import HttpClient
from activities.clients.store.store import open_store
from activities.model.errors import StoreUnavailable
from tests.support.model_builders import make_attempt_row
from worker.cli.doctor import check_worker_store
from worker.config.load import load_config
from worker.http.probes import Probes, single_probe


def replace_file(path: Path) -> None:
    """Rename another file to the path, as a copy or an editor does."""
    path.with_name("other").write_bytes(b"")
    path.with_name("other").replace(path)


def move_away(path: Path) -> None:
    """Rename the file."""
    path.rename(path.with_name("moved"))


def link_to_another(path: Path) -> None:
    """Replace the file by a link."""
    path.rename(path.with_name("moved"))
    path.with_name("other").write_bytes(b"")
    path.symlink_to(path.with_name("other"))


SWAPS: list[tuple[Callable[[Path], object], str]] = [
    (replace_file, "the path has [0-9]+;"),
    (move_away, "the path has none;"),
    (Path.unlink, "the path has none;"),
    (link_to_another, "the path has [0-9]+;"),
]


@pytest.mark.parametrize(("swap", "message"), SWAPS)
async def test_health_reports_a_swapped_store(tmp_path: Path, swap: Callable[[Path], object], message: str) -> None:
    """The probe of the store is up before the swap and down after it, with the fix."""
    path = tmp_path / "knowledge.db"
    store = await open_store(path)
    time = 0.0
    probes = Probes({"knowledge": single_probe(store.check_ready, "the store can be read")}, lambda: time)
    assert (await probes.check())["knowledge"]["status"] == "up"
    swap(path)
    time = 60.0
    health = (await probes.check())["knowledge"]
    assert health["status"] == "down"
    assert re.search(message, health["detail"])
    assert "start them" in health["detail"]
    await store.close()


async def test_a_new_connection_to_another_file_is_refused(tmp_path: Path) -> None:
    """Reads from one file and writes to another would lose both."""
    path = tmp_path / "knowledge.db"
    store = await open_store(path)
    store.database._engine.dispose()
    replace_file(path)
    with pytest.raises(StoreUnavailable, match="file was swapped"):
        await store.audit.append(make_attempt_row())
    assert path.read_bytes() == b""
    await store.close()


@pytest.mark.parametrize("address", ["memory", "file through a link"])
async def test_a_store_that_stays_is_up(tmp_path: Path, address: str) -> None:
    """A store in memory has no file, and a link to the file is followed."""
    (tmp_path / "link.db").symlink_to(tmp_path / "real.db")
    store = await open_store("memory" if address == "memory" else tmp_path / "link.db")
    await store.audit.append(make_attempt_row())
    await store.check_ready()
    await store.close()


@pytest.mark.parametrize(
    ("response", "details"),
    [
        (
            httpx.Response(200, json={"components": {"knowledge": {"status": "down", "detail": "file was swapped"}}}),
            ["file was swapped"],
        ),
        (httpx.Response(200, json={"components": {"knowledge": {"status": "up", "detail": "ready"}}}), []),
        (httpx.Response(200, json={"status": "degraded", "version": "1"}), []),
        (httpx.Response(200, text="another program"), []),
        (httpx.Response(200, json=[]), []),
        (httpx.Response(503), []),
    ],
)
async def test_doctor_reports_the_store_of_the_worker(
    tmp_path: Path, response: httpx.Response, details: list[str]
) -> None:
    """Doctor opens the path itself, so only the worker can say that it writes to another file."""
    http = HttpClient(httpx.MockTransport(lambda _request: response))
    findings = await check_worker_store(http, load_config(state=tmp_path, environ={}))
    await http.close()
    assert [finding.detail.partition("/health: ")[2] for finding in findings] == details
    assert all(finding.state == "missing" for finding in findings)

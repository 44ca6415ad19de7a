import asyncio
import hashlib
import io
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.devstack import binaries, fetch
from deploy.devstack.binaries import BINARY_NAMES, SearchPaths, ensure_binaries, env_variable_for, find_binary
from deploy.devstack.errors import BinaryMissing, UsageError
from deploy.devstack.fetch import FetchFailed, Reporter
from deploy.devstack.pins import PACKAGES, Package

PROGRAM = "#!/bin/sh\necho version 1\n"
PACKAGE = Package("prometheus", "1.0", ("prometheus", "promtool"), "", {})


def write_executable(path: Path, text: str = PROGRAM) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def make_search_paths(tmp_path: Path, **more: str) -> SearchPaths:
    return SearchPaths({"PATH": str(tmp_path / "path"), "MAPEK_CACHE": str(tmp_path / "cache"), **more})


def make_fetch_method(
    name: str, succeeds: bool, calls: list[str]
) -> Callable[[Package, Path, Reporter], Awaitable[None]]:
    async def fetch_it(package: Package, into: Path, _say: Reporter) -> None:
        calls.append(name)
        if not succeeds:
            raise FetchFailed("it is closed")
        for binary in package.binaries:
            write_executable(into / binary)

    fetch_it.__name__ = name
    return fetch_it


def test_every_binary_is_in_one_package() -> None:
    """Each binary that can be asked for belongs to exactly one package, and the other way round."""
    assert sorted(binary for package in PACKAGES for binary in package.binaries) == sorted(BINARY_NAMES)


def test_setting_comes_first(tmp_path: Path) -> None:
    """The explicit setting wins over PATH."""
    write_executable(tmp_path / "path/temporal")
    mine = write_executable(tmp_path / "mine/whatever")
    assert find_binary("temporal", make_search_paths(tmp_path, MAPEK_TEMPORAL_BIN=str(mine))) == mine


def test_wrong_setting_is_an_error(tmp_path: Path) -> None:
    """A setting that names nothing executable is an error, not a reason to take another binary."""
    write_executable(tmp_path / "path/temporal")
    with pytest.raises(UsageError, match="MAPEK_TEMPORAL_BIN=/nowhere"):
        find_binary("temporal", make_search_paths(tmp_path, MAPEK_TEMPORAL_BIN="/nowhere"))


def test_path_comes_before_cache(tmp_path: Path) -> None:
    """What is on PATH wins over what was cached."""
    package = next(package for package in PACKAGES if package.name == "temporal")
    cached = write_executable(tmp_path / "cache" / package.folder / "temporal")
    assert find_binary("temporal", make_search_paths(tmp_path)) == cached
    on_path = write_executable(tmp_path / "path/temporal")
    assert find_binary("temporal", make_search_paths(tmp_path)) == on_path


def test_debian_name_of_alertmanager(tmp_path: Path) -> None:
    """On Debian the alertmanager binary is called prometheus-alertmanager."""
    on_path = write_executable(tmp_path / "path/prometheus-alertmanager")
    assert find_binary("alertmanager", make_search_paths(tmp_path)) == on_path


def test_cache_follows_the_desktop_standard() -> None:
    """Without MAPEK_CACHE the cache is in the user's cache folder."""
    assert SearchPaths({"XDG_CACHE_HOME": "/somewhere"}).cache == Path("/somewhere/mapek")
    assert SearchPaths({}).cache == Path.home() / ".cache/mapek"


async def test_ways_are_tried_in_order(tmp_path: Path) -> None:
    """A way that fails costs one line, and the next one is tried; after success no further one."""
    called: list[str] = []
    said: list[str] = []
    ways = [
        make_fetch_method("first", False, called),
        make_fetch_method("second", True, called),
        make_fetch_method("third", True, called),
    ]
    found = await ensure_binaries(["promtool"], make_search_paths(tmp_path), said.append, ways)
    assert called == ["first", "second"]
    assert said[0] == "prometheus: not by first: it is closed"
    assert found["promtool"].is_relative_to(tmp_path / "cache")


async def test_second_set_up_does_no_work(tmp_path: Path) -> None:
    """What is cached is not fetched again, nor is anything said."""
    called: list[str] = []
    ways = [make_fetch_method("only", True, called)]
    await ensure_binaries(BINARY_NAMES, make_search_paths(tmp_path), called.append, ways)
    called.clear()
    await ensure_binaries(BINARY_NAMES, make_search_paths(tmp_path), called.append, ways)
    assert called == []


async def test_nothing_works(tmp_path: Path) -> None:
    """If every way fails, the message says what a person can do, and nothing is left in the cache."""
    with pytest.raises(BinaryMissing, match="MAPEK_TEMPORAL_BIN"):
        await ensure_binaries(
            ["temporal"], make_search_paths(tmp_path), lambda _: None, [make_fetch_method("only", False, [])]
        )
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["temporal.lock"]


async def test_two_set_ups_at_once(tmp_path: Path) -> None:
    """Of two set-ups at the same time one fetches, and the other waits for it."""
    called: list[str] = []
    ways = [make_fetch_method("only", True, called)]
    first, second = await asyncio.gather(
        *(ensure_binaries(["temporal"], make_search_paths(tmp_path), lambda _: None, ways) for _ in range(2))
    )
    assert first == second
    assert called == ["only"]


async def test_interrupted_set_up_leaves_nothing(tmp_path: Path) -> None:
    """A set-up cancelled half way leaves nothing that looks installed; a killed one is cleared away by the next."""

    async def endless(_package: Package, into: Path, _say: Reporter) -> None:
        write_executable(into / "temporal")
        await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(
            ensure_binaries(["temporal"], make_search_paths(tmp_path), lambda _: None, [endless]), 0.2
        )
    assert find_binary("temporal", make_search_paths(tmp_path)) is None
    abandoned = write_executable(tmp_path / "cache/.temporal-1.5.1.killed/temporal").parent
    await ensure_binaries(
        ["temporal"], make_search_paths(tmp_path), lambda _: None, [make_fetch_method("only", True, [])]
    )
    assert not abandoned.exists()


async def test_binary_for_another_machine(tmp_path: Path) -> None:
    """A binary that does not run here is a way that failed, not an installation."""

    async def foreign(package: Package, into: Path, _say: Reporter) -> None:
        for binary in package.binaries:
            write_executable(into / binary, "#!/bin/sh\nexit 8\n")

    said: list[str] = []
    with pytest.raises(BinaryMissing):
        await ensure_binaries(["temporal"], make_search_paths(tmp_path), said.append, [foreign])
    assert said == ["temporal: not by foreign: temporal does not run on this machine (exit code 8)"]


def make_archive() -> bytes:
    """A vendor's archive: the binaries in a folder, and a file that tries to leave it."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name in ("prometheus-1.0/prometheus", "prometheus-1.0/promtool", "../../escaped"):
            member = tarfile.TarInfo(name)
            member.size = len(PROGRAM)
            tar.addfile(member, io.BytesIO(PROGRAM.encode()))
    return content.getvalue()


@pytest_asyncio.fixture(scope="session")
async def vendor_url() -> AsyncIterator[str]:
    """A vendor's download on loopback."""
    body = make_archive()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/{{os}}-{{arch}}.tar.gz"


@pytest.fixture
def this_platform() -> str:
    """The platform's key in the table of checksums."""
    return "-".join(fetch.detect_platform())


def list_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def test_vendor_download(tmp_path: Path, vendor_url: str, this_platform: str) -> None:
    """Of a download with the pinned checksum the binaries are taken, and nothing else."""
    checksum = hashlib.sha256(make_archive()).hexdigest()
    into = tmp_path / "deep/er"
    into.mkdir(parents=True)
    package = replace(PACKAGE, url=vendor_url, sha256={this_platform: checksum})
    await fetch.download_from_vendor(package, into, lambda _: None)
    assert list_files(tmp_path) == ["prometheus", "promtool"]


async def test_vendor_download_with_another_checksum(tmp_path: Path, vendor_url: str, this_platform: str) -> None:
    """A download that is not the pinned one is refused."""
    package = replace(PACKAGE, url=vendor_url, sha256={this_platform: "0" * 64})
    with pytest.raises(FetchFailed, match="the pinned one 0000"):
        await fetch.download_from_vendor(package, tmp_path, lambda _: None)


async def test_vendor_without_checksum(tmp_path: Path, vendor_url: str) -> None:
    """Without a pinned checksum nothing is downloaded at all."""
    with pytest.raises(FetchFailed, match=r"no pinned checksum for prometheus-1\.0"):
        await fetch.download_from_vendor(replace(PACKAGE, url=vendor_url), tmp_path, lambda _: None)


async def test_vendor_out_of_reach(tmp_path: Path, this_platform: str) -> None:
    """A vendor that cannot be reached is one short line."""
    package = replace(PACKAGE, url="http://127.0.0.1:9/x", sha256={this_platform: "0" * 64})
    with pytest.raises(FetchFailed) as raised:
        await fetch.download_from_vendor(package, tmp_path, lambda _: None)
    assert str(raised.value).startswith("127.0.0.1:9: ")
    assert "\n" not in str(raised.value)


def test_settings_have_one_pattern() -> None:
    """The setting of a binary is MAPEK_<NAME>_BIN."""
    assert [env_variable_for(binary) for binary in binaries.BINARY_NAMES][:2] == [
        "MAPEK_TEMPORAL_BIN",
        "MAPEK_PROMETHEUS_BIN",
    ]

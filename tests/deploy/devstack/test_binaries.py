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
from deploy.devstack.binaries import BINARY_NAMES, SearchPaths, ensure_binaries, find_binary
from deploy.devstack.errors import BinaryMissing, UsageError
from deploy.devstack.fetch import FetchFailed, Reporter
from deploy.devstack.install import env_variable_for
from deploy.devstack.pins import PACKAGES, Package
from deploy.devstack.versions import Binary

PACKAGE = Package("prometheus", "1.0", ("prometheus", "promtool"), "", {})


def make_program(answer: str) -> str:
    """Return a program that answers this text to any argument."""
    return f"#!/bin/sh\necho '{answer}'\n"


PROGRAM = make_program("program, version 1")


def write_executable(path: Path, text: str = PROGRAM) -> Path:
    """Write an executable file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def make_search_paths(tmp_path: Path, **variables: str) -> SearchPaths:
    """Return search paths below a folder, with further environment variables."""
    return SearchPaths({"PATH": str(tmp_path / "path"), "MAPEK_CACHE": str(tmp_path / "cache"), **variables})


def make_fetch_method(
    name: str, succeeds: bool, calls: list[str], version: str = ""
) -> Callable[[Package, Path, Reporter], Awaitable[None]]:
    """Return a fetch method that records its calls, and writes binaries of the pinned or another version, or fails."""

    async def fetch_package(package: Package, target_dir: Path, _report: Reporter) -> None:
        calls.append(name)
        if not succeeds:
            raise FetchFailed("it is closed")
        for binary in package.binaries:
            write_executable(target_dir / binary, make_program(f"{binary}, version {version or package.version}"))

    fetch_package.__name__ = name
    return fetch_package


def test_every_binary_is_in_one_package() -> None:
    """Each known binary belongs to exactly one package, and each package holds only known binaries."""
    assert sorted(binary for package in PACKAGES for binary in package.binaries) == sorted(BINARY_NAMES)


def test_environment_variable_comes_first(tmp_path: Path) -> None:
    """The environment variable has precedence over PATH."""
    write_executable(tmp_path / "path/temporal")
    configured = write_executable(tmp_path / "tools/other-name")
    found = find_binary("temporal", make_search_paths(tmp_path, MAPEK_TEMPORAL_BIN=str(configured)))
    assert found == Binary(configured, "1", "set by MAPEK_TEMPORAL_BIN; pinned is 1.5.1")


def test_wrong_environment_variable_is_an_error(tmp_path: Path) -> None:
    """A variable that names no executable file is an error; no other binary is used instead."""
    write_executable(tmp_path / "path/temporal")
    with pytest.raises(UsageError, match="MAPEK_TEMPORAL_BIN=/nowhere"):
        find_binary("temporal", make_search_paths(tmp_path, MAPEK_TEMPORAL_BIN="/nowhere"))


def test_path_comes_before_cache(tmp_path: Path) -> None:
    """A binary on PATH has precedence over a cached one."""
    package = next(package for package in PACKAGES if package.name == "temporal")
    program = make_program(f"temporal version {package.version} (Server 1.29.1, UI 2.42.1)")
    cached = write_executable(tmp_path / "cache" / package.folder / "temporal", program)
    assert find_binary("temporal", make_search_paths(tmp_path)) == Binary(cached, package.version)
    on_path = write_executable(tmp_path / "path/temporal", program)
    assert find_binary("temporal", make_search_paths(tmp_path)) == Binary(on_path, package.version, "on PATH")


def test_debian_name_of_alertmanager_is_found(tmp_path: Path) -> None:
    """Debian names the alertmanager binary prometheus-alertmanager."""
    on_path = write_executable(tmp_path / "path/prometheus-alertmanager")
    found = find_binary("alertmanager", make_search_paths(tmp_path))
    assert found is not None
    assert found.path == on_path


def test_cache_is_in_the_user_cache_folder() -> None:
    """Without MAPEK_CACHE the cache is in the user's cache folder."""
    assert SearchPaths({"XDG_CACHE_HOME": "/somewhere"}).cache == Path("/somewhere/mapek")
    assert SearchPaths({}).cache == Path.home() / ".cache/mapek"


async def test_fetch_methods_are_tried_in_order(tmp_path: Path) -> None:
    """After a failure the next method is tried; after a success no further one."""
    calls: list[str] = []
    lines: list[str] = []
    methods = [
        make_fetch_method("first", False, calls),
        make_fetch_method("second", True, calls),
        make_fetch_method("third", True, calls),
    ]
    paths = await ensure_binaries(["promtool"], make_search_paths(tmp_path), lines.append, methods)
    assert calls == ["first", "second"]
    assert lines[0] == "cannot first: it is closed (prometheus); trying other sources"
    assert paths["promtool"].path.is_relative_to(tmp_path / "cache")


async def test_failed_download_of_all_packages_is_one_line(tmp_path: Path) -> None:
    """Packages whose download fails for the same reason share one line, even if one has another source."""
    lines: list[str] = []

    async def download(_package: Package, _target_dir: Path, _report: Reporter) -> None:
        raise FetchFailed("vendor.example: HTTP 403")

    methods = [download, make_fetch_method("build", True, [])]
    await ensure_binaries(["temporal", "amtool", "promtool"], make_search_paths(tmp_path), lines.append, methods)
    failures = [line for line in lines if line.startswith("cannot")]
    assert failures == [
        "cannot download: vendor.example: HTTP 403 (alertmanager, prometheus, temporal); trying other sources"
    ]
    assert len(lines) == 4  # one more for each installed package


async def test_second_set_up_does_nothing(tmp_path: Path) -> None:
    """Cached binaries are not fetched again, and no line is reported."""
    calls: list[str] = []
    methods = [make_fetch_method("only", True, calls)]
    await ensure_binaries(BINARY_NAMES, make_search_paths(tmp_path), calls.append, methods)
    calls.clear()
    await ensure_binaries(BINARY_NAMES, make_search_paths(tmp_path), calls.append, methods)
    assert calls == []


async def test_failure_of_every_method_names_the_fix(tmp_path: Path) -> None:
    """If every method fails, the message names the fix, and the cache stays empty."""
    with pytest.raises(BinaryMissing, match="MAPEK_TEMPORAL_BIN"):
        await ensure_binaries(
            ["temporal"], make_search_paths(tmp_path), lambda _: None, [make_fetch_method("only", False, [])]
        )
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["temporal.lock"]


async def test_concurrent_set_ups_fetch_once(tmp_path: Path) -> None:
    """Of two concurrent set-ups one fetches and the other waits."""
    calls: list[str] = []
    methods = [make_fetch_method("only", True, calls)]
    first, second = await asyncio.gather(
        *(ensure_binaries(["temporal"], make_search_paths(tmp_path), lambda _: None, methods) for _ in range(2))
    )
    assert first == second
    assert calls == ["only"]


async def test_interrupted_set_up_leaves_no_binary(tmp_path: Path) -> None:
    """A cancelled set-up leaves no binary; the next set-up removes the folder of a killed one."""

    async def fetch_forever(_package: Package, target_dir: Path, _report: Reporter) -> None:
        write_executable(target_dir / "temporal")
        await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(
            ensure_binaries(["temporal"], make_search_paths(tmp_path), lambda _: None, [fetch_forever]), 0.2
        )
    assert find_binary("temporal", make_search_paths(tmp_path)) is None
    abandoned = write_executable(tmp_path / "cache/.temporal-1.5.1.killed/temporal").parent
    await ensure_binaries(
        ["temporal"], make_search_paths(tmp_path), lambda _: None, [make_fetch_method("only", True, [])]
    )
    assert not abandoned.exists()


async def test_binary_for_another_machine_is_not_installed(tmp_path: Path) -> None:
    """A binary that does not run on this machine counts as a failed fetch."""

    async def fetch_foreign(package: Package, target_dir: Path, _report: Reporter) -> None:
        for binary in package.binaries:
            write_executable(target_dir / binary, "#!/bin/sh\nexit 8\n")

    lines: list[str] = []
    with pytest.raises(BinaryMissing):
        await ensure_binaries(["temporal"], make_search_paths(tmp_path), lines.append, [fetch_foreign])
    assert lines == ["cannot fetch foreign: temporal does not run on this machine (exit code 8) (temporal)"]


def make_archive() -> bytes:
    """Return a vendor's archive: the binaries in a folder, and a file whose path leaves it."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name in ("prometheus-1.0/prometheus", "prometheus-1.0/promtool", "../../escaped"):
            member = tarfile.TarInfo(name)
            member.size = len(PROGRAM)
            tar.addfile(member, io.BytesIO(PROGRAM.encode()))
    return content.getvalue()


@pytest_asyncio.fixture(scope="session")
async def vendor_url() -> AsyncIterator[str]:
    """Serve a vendor's archive on loopback and return its URL."""
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
    """Return the key of this platform in the table of checksums."""
    return "-".join(fetch.detect_platform())


def list_files(folder: Path) -> list[str]:
    """Return the names of all files below a folder."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def test_vendor_download_extracts_only_binaries(tmp_path: Path, vendor_url: str, this_platform: str) -> None:
    """Only the binaries are extracted from a download with the pinned checksum."""
    checksum = hashlib.sha256(make_archive()).hexdigest()
    target_dir = tmp_path / "deep/er"
    target_dir.mkdir(parents=True)
    package = replace(PACKAGE, url=vendor_url, sha256={this_platform: checksum})
    await fetch.download_from_vendor(package, target_dir, lambda _: None)
    assert list_files(tmp_path) == ["prometheus", "promtool"]


async def test_wrong_checksum_is_refused(tmp_path: Path, vendor_url: str, this_platform: str) -> None:
    """A download with another checksum than the pinned one is refused."""
    package = replace(PACKAGE, url=vendor_url, sha256={this_platform: "0" * 64})
    with pytest.raises(FetchFailed, match="pinned is 0000"):
        await fetch.download_from_vendor(package, tmp_path, lambda _: None)


async def test_vendor_without_checksum_is_skipped(tmp_path: Path, vendor_url: str) -> None:
    """Without a pinned checksum no download starts."""
    with pytest.raises(FetchFailed, match=r"no pinned checksum for prometheus-1\.0"):
        await fetch.download_from_vendor(replace(PACKAGE, url=vendor_url), tmp_path, lambda _: None)


async def test_unreachable_vendor_is_one_line(tmp_path: Path, this_platform: str) -> None:
    """The failure of an unreachable vendor is one short line."""
    package = replace(PACKAGE, url="http://127.0.0.1:9/x", sha256={this_platform: "0" * 64})
    with pytest.raises(FetchFailed) as raised:
        await fetch.download_from_vendor(package, tmp_path, lambda _: None)
    assert str(raised.value).startswith("127.0.0.1:9: ")
    assert "\n" not in str(raised.value)


def test_environment_variables_have_one_pattern() -> None:
    """The variable of a binary is MAPEK_<NAME>_BIN."""
    assert [env_variable_for(binary) for binary in binaries.BINARY_NAMES][:2] == [
        "MAPEK_TEMPORAL_BIN",
        "MAPEK_PROMETHEUS_BIN",
    ]

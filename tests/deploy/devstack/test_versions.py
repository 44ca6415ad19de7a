"""Every binary is known by its own answer, and a folder of the cache has that answer in its name."""

from pathlib import Path

import pytest

from deploy.devstack.binaries import SearchPaths, ensure_binaries, find_binary
from deploy.devstack.fetch import FetchFailed, Reporter
from deploy.devstack.pins import PACKAGES, Package
from deploy.devstack.versions import Binary, is_pinned, parse_version

DEBIAN_PROMETHEUS = """prometheus, version 2.42.0+ds (branch: debian/sid, revision: 2.42.0+ds-5+deb12u1)
  build user:       team+pkg-go@tracker.debian.org
  build date:       20260604-00:58:54
  go version:       go1.19.8
  platform:         linux/amd64"""
UNSTAMPED_ALERTMANAGER = """alertmanager, version  (branch: , revision: unknown)
  build user:
  build date:
  go version:       go1.26.8"""
FAKETIME = """
faketime: Version 0.9.10
For usage information please use 'faketime --help'."""


@pytest.mark.parametrize(
    ("output", "version"),
    [
        (DEBIAN_PROMETHEUS, "2.42.0+ds"),
        ("prometheus, version 3.16.0 (branch: , revision: unknown)", "3.16.0"),
        ("prometheus, version 3.0.0-rc.1 (branch: HEAD, revision: abc)", "3.0.0-rc.1"),
        ("promtool, version 2.53.4 (branch: HEAD, revision: 0e22bcd)", "2.53.4"),
        (UNSTAMPED_ALERTMANAGER, ""),
        ("temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)", "1.5.1"),
        ("temporal version 0.0.0-DEV (Server 1.29.1, UI 2.42.1)", "0.0.0-DEV"),
        ("temporal-sql-tool version 1.29.1", "1.29.1"),
        ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "15.18"),
        ("PgBouncer 1.18.0\nlibevent 2.1.12-stable\nadns: c-ares 1.18.1", "1.18.0"),
        ("v5.7.1", "5.7.1"),
        (FAKETIME, "0.9.10"),
        ("", ""),
        ("usage: prometheus [<flags>]", ""),
    ],
)
def test_a_version_is_read_from_the_first_line(output: str, version: str) -> None:
    """Versions of compilers and libraries in further lines are not the binary's version."""
    assert parse_version(output) == version


@pytest.mark.parametrize(
    ("version", "pin", "expected"),
    [
        ("2.53.4", "2.53.4", True),
        ("2.42.0+ds", "2.53.4", False),
        ("2.53.40", "2.53.4", False),
        ("15.18", "15", True),
        ("0.9.10", "0.9", True),
        ("0.90", "0.9", False),
    ],
)
def test_a_pin_with_fewer_parts_includes_its_line(version: str, pin: str, expected: bool) -> None:
    """A pin names one release or a line of releases."""
    assert is_pinned(version, Package("server", pin, ("server",))) is expected


def write_program(path: Path, answer: str) -> Path:
    """Write a program that answers this text, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def write_package(folder: Path, answer: str) -> None:
    """Write both programs of Prometheus."""
    for name in ("prometheus", "promtool"):
        write_program(folder / name, answer)


def make_search_paths(tmp_path: Path, **variables: str) -> SearchPaths:
    """Return search paths below a folder."""
    return SearchPaths({"PATH": str(tmp_path / "path"), "MAPEK_CACHE": str(tmp_path / "cache"), **variables})


async def download_from_vendor(_package: Package, _target_dir: Path, _report: Reporter) -> None:
    """Fail as a closed network does."""
    raise FetchFailed("vendor.example: HTTP 403")


async def download_from_debian(_package: Package, target_dir: Path, _report: Reporter) -> None:
    """Write the older version that Debian has."""
    write_package(target_dir, DEBIAN_PROMETHEUS)


def find_pin(name: str) -> str:
    """Return the pinned version of a package."""
    return next(package.version for package in PACKAGES if package.name == name)


async def test_a_fallback_has_its_own_version_in_its_folder(tmp_path: Path) -> None:
    """Debian's older package is not in a folder of the pinned version, and a line says why it is used."""
    pin, lines = find_pin("prometheus"), list[str]()
    methods, paths = [download_from_vendor, download_from_debian], make_search_paths(tmp_path)
    expected = Binary(
        tmp_path / "cache/prometheus-2.42.0+ds/promtool",
        "2.42.0+ds",
        f"instead of {pin}: cannot download from vendor: vendor.example: HTTP 403",
    )
    assert await ensure_binaries(["promtool"], paths, lines.append, methods) == {"promtool": expected}
    assert [line for line in lines if "installed" in line] == [f"prometheus: installed in 0 s: {expected}"]
    assert await ensure_binaries(["promtool"], paths, lines.append, methods) == {"promtool": expected}
    assert len(lines) == 2  # the second search reports nothing and installs nothing


async def test_a_misnamed_folder_is_not_used(tmp_path: Path) -> None:
    """A folder of the pinned version with another version inside is reported in one line and left alone."""
    pin, lines = find_pin("prometheus"), list[str]()
    misnamed = tmp_path / f"cache/prometheus-{pin}"
    write_package(misnamed, DEBIAN_PROMETHEUS)
    paths = make_search_paths(tmp_path)
    assert find_binary("prometheus", paths) is None
    found = await ensure_binaries(["prometheus"], paths, lines.append, [download_from_debian])
    assert found["prometheus"].path == tmp_path / "cache/prometheus-2.42.0+ds/prometheus"
    assert lines[0] == f"prometheus: {misnamed} is not used: its binaries are 2.42.0+ds"
    assert [line for line in lines if "not used" in line] == lines[:1]
    assert misnamed.is_dir()


async def test_a_folder_without_a_version_is_replaced(tmp_path: Path) -> None:
    """A build that names no version is replaced by one that names the pinned version."""
    pin, lines = find_pin("alertmanager"), list[str]()
    folder = tmp_path / f"cache/alertmanager-{pin}"
    for name in ("alertmanager", "amtool"):
        write_program(folder / name, UNSTAMPED_ALERTMANAGER)

    async def build(_package: Package, target_dir: Path, _report: Reporter) -> None:
        for name in ("alertmanager", "amtool"):
            write_program(target_dir / name, f"{name}, version {pin} (branch: , revision: unknown)")

    found = await ensure_binaries(["alertmanager"], make_search_paths(tmp_path), lines.append, [build])
    assert found == {"alertmanager": Binary(folder / "alertmanager", pin)}
    assert lines[0] == f"alertmanager: {folder} is not used: alertmanager --version names no version"


async def test_a_fallback_of_another_pin_is_not_used(tmp_path: Path) -> None:
    """A version that was installed for other reasons, such as the matrix, is not taken for the pinned one."""
    write_package(tmp_path / "cache/prometheus-3.5.1", "prometheus, version 3.5.1 (branch: , revision: unknown)")
    assert find_binary("prometheus", make_search_paths(tmp_path)) is None


async def test_binaries_of_one_package_agree(tmp_path: Path) -> None:
    """A source whose binaries are of two versions has failed, and the next one is tried."""

    async def mix(_package: Package, target_dir: Path, _report: Reporter) -> None:
        write_program(target_dir / "prometheus", "prometheus, version 2.53.4")
        write_program(target_dir / "promtool", "promtool, version 2.42.0")

    lines: list[str] = []
    await ensure_binaries(["promtool"], make_search_paths(tmp_path), lines.append, [mix, download_from_debian])
    assert lines[0] == "cannot mix: prometheus is 2.53.4, promtool is 2.42.0 (prometheus); trying other sources"


@pytest.mark.parametrize("origin", ["variable", "path"])
def test_a_binary_of_the_operator_is_known_by_its_answer(tmp_path: Path, origin: str) -> None:
    """The version of a binary that an operator chose is what it answers; an unknown one is named unknown."""
    folder = tmp_path / ("path" if origin == "path" else "tools")
    write_package(folder, DEBIAN_PROMETHEUS)
    variables = {"MAPEK_PROMETHEUS_BIN": str(folder / "prometheus")} if origin == "variable" else {}
    paths, text = (
        make_search_paths(tmp_path, **variables),
        "on PATH" if origin == "path" else "set by MAPEK_PROMETHEUS_BIN",
    )
    pin = find_pin("prometheus")
    assert str(find_binary("prometheus", paths)) == f"2.42.0+ds ({text}; pinned is {pin})"
    write_package(folder, UNSTAMPED_ALERTMANAGER)
    assert str(find_binary("prometheus", paths)) == (
        f"unknown version ({text}; prometheus --version names no version; pinned is {pin})"
    )


async def test_every_installed_folder_has_the_version_that_its_binaries_name(server_binaries: dict[str, Path]) -> None:
    """The name of each folder in this machine's cache that is used is the answer of its real binary."""
    cache = SearchPaths().cache
    for name, path in server_binaries.items():
        found = find_binary(name, SearchPaths())
        assert found is not None
        assert found.path == path
        assert found.version
        if path.is_relative_to(cache):
            assert path.parent.name.endswith(f"-{found.version}")

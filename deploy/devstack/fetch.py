"""The methods to fetch a missing package of binaries: the vendor's download, a Go build, Debian's archive.

Each method puts the binaries into a folder, or raises FetchFailed with one line. A method that cannot work fails within
seconds: it makes one attempt with short connect timeouts, and a small request before a long one.
"""

import asyncio
import hashlib
import os
import platform
import shutil
import tarfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from deploy.devstack import process
from deploy.devstack.pins import Package
from deploy.devstack.versions import DEBIAN_TREE_DIR

Reporter = Callable[[str], None]
FetchMethod = Callable[[Package, Path, Reporter], Awaitable[None]]

WEB_ASSETS_DIR = "web"
"""The folder of a server's own pages, if its binary does not hold them."""
_DEBIAN_WEB_ASSETS = "usr/share/prometheus/web"
_CONNECT_TIMEOUT_SECONDS = 3.0
_READ_TIMEOUT_SECONDS = 20.0  # without a byte
_PROBE_TIMEOUT_SECONDS = 30.0  # for a request that shows whether a registry answers
_BUILD_TIMEOUT_SECONDS = 900.0  # a build takes about 180 s on two cores
_PROGRESS_INTERVAL_SECONDS = 30.0
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class FetchFailed(Exception):
    """The method cannot fetch the package on this machine; the text is one line."""


class FetchNotOffered(FetchFailed):
    """The method does not exist for the package; this is no failure to report."""


async def download_from_vendor(package: Package, target_dir: Path, _report: Reporter) -> None:
    """Download the vendor's archive, compare its checksum with the pinned one and extract the binaries."""
    if not package.url:
        raise FetchNotOffered
    system, architecture = detect_platform()
    expected = package.sha256.get(f"{system}-{architecture}")
    if expected is None:
        raise FetchFailed(f"no pinned checksum for {package.folder} on {system}-{architecture}")
    archive = target_dir / "archive.tar.gz"
    actual = await _download(package.url.format(os=system, arch=architecture), archive)
    if actual != expected:
        raise FetchFailed(f"the download has sha256 {actual}, pinned is {expected}")
    await asyncio.to_thread(_unpack, archive, package.binaries, target_dir)
    archive.unlink()


async def build_with_go(package: Package, target_dir: Path, report: Reporter) -> None:
    """Build from source with `go install`."""
    if package.go_module is None:
        raise FetchNotOffered
    command = shutil.which("go")
    if command is None:
        raise FetchFailed("no go on PATH")
    await _run_command(
        [command, "mod", "download", f"{package.go_module}@v{package.version}"], target_dir, _PROBE_TIMEOUT_SECONDS
    )
    duration = "about 3 minutes" if package.name.startswith("temporal") else "about a minute"
    report(f"{package.name}: building {package.version} from source; {duration}, once")
    folders = {binary: package.go_commands.get(binary, f"cmd/{binary}") for binary in package.binaries}
    commands = [f"{package.go_module}/{folder}".rstrip("/") + f"@v{package.version}" for folder in folders.values()]
    progress = asyncio.create_task(_report_progress(package.name, report))
    try:
        await _run_command(
            [command, "install", f"-ldflags={_linker_flags(package)}", *commands],
            target_dir,
            _BUILD_TIMEOUT_SECONDS,
            {"GOBIN": str(target_dir)},
        )
    finally:
        progress.cancel()
    for binary, folder in folders.items():
        if folder:
            (target_dir / Path(folder).name).rename(target_dir / binary)


def _linker_flags(package: Package) -> str:
    """Return flags that write the version into the binaries, and no symbol tables: linking is faster without them."""
    variable = package.go_version_variable
    return f"-s -w -X {variable}={package.version}" if variable else "-s -w"


async def download_from_debian(package: Package, target_dir: Path, report: Reporter) -> None:
    """Download and unpack Debian's package with separate lists and cache: it needs no root and installs nothing."""
    if not package.debian_packages:
        raise FetchNotOffered
    apt, dpkg = shutil.which("apt-get"), shutil.which("dpkg-deb")
    if apt is None or dpkg is None:
        raise FetchFailed("apt-get or dpkg-deb is not on PATH")
    work, tree = target_dir / "apt", target_dir / DEBIAN_TREE_DIR
    for folder in ("lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    options = {
        "Dir::State::lists": str(work / "lists"),
        "Dir::Cache": str(work / "cache"),
        "Acquire::Retries": "0",
        "Acquire::http::Timeout": "5",
        "Acquire::https::Timeout": "5",
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        # As root, apt-get would download as a user without write access to the cache.
        "APT::Sandbox::User": "root",
    }
    apt_get = [apt, "-q", *(part for key, value in options.items() for part in ("-o", f"{key}={value}"))]
    report(f"{package.name}: downloading Debian's package")
    await _run_command([*apt_get, "update"], target_dir, _PROBE_TIMEOUT_SECONDS * 2)
    await _run_command([*apt_get, "download", *package.debian_packages], work, _PROBE_TIMEOUT_SECONDS * 4)
    for archive in work.glob("*.deb"):
        await _run_command([dpkg, "-x", str(archive), str(tree)], target_dir, _PROBE_TIMEOUT_SECONDS)
    # The tree stays: some binaries read files beside themselves.
    for binary in package.binaries:
        (target_dir / binary).symlink_to(Path(DEBIAN_TREE_DIR) / package.debian_folder / binary)
    if (tree / _DEBIAN_WEB_ASSETS).is_dir():
        # Debian's build keeps its pages beside the binary, the vendor's build inside it.
        (target_dir / WEB_ASSETS_DIR).symlink_to(Path(DEBIAN_TREE_DIR) / _DEBIAN_WEB_ASSETS)
    shutil.rmtree(work)


def detect_platform() -> tuple[str, str]:
    """Return operating system and architecture as vendors name them, such as ("linux", "amd64")."""
    return platform.system().lower(), _ARCHITECTURES.get(platform.machine(), platform.machine())


FETCH_METHODS: tuple[FetchMethod, ...] = (download_from_vendor, build_with_go, download_from_debian)


async def _download(url: str, target: Path) -> str:
    """Download a file and return its sha256."""
    import httpx  # not at the top: loading it takes longer than a set-up that finds every binary

    digest = hashlib.sha256()
    timeout = httpx.Timeout(_READ_TIMEOUT_SECONDS, connect=_CONNECT_TIMEOUT_SECONDS)
    try:
        async with (
            httpx.AsyncClient(timeout=timeout, follow_redirects=True) as client,
            client.stream("GET", url) as response,
        ):
            response.raise_for_status()
            with target.open("wb") as file:
                async for chunk in response.aiter_bytes():
                    digest.update(chunk)
                    file.write(chunk)
    except httpx.HTTPStatusError as error:
        raise FetchFailed(f"{url.split('/')[2]}: HTTP {error.response.status_code}") from error
    except httpx.HTTPError as error:
        raise FetchFailed(f"{url.split('/')[2]}: {str(error) or type(error).__name__}".splitlines()[0]) from error
    return digest.hexdigest()


def _unpack(archive: Path, binaries: Sequence[str], target_dir: Path) -> None:
    """Extract only the binaries from a tar archive, from any folder in it."""
    with tarfile.open(archive) as tar:
        for member in tar:
            name = Path(member.name).name
            source = tar.extractfile(member) if name in binaries and member.isfile() else None
            if source is not None:
                with source, (target_dir / name).open("wb") as target:
                    shutil.copyfileobj(source, target)


async def _run_command(argv: list[str], cwd: Path, timeout_seconds: float, env: dict[str, str] | None = None) -> None:
    """Run a tool; on failure the last line of its output is the reason."""
    log = cwd / "output.log"
    try:
        code = await process.run(argv, log, timeout_seconds, {**os.environ, **(env or {})}, cwd)
    except TimeoutError:
        raise FetchFailed(f"{Path(argv[0]).name} did not end within {timeout_seconds:.0f} s") from None
    if code != 0:
        raise FetchFailed(f"{Path(argv[0]).name}: {(process.last_lines(log, 1) or [f'exit code {code}'])[0]}")


async def _report_progress(package_name: str, report: Reporter) -> None:
    started_at = time.monotonic()
    while True:
        await asyncio.sleep(_PROGRESS_INTERVAL_SECONDS)
        report(f"{package_name}: still building ({time.monotonic() - started_at:.0f} s)")

"""The ways to get a package of binaries that is not there: the vendor's download, Go's modules, Debian's archive.

Each way puts the binaries into a folder, or raises WayFailed with one line, within seconds if it cannot work at
all: one attempt, short connect timeouts, and a small request before anything long is begun.
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

Say = Callable[[str], None]
Way = Callable[[Package, Path, Say], Awaitable[None]]

WEB = "web"  # the folder for a server's own pages, where they are not in the binary
_PAGES = "usr/share/prometheus/web"
TREE = "tree"  # the folder Debian's packages are unpacked into
_CONNECT = 3.0  # seconds
_READ = 20.0  # seconds without a byte
_QUICK = 30.0  # seconds for a request that shows whether a registry answers at all
_BUILD = 900.0  # seconds; about 180 on two cores
_SAY_EVERY = 30.0  # seconds between signs of life
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class WayFailed(Exception):
    """This way does not lead to the package here; the text says why in one line."""


class NotOffered(WayFailed):
    """The package never comes this way: nothing that went wrong, nothing to say."""


async def vendor(package: Package, into: Path, say: Say) -> None:
    """Download the vendor's archive, compare its checksum with the pinned one, take the binaries out."""
    if not package.url:
        raise NotOffered
    system, architecture = this_platform()
    expected = package.sha256.get(f"{system}-{architecture}")
    if expected is None:
        raise WayFailed(f"no pinned checksum for {package.folder} on {system}-{architecture}")
    archive = into / "archive.tar.gz"
    actual = await _download(package.url.format(os=system, arch=architecture), archive)
    if actual != expected:
        raise WayFailed(f"the download's sha256 is {actual}, the pinned one {expected}")
    await asyncio.to_thread(_unpack, archive, package.binaries, into)
    archive.unlink()
    say(f"{package.name}: downloaded {package.version}, checksum as pinned")


async def go(package: Package, into: Path, say: Say) -> None:
    """Build from source with `go install`."""
    if package.go_module is None:
        raise NotOffered
    command = shutil.which("go")
    if command is None:
        raise WayFailed("no go on PATH")
    await _command([command, "mod", "download", f"{package.go_module}@v{package.version}"], into, _QUICK)
    long = "about 3 minutes" if package.name.startswith("temporal") else "about a minute"
    say(f"{package.name}: building {package.version} from source, {long}, once")
    folders = {binary: package.go_commands.get(binary, f"cmd/{binary}") for binary in package.binaries}
    commands = [f"{package.go_module}/{folder}".rstrip("/") + f"@v{package.version}" for folder in folders.values()]
    life = asyncio.create_task(_signs_of_life(package.name, say))
    try:
        # Without symbol tables (-s -w) the linker is done sooner and the file is smaller.
        await _command([command, "install", "-ldflags=-s -w", *commands], into, _BUILD, {"GOBIN": str(into)})
    finally:
        life.cancel()
    for binary, folder in folders.items():
        if folder:
            (into / Path(folder).name).rename(into / binary)


async def debian(package: Package, into: Path, say: Say) -> None:
    """Fetch Debian's package and unpack it, with lists and cache of its own: no root, nothing is installed."""
    if not package.debian:
        raise NotOffered
    apt, dpkg = shutil.which("apt-get"), shutil.which("dpkg-deb")
    if apt is None or dpkg is None:
        raise WayFailed("no apt-get and dpkg-deb on PATH")
    work, tree = into / "apt", into / TREE
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
        # As root, apt-get would fetch as a user who may not write into the cache.
        "APT::Sandbox::User": "root",
    }
    apt_get = [apt, "-q", *(part for key, value in options.items() for part in ("-o", f"{key}={value}"))]
    say(f"{package.name}: fetching Debian's package")
    await _command([*apt_get, "update"], into, _QUICK * 2)
    await _command([*apt_get, "download", *package.debian], work, _QUICK * 4)
    for archive in work.glob("*.deb"):
        await _command([dpkg, "-x", str(archive), str(tree)], into, _QUICK)
    # The tree stays as it is, since some find their own files beside themselves.
    for binary in package.binaries:
        (into / binary).symlink_to(Path(TREE) / package.debian_folder / binary)
    if (tree / _PAGES).is_dir():
        # Debian's build has its pages beside the binary, the vendor's inside it.
        (into / WEB).symlink_to(Path(TREE) / _PAGES)
    shutil.rmtree(work)


def libraries(binary: Path) -> dict[str, str]:
    """The environment in which a binary finds the libraries that were unpacked with it; empty if none were."""
    folders = (str(folder) for folder in (binary.parent / TREE / "usr/lib").glob("*-linux-gnu"))
    found = ":".join(sorted(folders))
    return {"LD_LIBRARY_PATH": found} if found else {}


def this_platform() -> tuple[str, str]:
    """Operating system and architecture in the vendors' words, such as ("linux", "amd64")."""
    return platform.system().lower(), _ARCHITECTURES.get(platform.machine(), platform.machine())


WAYS: tuple[Way, ...] = (vendor, go, debian)


async def _download(url: str, to: Path) -> str:
    """Fetch a file and return its sha256."""
    import httpx  # not at the top: with everything found, set-up is done before it would be loaded

    digest = hashlib.sha256()
    timeout = httpx.Timeout(_READ, connect=_CONNECT)
    try:
        async with (
            httpx.AsyncClient(timeout=timeout, follow_redirects=True) as client,
            client.stream("GET", url) as response,
        ):
            response.raise_for_status()
            with to.open("wb") as file:
                async for chunk in response.aiter_bytes():
                    digest.update(chunk)
                    file.write(chunk)
    except httpx.HTTPError as error:
        raise WayFailed(f"{url.split('/')[2]}: {str(error) or type(error).__name__}".splitlines()[0]) from error
    return digest.hexdigest()


def _unpack(archive: Path, binaries: Sequence[str], into: Path) -> None:
    """Take the binaries, and nothing else, out of a tar archive; their folders in it do not matter."""
    with tarfile.open(archive) as tar:
        for member in tar:
            name = Path(member.name).name
            source = tar.extractfile(member) if name in binaries and member.isfile() else None
            if source is not None:
                with source, (into / name).open("wb") as target:
                    shutil.copyfileobj(source, target)


async def _command(argv: list[str], cwd: Path, bound: float, env: dict[str, str] | None = None) -> None:
    """Run a tool; if it fails, the last line it wrote is the reason."""
    log = cwd / "output.log"
    try:
        code = await process.run(argv, log, bound, {**os.environ, **(env or {})}, cwd)
    except TimeoutError:
        raise WayFailed(f"{Path(argv[0]).name} did not end within {bound:.0f} s") from None
    if code != 0:
        raise WayFailed(f"{Path(argv[0]).name}: {(process.tail(log, 1) or [f'exit code {code}'])[0]}")


async def _signs_of_life(name: str, say: Say) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(_SAY_EVERY)
        say(f"{name}: still building ({time.monotonic() - began:.0f} s)")

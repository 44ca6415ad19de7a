"""Finds the servers' binaries, and installs what is missing into a cache.

Order for each: its setting (environment), PATH, the cache, the vendor's download, the package registries. An
installation appears in the cache at one stroke, so an interrupted one leaves nothing half done, and of two at the
same time one works while the other waits for it.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.devstack import process
from deploy.devstack.errors import BinaryMissing, UsageError
from deploy.devstack.fetch import WAYS, NotOffered, Say, Way, WayFailed, libraries
from deploy.devstack.pins import PACKAGES, Package

_VERSION_BOUND = 20.0  # seconds for `--version`, on a busy machine

# Each binary, and the names it has on PATH: Debian renamed one.
NAMES: dict[str, tuple[str, ...]] = {
    "temporal": ("temporal",),
    "prometheus": ("prometheus",),
    "promtool": ("promtool",),
    "alertmanager": ("alertmanager", "prometheus-alertmanager"),
    "amtool": ("amtool",),
    "postgres": ("postgres",),
    "initdb": ("initdb",),
    "temporal-server": ("temporal-server",),
    "temporal-sql-tool": ("temporal-sql-tool",),
    "kustomize": ("kustomize",),
    "faketime": ("faketime",),
}
CLUSTER = ("temporal-server", "temporal-sql-tool")
"""Only a rehearsal of the cluster needs these, and they take minutes to build."""
TOOLS = ("kustomize", "faketime")
"""Only tests need these."""
USUAL = tuple(name for name in NAMES if name not in (*CLUSTER, *TOOLS))


@dataclass(frozen=True)
class Places:
    """Where to look: the environment's settings and PATH, and the cache folder."""

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def cache(self) -> Path:
        """$MAPEK_CACHE, or `mapek` in the user's cache folder."""
        if setting := self.environment.get("MAPEK_CACHE"):
            return Path(setting).expanduser().absolute()
        base = self.environment.get("XDG_CACHE_HOME") or "~/.cache"
        return Path(base).expanduser().absolute() / "mapek"


def setting_of(binary: str) -> str:
    """The environment variable that sets a binary's path."""
    return f"MAPEK_{binary.upper().replace('-', '_')}_BIN"


def find(binary: str, places: Places) -> Path | None:
    """The binary's path, or None if it has to be installed.

    Raises:
        UsageError: its setting names something that cannot be executed.
    """
    if setting := places.environment.get(setting_of(binary)):
        found = shutil.which(Path(setting).expanduser())
        if found is None:
            raise UsageError(f"{setting_of(binary)}={setting} is not an executable file")
        return Path(found).absolute()
    for name in NAMES[binary]:
        if on_path := shutil.which(name, path=places.environment.get("PATH", os.defpath)):
            return Path(on_path).absolute()
    cached = places.cache / _package_of(binary).folder / binary
    return cached if os.access(cached, os.X_OK) else None


async def ensure(
    wanted: Iterable[str] = USUAL,
    places: Places | None = None,
    say: Say = print,
    ways: Sequence[Way] = WAYS,
) -> dict[str, Path]:
    """The paths of the wanted binaries; what is missing is installed, packages side by side.

    Raises:
        BinaryMissing: no way to get one worked.
        UsageError: a setting is wrong.
    """
    wanted, places = tuple(wanted), places or Places()
    found = {binary: find(binary, places) for binary in wanted}
    missing = {_package_of(binary).name: _package_of(binary) for binary, path in found.items() if path is None}
    outcomes = await asyncio.gather(
        *(_install(package, places, say, ways) for package in missing.values()), return_exceptions=True
    )
    for outcome in outcomes:
        if outcome is not None:
            raise outcome
    paths = {binary: found[binary] or find(binary, places) for binary in wanted}
    return {binary: path for binary, path in paths.items() if path is not None}


def _package_of(binary: str) -> Package:
    return next(package for package in PACKAGES if binary in package.binaries)


async def _install(package: Package, places: Places, say: Say, ways: Sequence[Way]) -> None:
    places.cache.mkdir(parents=True, exist_ok=True)
    async with _sole_installer(package, places.cache, say):
        target = places.cache / package.folder
        if all(os.access(target / binary, os.X_OK) for binary in package.binaries):
            return  # the one we waited for has done it
        for abandoned in places.cache.glob(f".{package.folder}.*"):
            shutil.rmtree(abandoned)
        for way in ways:
            work = Path(tempfile.mkdtemp(prefix=f".{package.folder}.", dir=places.cache))
            try:
                await way(package, work, say)
                await _check(package, work)
                _publish(package, work, target)
            except NotOffered:
                continue
            except WayFailed as reason:
                say(f"{package.name}: not by {way.__name__}: {reason}")
            else:
                say(f"{package.name}: installed in {target}")
                return
            finally:
                shutil.rmtree(work, ignore_errors=True)
    settings = ", ".join(setting_of(binary) for binary in package.binaries)
    raise BinaryMissing(f"{package.name}: every way failed; put it on PATH, or set {settings}")


async def _check(package: Package, work: Path) -> None:
    """Make the binaries executable and run each once."""
    for binary in package.binaries:
        path = work / binary
        if not path.is_file():
            raise WayFailed(f"{binary} is not in the package")
        path.chmod(0o755)
        try:
            environment = {**os.environ, **libraries(path)}
            asked = [str(path), package.version_argument]
            code = await process.run(asked, work / "output.log", _VERSION_BOUND, environment)
        except TimeoutError:
            told = f"{binary} {package.version_argument}"
            raise WayFailed(f"{told} did not end within {_VERSION_BOUND:.0f} s") from None
        if code != 0:
            raise WayFailed(f"{binary} does not run on this machine (exit code {code})")


def _publish(package: Package, work: Path, target: Path) -> None:
    """Drop archives and logs, and let the folder appear in the cache at one stroke."""
    for path in work.iterdir():
        if path.is_file() and path.name not in package.binaries:
            path.unlink()
    shutil.rmtree(target, ignore_errors=True)
    work.rename(target)


@contextlib.asynccontextmanager
async def _sole_installer(package: Package, cache: Path, say: Say) -> AsyncIterator[None]:
    """Hold the package's lock in this cache; it falls with the process, whatever ends it."""
    with (cache / f"{package.name}.lock").open("w") as lock:
        waited = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waited:
                    say(f"{package.name}: waiting for another set-up of it")
                waited = True
                await asyncio.sleep(0.5)
        yield

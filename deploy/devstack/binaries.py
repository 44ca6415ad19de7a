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
from deploy.devstack.fetch import (
    FETCH_METHODS,
    FetchFailed,
    FetchMethod,
    FetchNotOffered,
    Reporter,
    library_environment,
)
from deploy.devstack.pins import PACKAGES, Package

_VERSION_TIMEOUT_SECONDS = 20.0  # seconds for `--version`, on a busy machine

# Each binary, and the names it has on PATH: Debian renamed one.
BINARY_NAMES: dict[str, tuple[str, ...]] = {
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
CLUSTER_BINARIES = ("temporal-server", "temporal-sql-tool")
"""Only a rehearsal of the cluster needs these, and they take minutes to build."""
TOOL_BINARIES = ("kustomize", "faketime")
"""Only tests need these."""
DEFAULT_BINARIES = tuple(name for name in BINARY_NAMES if name not in (*CLUSTER_BINARIES, *TOOL_BINARIES))


@dataclass(frozen=True)
class SearchPaths:
    """Where to look: the environment's settings and PATH, and the cache folder."""

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def cache(self) -> Path:
        """$MAPEK_CACHE, or `mapek` in the user's cache folder."""
        if setting := self.environment.get("MAPEK_CACHE"):
            return Path(setting).expanduser().absolute()
        base = self.environment.get("XDG_CACHE_HOME") or "~/.cache"
        return Path(base).expanduser().absolute() / "mapek"


def env_variable_for(binary: str) -> str:
    """The environment variable that sets a binary's path."""
    return f"MAPEK_{binary.upper().replace('-', '_')}_BIN"


def find_binary(binary: str, search_paths: SearchPaths) -> Path | None:
    """The binary's path, or None if it has to be installed.

    Raises:
        UsageError: its setting names something that cannot be executed.
    """
    if setting := search_paths.environment.get(env_variable_for(binary)):
        found = shutil.which(Path(setting).expanduser())
        if found is None:
            raise UsageError(f"{env_variable_for(binary)}={setting} is not an executable file")
        return Path(found).absolute()
    for name in BINARY_NAMES[binary]:
        if on_path := shutil.which(name, path=search_paths.environment.get("PATH", os.defpath)):
            return Path(on_path).absolute()
    cached = search_paths.cache / _find_package(binary).folder / binary
    return cached if os.access(cached, os.X_OK) else None


async def ensure_binaries(
    binary_names: Iterable[str] = DEFAULT_BINARIES,
    search_paths: SearchPaths | None = None,
    report: Reporter = print,
    fetch_methods: Sequence[FetchMethod] = FETCH_METHODS,
) -> dict[str, Path]:
    """The paths of the wanted binaries; what is missing is installed, packages side by side.

    Raises:
        BinaryMissing: no way to get one worked.
        UsageError: a setting is wrong.
    """
    binary_names, search_paths = tuple(binary_names), search_paths or SearchPaths()
    found = {binary: find_binary(binary, search_paths) for binary in binary_names}
    missing = {_find_package(binary).name: _find_package(binary) for binary, path in found.items() if path is None}
    outcomes = await asyncio.gather(
        *(_install(package, search_paths, report, fetch_methods) for package in missing.values()),
        return_exceptions=True,
    )
    for outcome in outcomes:
        if outcome is not None:
            raise outcome
    paths = {binary: found[binary] or find_binary(binary, search_paths) for binary in binary_names}
    return {binary: path for binary, path in paths.items() if path is not None}


def _find_package(binary: str) -> Package:
    return next(package for package in PACKAGES if binary in package.binaries)


async def _install(
    package: Package, search_paths: SearchPaths, report: Reporter, fetch_methods: Sequence[FetchMethod]
) -> None:
    search_paths.cache.mkdir(parents=True, exist_ok=True)
    async with _hold_install_lock(package, search_paths.cache, report):
        target = search_paths.cache / package.folder
        if all(os.access(target / binary, os.X_OK) for binary in package.binaries):
            return  # the one we waited for has done it
        for abandoned in search_paths.cache.glob(f".{package.folder}.*"):
            shutil.rmtree(abandoned)
        for way in fetch_methods:
            work = Path(tempfile.mkdtemp(prefix=f".{package.folder}.", dir=search_paths.cache))
            try:
                await way(package, work, report)
                await _check_binaries(package, work)
                _publish(package, work, target)
            except FetchNotOffered:
                continue
            except FetchFailed as reason:
                report(f"{package.name}: not by {way.__name__}: {reason}")
            else:
                report(f"{package.name}: installed in {target}")
                return
            finally:
                shutil.rmtree(work, ignore_errors=True)
    settings = ", ".join(env_variable_for(binary) for binary in package.binaries)
    raise BinaryMissing(f"{package.name}: every way failed; put it on PATH, or set {settings}")


async def _check_binaries(package: Package, work_dir: Path) -> None:
    """Make the binaries executable and run each once."""
    for binary in package.binaries:
        path = work_dir / binary
        if not path.is_file():
            raise FetchFailed(f"{binary} is not in the package")
        path.chmod(0o755)
        try:
            environment = {**os.environ, **library_environment(path)}
            asked = [str(path), package.version_argument]
            code = await process.run(asked, work_dir / "output.log", _VERSION_TIMEOUT_SECONDS, environment)
        except TimeoutError:
            told = f"{binary} {package.version_argument}"
            raise FetchFailed(f"{told} did not end within {_VERSION_TIMEOUT_SECONDS:.0f} s") from None
        if code != 0:
            raise FetchFailed(f"{binary} does not run on this machine (exit code {code})")


def _publish(package: Package, work_dir: Path, target_dir: Path) -> None:
    """Drop archives and logs, and let the folder appear in the cache at one stroke."""
    for path in work_dir.iterdir():
        if path.is_file() and path.name not in package.binaries:
            path.unlink()
    shutil.rmtree(target_dir, ignore_errors=True)
    work_dir.rename(target_dir)


@contextlib.asynccontextmanager
async def _hold_install_lock(package: Package, cache_dir: Path, report: Reporter) -> AsyncIterator[None]:
    """Hold the package's lock in this cache; it falls with the process, whatever ends it."""
    with (cache_dir / f"{package.name}.lock").open("w") as lock:
        waited = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waited:
                    report(f"{package.name}: waiting for another set-up of it")
                waited = True
                await asyncio.sleep(0.5)
        yield

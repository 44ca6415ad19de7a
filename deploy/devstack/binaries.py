"""Finds the servers' binaries and installs missing ones into a cache.

The search order for each binary: its environment variable, PATH, the cache, the vendor's download, the package
registries. An installation appears in the cache atomically: an interrupted one leaves nothing behind. Of two
concurrent installations one works and the other waits.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import tempfile
import time
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

_VERSION_TIMEOUT_SECONDS = 20.0
"""Limit for `--version` on a busy machine."""
_LOCK_POLL_SECONDS = 0.5

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
    "pgbouncer": ("pgbouncer",),
}
"""Each binary with its names on PATH; Debian renamed one."""
CLUSTER_BINARIES = ("temporal-server", "temporal-sql-tool")
"""Only the cluster tests need these; building them takes minutes."""
TOOL_BINARIES = ("kustomize", "faketime", "pgbouncer")
"""Only tests need these."""
DEFAULT_BINARIES = tuple(name for name in BINARY_NAMES if name not in (*CLUSTER_BINARIES, *TOOL_BINARIES))


@dataclass(frozen=True)
class SearchPaths:
    """The environment with its variables and PATH, and the cache folder."""

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def cache(self) -> Path:
        """$MAPEK_CACHE, by default `mapek` in the user's cache folder."""
        if setting := self.environment.get("MAPEK_CACHE"):
            return Path(setting).expanduser().absolute()
        base = self.environment.get("XDG_CACHE_HOME") or "~/.cache"
        return Path(base).expanduser().absolute() / "mapek"


def env_variable_for(binary: str) -> str:
    """Return the environment variable that sets a binary's path."""
    return f"MAPEK_{binary.upper().replace('-', '_')}_BIN"


def find_binary(binary: str, search_paths: SearchPaths) -> Path | None:
    """Return the binary's path, or None if it must be installed.

    Raises:
        UsageError: the binary's environment variable names no executable file.
    """
    if setting := search_paths.environment.get(env_variable_for(binary)):
        configured = shutil.which(Path(setting).expanduser())
        if configured is None:
            raise UsageError(f"{env_variable_for(binary)}={setting} is not an executable file; correct or unset it")
        return Path(configured).absolute()
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
    """Return the path of each binary; install missing packages concurrently.

    Raises:
        BinaryMissing: no fetch method worked for a package.
        UsageError: an environment variable is wrong.
    """
    binary_names, search_paths = tuple(binary_names), search_paths or SearchPaths()
    paths = {binary: find_binary(binary, search_paths) for binary in binary_names}
    missing = {_find_package(binary).name: _find_package(binary) for binary, path in paths.items() if path is None}
    failures = _FetchFailures(report, {method.__name__: set(missing) for method in fetch_methods})
    results = await asyncio.gather(
        *(_install(package, search_paths, failures, fetch_methods) for package in missing.values()),
        return_exceptions=True,
    )
    for result in results:
        if result is not None:
            raise result
    installed = {binary: path or find_binary(binary, search_paths) for binary, path in paths.items()}
    return {binary: path for binary, path in installed.items() if path is not None}


@dataclass
class _FetchFailures:
    """The failures of all packages: one reported line per fetch method, once no package can use it any more."""

    report: Reporter
    undecided: dict[str, set[str]]
    reasons: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def record(self, method: str, package_name: str, reason: str | None) -> None:
        """Record the result of one attempt; `reason` is None if it did not fail."""
        if reason is not None:
            self.reasons.setdefault(method, {}).setdefault(reason, []).append(package_name)
        self.undecided[method].discard(package_name)
        if not self.undecided[method] and (reasons := self.reasons.pop(method, None)):
            text = "; ".join(f"{reason} ({', '.join(sorted(names))})" for reason, names in reasons.items())
            is_last = method == list(self.undecided)[-1]
            self.report(f"cannot {method.replace('_', ' ')}: {text}" + ("" if is_last else "; trying other sources"))

    def close(self, package_name: str) -> None:
        """Record that the package needs no further method."""
        for method in self.undecided:
            self.record(method, package_name, None)


def _find_package(binary: str) -> Package:
    return next(package for package in PACKAGES if binary in package.binaries)


async def _install(
    package: Package, search_paths: SearchPaths, failures: _FetchFailures, fetch_methods: Sequence[FetchMethod]
) -> None:
    started_at = time.monotonic()
    search_paths.cache.mkdir(parents=True, exist_ok=True)
    try:
        async with _hold_install_lock(package, search_paths.cache, failures.report):
            target = search_paths.cache / package.folder
            if all(os.access(target / binary, os.X_OK) for binary in package.binaries):
                return  # the installation that held the lock has installed it
            for abandoned in search_paths.cache.glob(f".{package.folder}.*"):
                shutil.rmtree(abandoned)
            for method in fetch_methods:
                if await _try_method(method, package, target, failures):
                    seconds = time.monotonic() - started_at
                    failures.report(f"{package.name}: {package.version} installed in {target} ({seconds:.0f} s)")
                    return
    finally:
        failures.close(package.name)
    settings = ", ".join(env_variable_for(binary) for binary in package.binaries)
    raise BinaryMissing(f"{package.name}: every source failed; put it on PATH or set {settings}")


async def _try_method(method: FetchMethod, package: Package, target_dir: Path, failures: _FetchFailures) -> bool:
    """Return whether the method has put the package into the cache."""
    work = Path(tempfile.mkdtemp(prefix=f".{package.folder}.", dir=target_dir.parent))
    try:
        await method(package, work, failures.report)
        await _check_binaries(package, work)
        _publish(package, work, target_dir)
    except FetchNotOffered:
        failures.record(method.__name__, package.name, None)
    except FetchFailed as reason:
        failures.record(method.__name__, package.name, str(reason))
    else:
        return True
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return False


async def _check_binaries(package: Package, work_dir: Path) -> None:
    """Make the binaries executable and run each once."""
    for binary in package.binaries:
        path = work_dir / binary
        if not path.is_file():
            raise FetchFailed(f"{binary} is not in the package")
        path.chmod(0o755)
        environment = {**os.environ, **library_environment(path)}
        command = [str(path), package.version_argument]
        try:
            code = await process.run(command, work_dir / "output.log", _VERSION_TIMEOUT_SECONDS, environment)
        except TimeoutError:
            limit = f"{_VERSION_TIMEOUT_SECONDS:.0f} s"
            raise FetchFailed(f"{binary} {package.version_argument} did not end within {limit}") from None
        if code != 0:
            raise FetchFailed(f"{binary} does not run on this machine (exit code {code})")


def _publish(package: Package, work_dir: Path, target_dir: Path) -> None:
    """Remove archives and logs, then rename the folder into the cache."""
    for path in work_dir.iterdir():
        if path.is_file() and path.name not in package.binaries:
            path.unlink()
    shutil.rmtree(target_dir, ignore_errors=True)
    work_dir.rename(target_dir)


@contextlib.asynccontextmanager
async def _hold_install_lock(package: Package, cache_dir: Path, report: Reporter) -> AsyncIterator[None]:
    """Hold the package's lock in this cache; the kernel releases it when the process ends."""
    with (cache_dir / f"{package.name}.lock").open("w") as lock:
        reported = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not reported:
                    report(f"{package.name}: waiting for another set-up that installs it")
                reported = True
                await asyncio.sleep(_LOCK_POLL_SECONDS)
        yield

"""Installs missing packages of binaries into the cache.

An installation appears in the cache atomically: an interrupted one leaves nothing behind. Of two concurrent
installations one works and the other waits.
"""

import asyncio
import contextlib
import fcntl
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from deploy.devstack import cache
from deploy.devstack.errors import BinaryMissing
from deploy.devstack.fetch import FETCH_METHODS, FetchFailed, FetchMethod, FetchNotOffered, Reporter
from deploy.devstack.pins import Package
from deploy.devstack.versions import VersionUnknown

_LOCK_POLL_SECONDS = 0.5


def env_variable_for(binary: str) -> str:
    """Return the environment variable that sets a binary's path."""
    return f"MAPEK_{binary.upper().replace('-', '_')}_BIN"


async def install_packages(
    packages: Iterable[Package], cache_dir: Path, report: Reporter, fetch_methods: Sequence[FetchMethod] = FETCH_METHODS
) -> None:
    """Install packages into the cache concurrently, unless they are there.

    Raises:
        BinaryMissing: no fetch method worked for a package.
    """
    packages = tuple(packages)
    names = {package.name for package in packages}
    failures = _FetchFailures(report, {method.__name__: set(names) for method in fetch_methods})
    results = await asyncio.gather(
        *(_install(package, cache_dir, failures, fetch_methods) for package in packages), return_exceptions=True
    )
    for result in results:
        if result is not None:
            raise result


@dataclass
class _FetchFailures:
    """The failures of all packages: one reported line per fetch method, once no package can use it any more."""

    report: Reporter
    undecided: dict[str, set[str]]
    reasons: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    failed: dict[str, list[str]] = field(default_factory=dict)

    def record(self, method: str, package_name: str, reason: str | None) -> None:
        """Record the result of one attempt; `reason` is None if it did not fail."""
        if reason is not None:
            self.reasons.setdefault(method, {}).setdefault(reason, []).append(package_name)
            self.failed.setdefault(package_name, []).append(f"cannot {method.replace('_', ' ')}: {reason}")
        self.undecided[method].discard(package_name)
        if not self.undecided[method] and (reasons := self.reasons.pop(method, None)):
            text = "; ".join(f"{reason} ({', '.join(sorted(names))})" for reason, names in reasons.items())
            is_last = method == list(self.undecided)[-1]
            self.report(f"cannot {method.replace('_', ' ')}: {text}" + ("" if is_last else "; trying other sources"))

    def describe(self, package_name: str) -> str:
        """Return why the package comes from no earlier method."""
        return "; ".join(self.failed.get(package_name, ["no source has the pinned version"]))

    def close(self, package_name: str) -> None:
        """Record that the package needs no further method."""
        for method in self.undecided:
            self.record(method, package_name, None)


async def _install(
    package: Package, cache_dir: Path, failures: _FetchFailures, fetch_methods: Sequence[FetchMethod]
) -> None:
    started_at = time.monotonic()
    try:
        async with _hold_install_lock(package, cache_dir, failures.report):
            if await asyncio.to_thread(cache.is_installed, package, cache_dir):
                return  # the installation that held the lock has installed it
            if misnamed := await asyncio.to_thread(cache.describe_misnamed, package, cache_dir):
                failures.report(f"{package.name}: {misnamed}")
            await asyncio.to_thread(cache.remove_abandoned, package, cache_dir)
            for method in fetch_methods:
                if await _try_method(method, package, cache_dir, failures):
                    installed = cache.find_cached_binary(package.binaries[0], package, cache_dir)
                    seconds = time.monotonic() - started_at
                    failures.report(f"{package.name}: installed in {seconds:.0f} s: {installed}")
                    return
    finally:
        failures.close(package.name)
    settings = ", ".join(env_variable_for(binary) for binary in package.binaries)
    raise BinaryMissing(f"{package.name}: every source failed; put it on PATH or set {settings}")


async def _try_method(method: FetchMethod, package: Package, cache_dir: Path, failures: _FetchFailures) -> bool:
    """Return whether the method has put the package into the cache."""
    work = Path(tempfile.mkdtemp(prefix=f".{package.folder}.", dir=cache_dir))
    try:
        await method(package, work, failures.report)
        await asyncio.to_thread(cache.publish, package, work, failures.describe(package.name))
    except FetchNotOffered:
        failures.record(method.__name__, package.name, None)
    except (FetchFailed, VersionUnknown) as reason:
        failures.record(method.__name__, package.name, str(reason))
    else:
        return True
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return False


@contextlib.asynccontextmanager
async def _hold_install_lock(package: Package, cache_dir: Path, report: Reporter) -> AsyncIterator[None]:
    """Hold the package's lock in this cache; the kernel releases it when the process ends."""
    with _open_lock(package, cache_dir) as lock:
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


def _open_lock(package: Package, cache_dir: Path) -> TextIO:
    cache_dir.mkdir(parents=True, exist_ok=True)
    return (cache_dir / f"{package.name}.lock").open("w")

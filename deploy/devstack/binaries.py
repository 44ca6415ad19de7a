"""Finds the servers' binaries and installs missing ones into a cache.

The search order for each binary: its environment variable, PATH, the cache, the vendor's download, the package
registries. Each binary, from any place, is known by its own answer to `--version`.
"""

import asyncio
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.devstack.cache import find_cached_binary
from deploy.devstack.errors import UsageError
from deploy.devstack.fetch import FETCH_METHODS, FetchMethod, Reporter
from deploy.devstack.install import env_variable_for, install_packages
from deploy.devstack.pins import PACKAGES, Package
from deploy.devstack.versions import Binary, VersionUnknown, is_pinned, read_version

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


def find_binary(binary: str, search_paths: SearchPaths) -> Binary | None:
    """Return the binary with the version that it names, or None if it must be installed.

    Raises:
        UsageError: the binary's environment variable names no executable file.
    """
    package = _find_package(binary)
    if setting := search_paths.environment.get(env_variable_for(binary)):
        configured = shutil.which(Path(setting).expanduser())
        if configured is None:
            raise UsageError(f"{env_variable_for(binary)}={setting} is not an executable file; correct or unset it")
        return _describe_foreign(Path(configured).absolute(), package, f"set by {env_variable_for(binary)}")
    for name in BINARY_NAMES[binary]:
        if on_path := shutil.which(name, path=search_paths.environment.get("PATH", os.defpath)):
            return _describe_foreign(Path(on_path).absolute(), package, "on PATH")
    return find_cached_binary(binary, package, search_paths.cache)


async def ensure_binaries(
    binary_names: Iterable[str] = DEFAULT_BINARIES,
    search_paths: SearchPaths | None = None,
    report: Reporter = print,
    fetch_methods: Sequence[FetchMethod] = FETCH_METHODS,
) -> dict[str, Binary]:
    """Return each binary with its version; install missing packages concurrently.

    Raises:
        BinaryMissing: a package could not be installed.
        UsageError: an environment variable is wrong.
    """
    binary_names, search_paths = tuple(binary_names), search_paths or SearchPaths()
    found = await _find_binaries(binary_names, search_paths)
    if missing := [name for name in binary_names if name not in found]:
        packages = {package.name: package for package in map(_find_package, missing)}
        await install_packages(packages.values(), search_paths.cache, report, fetch_methods)
        found |= await _find_binaries(missing, search_paths)
    return found


async def _find_binaries(binary_names: Sequence[str], search_paths: SearchPaths) -> dict[str, Binary]:
    """Return the binaries that need no installation."""
    results = await asyncio.gather(*(asyncio.to_thread(find_binary, name, search_paths) for name in binary_names))
    return {name: binary for name, binary in zip(binary_names, results, strict=True) if binary is not None}


def _find_package(binary: str) -> Package:
    return next(package for package in PACKAGES if binary in package.binaries)


def _describe_foreign(path: Path, package: Package, origin: str) -> Binary:
    """Return a binary that this module has not installed; only its own answer says which version it is."""
    try:
        version = read_version(path, package)
    except VersionUnknown as reason:
        return Binary(path, "", f"{origin}; {reason}; pinned is {package.version}")
    return Binary(path, version, origin if is_pinned(version, package) else f"{origin}; pinned is {package.version}")

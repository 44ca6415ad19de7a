"""The cache of installed packages: each folder has the version in its name that its binaries name themselves.

A folder whose binaries name another version is not used. A version that was installed instead of a pinned one has a
file with the reason.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from deploy.devstack.pins import Package
from deploy.devstack.versions import Binary, VersionUnknown, is_pinned, read_version

_REASONS_FILE = "instead-of.json"
"""In a folder of the cache: pinned version → why this version is used instead of it; empty if it is of that line."""


def find_cached_binary(binary: str, package: Package, cache_dir: Path) -> Binary | None:
    """Return the pinned version of the cache, or the version that was installed instead of it."""
    for folder, reason in _list_candidates(package, cache_dir):
        path = folder / binary
        try:
            version = read_version(path, package) if os.access(path, os.X_OK) else None
        except VersionUnknown:
            continue
        if version is not None and folder.name == f"{package.name}-{version}":
            return Binary(path, version, reason and f"instead of {package.version}: {reason}")
    return None


def is_installed(package: Package, cache_dir: Path) -> bool:
    """Return whether every binary of a package is in the cache."""
    return all(find_cached_binary(binary, package, cache_dir) for binary in package.binaries)


def describe_misnamed(package: Package, cache_dir: Path) -> str | None:
    """Return why the folder with the pinned version in its name is not used, None if there is no such folder."""
    folder = cache_dir / package.folder
    if not folder.is_dir():
        return None
    try:
        content = f"its binaries are {read_common_version(package, folder)}"
    except VersionUnknown as reason:
        content = str(reason)
    return f"{folder} is not used: {content}"


def read_common_version(package: Package, folder: Path) -> str:
    """Return the version that every binary of a package names.

    Raises:
        VersionUnknown: a binary is absent, does not run or names another version than the others.
    """
    absent = [binary for binary in package.binaries if not (folder / binary).is_file()]
    if absent:
        raise VersionUnknown(f"{', '.join(absent)} is not in the package")
    versions = {binary: read_version(folder / binary, package) for binary in package.binaries}
    if len(set(versions.values())) > 1:
        raise VersionUnknown(", ".join(f"{binary} is {version}" for binary, version in versions.items()))
    return versions[package.binaries[0]]


def remove_abandoned(package: Package, cache_dir: Path) -> None:
    """Remove the folders of interrupted installations; the caller holds the package's lock."""
    for abandoned in cache_dir.glob(f".{package.folder}.*"):
        shutil.rmtree(abandoned)


def publish(package: Package, work_dir: Path, reason: str) -> None:
    """Rename a folder of the cache by the version that its binaries name; `reason` is why it may not be the pinned one.

    Raises:
        VersionUnknown: the binaries do not run, or do not agree on a version.
    """
    for binary in package.binaries:
        if (work_dir / binary).is_file():
            (work_dir / binary).chmod(0o755)
    version = read_common_version(package, work_dir)
    for path in work_dir.iterdir():
        if path.is_file() and path.name not in package.binaries:
            path.unlink()
    target_dir = work_dir.with_name(f"{package.name}-{version}")
    reasons = _read_reasons(target_dir)
    if version != package.version:
        reasons[package.version] = "" if is_pinned(version, package) else reason
    if reasons:
        (work_dir / _REASONS_FILE).write_text(json.dumps(reasons, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(target_dir, ignore_errors=True)
    work_dir.rename(target_dir)


def _list_candidates(package: Package, cache_dir: Path) -> Iterator[tuple[Path, str]]:
    """Yield the folders that may hold a package, the pinned version first, each with the reason to use it."""
    yield cache_dir / package.folder, ""
    for folder in sorted(cache_dir.glob(f"{package.name}-*")):
        reason = _read_reasons(folder).get(package.version)
        if reason is not None:
            yield folder, reason


def _read_reasons(folder: Path) -> dict[str, str]:
    """Return why this folder's version is used instead of others; without a readable file it is used for none."""
    try:
        reasons = json.loads((folder / _REASONS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(pin): str(reason) for pin, reason in reasons.items()} if isinstance(reasons, dict) else {}

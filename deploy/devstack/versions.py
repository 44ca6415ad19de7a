"""Reads from a binary which version it is. The name of a folder or a pin is never believed instead.

`Binary.remark` says why a binary is used although it is not the pinned version.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.devstack.pins import Package

_TIMEOUT_SECONDS = 20.0
"""Limit for `--version` on a busy machine."""
_VERSION = re.compile(r"(?:^v|^PgBouncer |\bversion v?|\(PostgreSQL\) )(\d[\w.+~-]*)", re.IGNORECASE)
DEBIAN_TREE_DIR = "tree"
"""The folder with the unpacked Debian packages."""


class VersionUnknown(Exception):
    """The binary does not run on this machine, or does not name its version; the text is one line."""


@dataclass(frozen=True)
class Binary:
    """A server's program. `version` is its own answer, empty if it gives none; `remark` is empty or one line."""

    path: Path
    version: str
    remark: str = ""

    def __str__(self) -> str:
        """Return the version and the remark."""
        return f"{self.version or 'unknown version'}{f' ({self.remark})' if self.remark else ''}"


def parse_version(output: str) -> str:
    """Return the version in the first line of a binary's answer, empty if there is none.

    The other lines name versions of compilers and libraries.
    """
    line = next(iter(output.strip().splitlines()), "")
    match = _VERSION.search(line)
    return match.group(1) if match else ""


def read_version(path: Path, package: Package) -> str:
    """Run a binary of the package and return the version that it names.

    Raises:
        VersionUnknown: it does not run, does not end in time or names no version.
    """
    command = [str(path), package.version_argument]
    environment = {**os.environ, **library_environment(path)}
    try:
        answer = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT_SECONDS,
            env=environment,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired:
        limit = f"{_TIMEOUT_SECONDS:.0f} s"
        raise VersionUnknown(f"{path.name} {package.version_argument} did not end within {limit}") from None
    except OSError as error:
        raise VersionUnknown(f"{path.name} does not run on this machine ({error.strerror})") from None
    if answer.returncode != 0:
        raise VersionUnknown(f"{path.name} does not run on this machine (exit code {answer.returncode})")
    version = parse_version(answer.stdout)
    if not version:
        raise VersionUnknown(f"{path.name} {package.version_argument} names no version")
    return version


def is_pinned(version: str, package: Package) -> bool:
    """Return whether a version is the pinned one. A pin with fewer parts includes every release of its line."""
    return version == package.version or version.startswith(f"{package.version}.")


def library_environment(binary: Path) -> dict[str, str]:
    """Return the environment with the libraries that were unpacked with a binary; empty if there are none."""
    folders = (str(folder) for folder in (binary.parent / DEBIAN_TREE_DIR / "usr/lib").glob("*-linux-gnu"))
    library_path = ":".join(sorted(folders))
    return {"LD_LIBRARY_PATH": library_path} if library_path else {}

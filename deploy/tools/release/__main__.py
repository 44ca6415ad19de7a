"""`python -m deploy.tools.release [FOLDER]`: wheel, SBOM and checksums; two builds of the wheel must be equal."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.tools.generated import REPOSITORY_ROOT

WHEEL_SOURCES = ("activities", "workflows", "worker", "pyproject.toml", "README.md")
PIP_COMMAND = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def main(argv: list[str]) -> int:
    """Write the release into the folder, by default `dist`. Return 1 if two builds differ."""
    folder = Path(argv[0] if argv else "dist").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    wheel = build_wheel(folder)
    with tempfile.TemporaryDirectory() as other_dir:
        second_sum = compute_sha256(build_wheel(Path(other_dir)))
    if compute_sha256(wheel) != second_sum:
        print(f"{wheel.name}: two builds differ; compare their files, then remove the cause", file=sys.stderr)
        return 1
    sbom = write_sbom(folder / "mapek.cdx.json")
    sums = [f"{compute_sha256(path)}  {path.name}" for path in (wheel, sbom)]
    (folder / "SHA256SUMS").write_text("\n".join(sums) + "\n", encoding="utf-8")
    print("\n".join(sums))
    return 0


def build_wheel(target_dir: Path) -> Path:
    """Build the wheel from the files in git, and return its path.

    The same files give the same bytes on every machine: times come from the last commit (or SOURCE_DATE_EPOCH), modes
    are fixed, and the bytes depend neither on the folder nor on the umask.
    """
    with tempfile.TemporaryDirectory() as work:
        source, wheel_dir = Path(work) / "source", Path(work) / "wheel"
        for name in run_command("git", "ls-files", "-z", "--", *WHEEL_SOURCES).split("\0")[:-1]:
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY_ROOT / name, target)
            target.chmod(0o644)
        build = ("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(wheel_dir), str(source))
        subprocess.run(
            [*PIP_COMMAND, *build], check=True, env=build_environment(), umask=0o022, stderr=subprocess.DEVNULL
        )
        (wheel,) = wheel_dir.glob("*.whl")
        return Path(shutil.copy(wheel, target_dir / wheel.name))


def build_environment() -> dict[str, str]:
    """Return the environment of a build, with SOURCE_DATE_EPOCH: the time of the last commit unless it is set."""
    date = os.environ.get("SOURCE_DATE_EPOCH") or run_command("git", "log", "-1", "--format=%ct").strip()
    return {**os.environ, "SOURCE_DATE_EPOCH": date}


def write_sbom(path: Path) -> Path:
    """Write the CycloneDX SBOM of the pinned dependencies, with their hashes."""
    tool = Path(sys.executable).with_name("cyclonedx-py")
    command = ("requirements", "requirements.txt", "--pyproject", "pyproject.toml", "--output-reproducible")
    subprocess.run(
        [str(tool), *command, "--output-file", str(path)], check=True, cwd=REPOSITORY_ROOT, stderr=subprocess.DEVNULL
    )
    return path


def run_command(*command: str) -> str:
    """Run a command and return its output."""
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=REPOSITORY_ROOT).stdout


def compute_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A sandbox like the image without an engine: its wheel, entry point, user and read-only root."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.devstack.render import REPOSITORY_ROOT

DOCKERFILE = REPOSITORY_ROOT / "deploy/container/Dockerfile"
TEST_FOLDER = Path(__file__).parent
UNPRIVILEGED_UID = 65534


@dataclass(frozen=True)
class ImageConfig:
    """The instructions in the last stage of the Dockerfile."""

    env: dict[str, str]
    user: str
    entrypoint: list[str]
    command: list[str]
    healthcheck: list[str]


def read_image_config() -> ImageConfig:
    """Read the Dockerfile's last stage."""
    text = re.sub(r"\\\n", " ", DOCKERFILE.read_text())
    stage = re.split(r"(?m)^FROM .*$", text)[-1]
    instructions = dict(re.findall(r"(?m)^(ENV|USER|ENTRYPOINT|CMD) (.*)$", stage))
    check = re.search(r"(?m)^HEALTHCHECK .*?CMD (.*)$", stage)
    assert check is not None
    return ImageConfig(
        env=dict(re.findall(r"(\w+)=(\S+)", instructions["ENV"])),
        user=instructions["USER"],
        entrypoint=json.loads(instructions["ENTRYPOINT"]),
        command=json.loads(instructions["CMD"]),
        healthcheck=json.loads(check[1]),
    )


def install_wheel(target: Path) -> None:
    """Build the wheel and install it without dependencies into a folder that replaces /opt/mapek."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    source = target.with_name("source")
    names = ("activities", "workflows", "worker", "pyproject.toml", "README.md")
    source.mkdir()
    subprocess.run(["cp", "-a", *(str(REPOSITORY_ROOT / name) for name in names), str(source)], check=True)
    wheels = target.with_name("wheels")
    build = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(wheels), str(source)]
    subprocess.run([*pip, *build], check=True, capture_output=True)
    (wheel,) = wheels.glob("*.whl")
    # Without --ignore-installed pip removes the project from this environment first.
    install = ["install", "--ignore-installed", "--no-deps", "--no-index", "--prefix", str(target), str(wheel)]
    subprocess.run([*pip, *install], check=True)


def build_sandbox_command(folder: Path, installed: Path, writable: Path, command: list[str]) -> list[str]:
    """Return the command line that runs a command as in the container."""
    root = folder / "root"
    root.mkdir(exist_ok=True)
    environment = Path(sys.prefix)
    targets = {
        "/usr": "/usr",
        "/etc": "/etc",
        str(environment): str(environment),
        sys.base_prefix: sys.base_prefix,
        str(installed): "/opt/mapek",
    }
    # Folders below /usr are in its mount; another mount would need a new folder in a read-only one.
    folders = {
        source: target for source, target in targets.items() if target == "/usr" or not target.startswith("/usr/")
    }
    mounts = ":".join(f"{source}={target}" for source, target in folders.items())
    sandbox = ["/bin/sh", str(TEST_FOLDER / "sandbox.sh"), str(root), mounts, str(writable), "--", *command]
    if os.geteuid() == 0:
        os.chown(writable, UNPRIVILEGED_UID, UNPRIVILEGED_UID)
        return ["/usr/bin/unshare", "--mount", *sandbox]
    return ["/usr/bin/unshare", "--user", "--map-root-user", "--mount", *sandbox]


def build_environment(image: ImageConfig, writable: Path, config: Path) -> dict[str, str]:
    """Return the image's environment with the test's state and configuration."""
    libraries = f"/opt/mapek/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    overrides = {
        "PATH": f"/opt/mapek/bin:{sys.prefix}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": libraries,
        "HOME": str(writable),
    }
    return {**image.env, **overrides, "MAPEK_STATE": str(writable), "MAPEK_CONFIG": str(config)}

"""The image as far as it can be had without an engine: its wheel, its entry point, its user, its read-only root."""

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
NOBODY_UID = 65534


@dataclass(frozen=True)
class ImageConfig:
    """What the last stage of the Dockerfile says."""

    env: dict[str, str]
    user: str
    entrypoint: list[str]
    command: list[str]
    healthcheck: list[str]


def read_image_config() -> ImageConfig:
    """Read the Dockerfile's last stage."""
    text = re.sub(r"\\\n", " ", DOCKERFILE.read_text())
    stage = re.split(r"(?m)^FROM .*$", text)[-1]
    said = dict(re.findall(r"(?m)^(ENV|USER|ENTRYPOINT|CMD) (.*)$", stage))
    check = re.search(r"(?m)^HEALTHCHECK .*?CMD (.*)$", stage)
    assert check is not None
    return ImageConfig(
        env=dict(re.findall(r"(\w+)=(\S+)", said["ENV"])),
        user=said["USER"],
        entrypoint=json.loads(said["ENTRYPOINT"]),
        command=json.loads(said["CMD"]),
        healthcheck=json.loads(check[1]),
    )


def install_wheel(target: Path) -> None:
    """Build the wheel and install it, without its dependencies, below a folder that stands for /opt/mapek."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    source = target.with_name("source")
    copied = ("activities", "workflows", "worker", "pyproject.toml", "README.md")
    source.mkdir()
    subprocess.run(["cp", "-a", *(str(REPOSITORY_ROOT / name) for name in copied), str(source)], check=True)
    wheels = target.with_name("wheels")
    build = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(wheels), str(source)]
    subprocess.run([*pip, *build], check=True, capture_output=True)
    (wheel,) = wheels.glob("*.whl")
    # Left to itself pip takes the project out of this environment before it installs it elsewhere.
    install = ["install", "--ignore-installed", "--no-deps", "--no-index", "--prefix", str(target), str(wheel)]
    subprocess.run([*pip, *install], check=True)


def build_sandbox_command(folder: Path, installed: Path, writable: Path, command: list[str]) -> list[str]:
    """Return the command line that runs the command as the container would."""
    root = folder / "root"
    root.mkdir(exist_ok=True)
    environment = Path(sys.prefix)
    shown = {
        "/usr": "/usr",
        "/etc": "/etc",
        str(environment): str(environment),
        sys.base_prefix: sys.base_prefix,
        str(installed): "/opt/mapek",
    }
    # What is below /usr is there with it, and a mount over it would need a folder to be made in a read-only one.
    folders = {real: seen for real, seen in shown.items() if seen == "/usr" or not seen.startswith("/usr/")}
    read = ":".join(f"{real}={seen}" for real, seen in folders.items())
    inside = ["/bin/sh", str(TEST_FOLDER / "sandbox.sh"), str(root), read, str(writable), "--", *command]
    if os.geteuid() == 0:
        os.chown(writable, NOBODY_UID, NOBODY_UID)
        return ["/usr/bin/unshare", "--mount", *inside]
    return ["/usr/bin/unshare", "--user", "--map-root-user", "--mount", *inside]


def build_environment(image: ImageConfig, writable: Path, config: Path) -> dict[str, str]:
    """Return the image's environment; state and config lie where the test can put them."""
    libraries = f"/opt/mapek/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    own = {
        "PATH": f"/opt/mapek/bin:{sys.prefix}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": libraries,
        "HOME": str(writable),
    }
    return {**image.env, **own, "MAPEK_STATE": str(writable), "MAPEK_CONFIG": str(config)}

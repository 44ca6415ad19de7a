"""Staging: read by a real implementation of compose, and what it promises."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.devstack.render import REPOSITORY_ROOT

COMPOSE_FILE = REPOSITORY_ROOT / "deploy/container/compose.yaml"
PUBLISHED_PORTS = {
    "prometheus": 9090,
    "alertmanager": 9093,
    "charter": 8000,
    "mape-k": 8001,
    "grafana": 3000,
    "temporal": 7233,
}
PROJECT_SERVICES = ("mape-k", "bootstrap", "charter")
ONE_SHOT_SERVICES = ("temporal-schema", "bootstrap")
COMPOSE_VARIABLES = {"TEMPORAL_DB_PASSWORD": "one", "MAPEK_DB_PASSWORD": "two"}


def run_compose_config(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Let podman-compose read the file. It asks for podman's version first, and needs it for nothing else here."""
    podman = folder / "podman"
    podman.write_text("#!/bin/sh\necho podman version 4.3.1\n")
    podman.chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    command = [sys.executable, "-m", "podman_compose", "--file", str(COMPOSE_FILE), "config"]
    kept = {name: value for name, value in os.environ.items() if name not in COMPOSE_VARIABLES}
    return subprocess.run(
        command, env={**kept, **environment, "PATH": path}, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The services as podman-compose understands them."""
    read = run_compose_config(tmp_path_factory.mktemp("bin"), **COMPOSE_VARIABLES)
    assert read.returncode == 0, read.stderr
    services: dict[str, Any] = yaml.safe_load(read.stdout)["services"]
    return services


def test_ports_on_loopback(services: dict[str, Any]) -> None:
    """The original's services answer at the original's ports, and only this machine can reach them."""
    for name, port in PUBLISHED_PORTS.items():
        assert services[name]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert all(port.startswith("127.0.0.1:") for service in services.values() for port in service.get("ports", []))


def test_every_image_has_a_version(services: dict[str, Any]) -> None:
    """No image is called latest, and none leaves its version out."""
    for name, service in services.items():
        assert re.search(r":v?\d+\.\d+", service["image"]), name


def test_ours_have_no_privileges(services: dict[str, Any]) -> None:
    """What is ours runs as nobody on a read-only root, without capabilities; nothing can gain any."""
    for name in PROJECT_SERVICES:
        service = services[name]
        assert (service["user"], service["read_only"], service["cap_drop"]) == ("65534:65534", True, ["ALL"])
    assert all("no-new-privileges:true" in service["security_opt"] for service in services.values())


def test_what_runs_is_watched_and_what_is_needed_is_awaited(services: dict[str, Any]) -> None:
    """Every lasting service has a health check, in its image or here; whoever needs another waits until it is well."""
    watched = {name for name, service in services.items() if "test" in service.get("healthcheck", {})}
    in_image = {"mape-k", "charter"}
    no_shell = {"temporal-ui"}
    assert watched | in_image | no_shell == services.keys() - set(ONE_SHOT_SERVICES)
    for service in services.values():
        for name, needed in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if name in ONE_SHOT_SERVICES else "service_healthy"
            assert needed["condition"] == wanted


def test_drains_before_it_is_killed(services: dict[str, Any]) -> None:
    """The time between SIGTERM and SIGKILL is longer than the worker gives its activities."""
    from worker.main import SHUTDOWN_TIMEOUT

    assert int(services["mape-k"]["stop_grace_period"].rstrip("s")) > SHUTDOWN_TIMEOUT.total_seconds() + 5


def test_no_password_to_begin_with(tmp_path: Path) -> None:
    """Without secrets nothing starts, and the message says what makes them."""
    refused = run_compose_config(tmp_path)
    assert refused.returncode != 0
    assert "deploy/container/secrets.sh" in refused.stderr
    # What follows a password in the file is a reference to a variable or a file.
    for line in COMPOSE_FILE.read_text().splitlines():
        if re.search(r"(?i)(password|pwd)\w*:", line) and "file:" not in line:
            assert "${" in line or "/run/secrets/" in line, line


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """The script makes every secret the services name, differently each time, and keeps those that are there."""
    script = tmp_path / "secrets.sh"
    script.write_bytes((COMPOSE_FILE.parent / "secrets.sh").read_bytes())
    subprocess.run(["/bin/sh", str(script)], check=True, capture_output=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert made.keys() == yaml.safe_load(COMPOSE_FILE.read_text())["secrets"].keys()
    assert len({made[name] for name in made if "token" in name or "password" in name}) == 4
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    again = subprocess.run(["/bin/sh", str(script)], check=True, capture_output=True, text=True)
    assert again.stdout == ""


def test_every_mount_is_there(services: dict[str, Any]) -> None:
    """What is mounted from here exists: an engine would make an empty folder in its place."""
    for service in services.values():
        for mount in service.get("volumes", []):
            source = str(mount).split(":")[0]
            if source.startswith("."):
                assert (COMPOSE_FILE.parent / source).exists(), source

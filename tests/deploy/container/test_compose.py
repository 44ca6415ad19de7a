"""The compose file of staging, read by an implementation of compose."""

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
    """Read the file with podman-compose, which needs podman here only for its version."""
    podman = folder / "podman"
    podman.write_text("#!/bin/sh\necho podman version 4.3.1\n")
    podman.chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    command = [sys.executable, "-m", "podman_compose", "--file", str(COMPOSE_FILE), "config"]
    environ = {name: value for name, value in os.environ.items() if name not in COMPOSE_VARIABLES}
    return subprocess.run(
        command, env={**environ, **environment, "PATH": path}, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the services as read by podman-compose."""
    completed = run_compose_config(tmp_path_factory.mktemp("bin"), **COMPOSE_VARIABLES)
    assert completed.returncode == 0, completed.stderr
    services: dict[str, Any] = yaml.safe_load(completed.stdout)["services"]
    return services


def test_ports_are_on_loopback(services: dict[str, Any]) -> None:
    """Each service has its documented port, on loopback only."""
    for name, port in PUBLISHED_PORTS.items():
        assert services[name]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert all(port.startswith("127.0.0.1:") for service in services.values() for port in service.get("ports", []))


def test_every_image_has_a_version(services: dict[str, Any]) -> None:
    """No image has the tag latest or no tag."""
    for name, service in services.items():
        assert re.search(r":v?\d+\.\d+", service["image"]), name


def test_project_services_have_no_privileges(services: dict[str, Any]) -> None:
    """The project's services run unprivileged on a read-only root; no service can gain privileges."""
    for name in PROJECT_SERVICES:
        service = services[name]
        assert (service["user"], service["read_only"], service["cap_drop"]) == ("65534:65534", True, ["ALL"])
    assert all("no-new-privileges:true" in service["security_opt"] for service in services.values())


def test_services_have_health_checks_and_wait_for_dependencies(services: dict[str, Any]) -> None:
    """Every lasting service has a health check, and each service waits until its dependencies are healthy."""
    checked = {name for name, service in services.items() if "test" in service.get("healthcheck", {})}
    in_image = {"mape-k", "charter"}
    no_shell = {"temporal-ui"}
    assert checked | in_image | no_shell == services.keys() - set(ONE_SHOT_SERVICES)
    for service in services.values():
        for name, dependency in service.get("depends_on", {}).items():
            condition = "service_completed_successfully" if name in ONE_SHOT_SERVICES else "service_healthy"
            assert dependency["condition"] == condition


def test_worker_has_time_to_shut_down(services: dict[str, Any]) -> None:
    """The time between SIGTERM and SIGKILL is longer than the worker's shutdown timeout."""
    from worker.main import SHUTDOWN_TIMEOUT

    assert int(services["mape-k"]["stop_grace_period"].rstrip("s")) > SHUTDOWN_TIMEOUT.total_seconds() + 5


def test_there_is_no_default_password(tmp_path: Path) -> None:
    """Without secrets no service starts, and the message names the script that creates them."""
    completed = run_compose_config(tmp_path)
    assert completed.returncode != 0
    assert "deploy/container/secrets.sh" in completed.stderr
    # The value of each password in the file is a reference to a variable or a file.
    for line in COMPOSE_FILE.read_text().splitlines():
        if re.search(r"(?i)(password|pwd)\w*:", line) and "file:" not in line:
            assert "${" in line or "/run/secrets/" in line, line


def test_secrets_are_created_once(tmp_path: Path) -> None:
    """The script creates every secret of the services with a random value, and keeps existing ones."""
    script = tmp_path / "secrets.sh"
    script.write_bytes((COMPOSE_FILE.parent / "secrets.sh").read_bytes())
    subprocess.run(["/bin/sh", str(script)], check=True, capture_output=True)
    secrets = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert secrets.keys() == yaml.safe_load(COMPOSE_FILE.read_text())["secrets"].keys()
    assert len({secrets[name] for name in secrets if "token" in name or "password" in name}) == 4
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    second_run = subprocess.run(["/bin/sh", str(script)], check=True, capture_output=True, text=True)
    assert second_run.stdout == ""


def test_every_mount_exists(services: dict[str, Any]) -> None:
    """Every mounted file exists; an engine would create an empty folder instead."""
    for service in services.values():
        for mount in service.get("volumes", []):
            source = str(mount).split(":")[0]
            if source.startswith("."):
                assert (COMPOSE_FILE.parent / source).exists(), source

"""Routes and inhibitions of the alerts, checked by Alertmanager itself."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import yaml

from deploy.devstack.ports import LOOPBACK, PortAllocator
from deploy.devstack.render import REPOSITORY_ROOT
from tests.support.waiting import wait_until

pytestmark = pytest.mark.stack
CONFIG_FILE = REPOSITORY_ROOT / "deploy/alertmanager/alertmanager.yml"


def run_amtool(servers: dict[str, Path], *arguments: str) -> str:
    """Return the output of amtool; its failure fails the test."""
    process = subprocess.run([str(servers["amtool"]), *arguments], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def test_the_configuration_is_valid(server_binaries: dict[str, Path]) -> None:
    """amtool accepts the file, with all its receivers."""
    assert "6 receivers" in run_amtool(server_binaries, "check-config", str(CONFIG_FILE))


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"severity": "critical", "team": "security", "component": "charter"}, "mapek,critical-security"),
        ({"severity": "warning", "team": "security", "component": "charter"}, "mapek,security-warnings"),
        ({"severity": "warning", "team": "infrastructure", "component": "charter"}, "mapek,sre-warnings"),
        ({"severity": "info", "team": "security", "component": "charter"}, "mapek,info-alerts"),
        ({"severity": "critical", "team": "other"}, "mapek,default"),
        ({"severity": "page"}, "mapek,default"),
        ({"severity": "critical", "team": "sre", "component": "mapek"}, "default"),
        ({"severity": "warning", "team": "sre", "component": "mapek"}, "sre-warnings"),
    ],
)
def test_each_alert_reaches_its_receivers(
    server_binaries: dict[str, Path], labels: dict[str, str], receivers: str
) -> None:
    """The loop receives all alerts except those about itself; exactly one receiver of operators gets each alert."""
    pairs = [f"{name}={value}" for name, value in labels.items()]
    run_amtool(
        server_binaries,
        "config",
        "routes",
        "test",
        f"--config.file={CONFIG_FILE}",
        f"--verify.receivers={receivers}",
        *pairs,
    )


def make_alert_labels(name: str, severity: str, **labels: str) -> dict[str, str]:
    """Return the labels of an alert of Charter."""
    return {"alertname": name, "severity": severity, "component": "charter"} | labels


GATEWAY_LABEL = {"node_or_service": "gateway"}
INHIBITION_CASES = [
    (make_alert_labels("A", "critical", **GATEWAY_LABEL), make_alert_labels("B", "warning", **GATEWAY_LABEL), True),
    (
        make_alert_labels("A", "critical", **GATEWAY_LABEL),
        make_alert_labels("B", "warning", node_or_service="audit-log"),
        False,
    ),
    (
        make_alert_labels("A", "critical", **GATEWAY_LABEL, cluster="x"),
        make_alert_labels("B", "warning", **GATEWAY_LABEL, cluster="y"),
        False,
    ),
    (make_alert_labels("A", "critical"), make_alert_labels("B", "warning"), False),
    (make_alert_labels("A", "critical", **GATEWAY_LABEL), make_alert_labels("B", "info", **GATEWAY_LABEL), False),
    ({"alertname": "M", "severity": "critical", "component": "mapek"}, make_alert_labels("B", "warning"), False),
    (
        make_alert_labels("PolicyLoadFailure", "critical", **GATEWAY_LABEL),
        make_alert_labels("B", "critical", **GATEWAY_LABEL),
        False,
    ),
    (
        make_alert_labels("EmergencyOverrideStayingActive", "critical", **GATEWAY_LABEL),
        make_alert_labels("CommitteeOverloaded", "warning"),
        True,
    ),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def alertmanager(server_binaries: dict[str, Path], tmp_path_factory: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Start a real Alertmanager with the inhibitions of the file and no receiver."""
    folder, ports = tmp_path_factory.mktemp("alertmanager"), PortAllocator()
    rules = yaml.safe_load(CONFIG_FILE.read_text())["inhibit_rules"]
    configuration = {"route": {"receiver": "none"}, "receivers": [{"name": "none"}], "inhibit_rules": rules}
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(configuration))
    address = f"{LOOPBACK}:{ports.allocate(9093)}"
    ports.close()
    process = await asyncio.create_subprocess_exec(
        str(server_binaries["alertmanager"]),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:

        async def is_ready() -> bool:
            try:
                return (await client.get("/-/ready")).status_code == httpx.codes.OK
            except httpx.ConnectError:
                return False

        await wait_until("Alertmanager is ready", is_ready, 20)
        yield client
    process.terminate()
    await process.wait()


@pytest.mark.parametrize("number", range(len(INHIBITION_CASES)))
async def test_a_critical_alert_inhibits_warnings(alertmanager: httpx.AsyncClient, number: int) -> None:
    """A critical alert mutes warnings of the same component only; missing labels are not equal."""
    source, target, muted = INHIBITION_CASES[number]
    case = {"cluster": f"case{number}"}
    alerts = [{"labels": case | source}, {"labels": case | target}]
    (await alertmanager.post("/api/v2/alerts", json=alerts)).raise_for_status()

    async def has_expected_state() -> bool | None:
        active = (
            await alertmanager.get("/api/v2/alerts", params={"filter": f'alertname="{target["alertname"]}"'})
        ).json()
        targets = [alert for alert in active if (case | target).items() <= alert["labels"].items()]
        states = [alert["status"]["state"] for alert in targets if alert["status"]["state"] != "unprocessed"]
        return (states[0] == "suppressed") is muted if states else None

    await wait_until(f"{target} is {'muted' if muted else 'active'}", has_expected_state, 10)

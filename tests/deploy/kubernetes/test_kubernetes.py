"""Both overlays as kustomize builds them: valid by the published schemas, restricted, reachable only as meant."""

import asyncio
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml
from temporalio.envconfig import ClientConfigProfile

from deploy.devstack import binaries
from deploy.devstack.render import REPOSITORY_ROOT
from deploy.tools.operator_rules import OUTPUT_FILE, build_prometheus_rule
from worker.config.load import Config, load_config
from worker.main import SHUTDOWN_TIMEOUT

OVERLAYS = ("staging", "production")
KUBERNETES_VERSION = "1.31.0"
OPERATOR_KINDS = {"ServiceMonitor", "PrometheusRule"}
"""Kinds of the Prometheus operator: their schemas are not Kubernetes's."""

Objects = list[dict[str, Any]]


@pytest.fixture(scope="module")
def overlay_objects() -> dict[str, Objects]:
    """Each overlay's objects."""
    kustomize = asyncio.run(binaries.ensure_binaries(["kustomize"]))["kustomize"]
    found = {}
    for name in OVERLAYS:
        folder = REPOSITORY_ROOT / "deploy/kubernetes/overlays" / name
        text = subprocess.run([str(kustomize), "build", str(folder)], check=True, capture_output=True, text=True)
        found[name] = list(yaml.safe_load_all(text.stdout))
    return found


def find_only(objects: Objects, kind: str) -> dict[str, Any]:
    """Return the only object of a kind."""
    (found,) = [thing for thing in objects if thing["kind"] == kind]
    return found


def list_pod_specs(objects: Objects) -> list[dict[str, Any]]:
    """Return the pod templates' specs."""
    return [find_only(objects, kind)["spec"]["template"]["spec"] for kind in ("Deployment", "Job")]


def load_pod_config(objects: Objects, tmp_path: Path, environ: Mapping[str, str] = MappingProxyType({})) -> Config:
    """Return the configuration the pods get, checked as the worker checks it."""
    (texts,) = [thing["data"] for thing in objects if "mapek.yaml" in thing.get("data", {})]
    file = tmp_path / "mapek.yaml"
    file.write_text(texts["mapek.yaml"])
    database = {"MAPEK_POSTGRES_URL": "postgresql+psycopg://mapek@postgres/mapek"}
    return load_config(file, state=tmp_path, environ=database | dict(environ))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_valid(overlay_objects: dict[str, Objects], overlay: str) -> None:
    """Every object is what Kubernetes's published schema wants, with no key it does not know."""
    for thing in overlay_objects[overlay]:
        if thing["kind"] not in OPERATOR_KINDS:
            kubernetes_validate.validate(thing, KUBERNETES_VERSION, strict=True)


def test_a_mistake_would_be_seen(overlay_objects: dict[str, Objects]) -> None:
    """A misspelt key is found by the same check."""
    deployment = find_only(overlay_objects["production"], "Deployment")
    wrong = {**deployment, "spec": {**deployment["spec"], "replica": 3}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES_VERSION, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_restricted(overlay_objects: dict[str, Objects], overlay: str) -> None:
    """The namespace enforces the restricted profile, and every pod keeps it without asking the Kubernetes API."""
    labels = find_only(overlay_objects[overlay], "Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert find_only(overlay_objects[overlay], "ServiceAccount")["automountServiceAccountToken"] is False
    scheduled = [thing["spec"]["jobTemplate"] for thing in overlay_objects[overlay] if thing["kind"] == "CronJob"]
    for pod in [*list_pod_specs(overlay_objects[overlay]), *(job["spec"]["template"]["spec"] for job in scheduled)]:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            own = container["securityContext"]
            assert (own["allowPrivilegeEscalation"], own["readOnlyRootFilesystem"]) == (False, True)
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"].keys() == {"requests", "limits"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_one_may_go(overlay_objects: dict[str, Objects], overlay: str) -> None:
    """There are at least two workers, a drain leaves one, an update takes none away before the new one is ready."""
    spec = find_only(overlay_objects[overlay], "Deployment")["spec"]
    allowed = find_only(overlay_objects[overlay], "PodDisruptionBudget")["spec"]
    assert spec["replicas"] >= 2
    assert spec["replicas"] - allowed["minAvailable"] == 1
    assert allowed["selector"] == spec["selector"]
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    pod = spec["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > SHUTDOWN_TIMEOUT.total_seconds() + 5
    (worker,) = pod["containers"]
    probes = {name: worker[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert probes == {"startupProbe": "/health", "livenessProbe": "/health", "readinessProbe": "/ready"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_secrets_by_reference(overlay_objects: dict[str, Objects], overlay: str, tmp_path: Path) -> None:
    """No secret is in the manifests; every file the configuration names is mounted from one."""
    assert not [thing for thing in overlay_objects[overlay] if thing["kind"] == "Secret"]
    config = load_pod_config(overlay_objects[overlay], tmp_path)
    pod = list_pod_specs(overlay_objects[overlay])[0]
    (volume,) = [volume["secret"] for volume in pod["volumes"] if volume["name"] == "secrets"]
    mounted = {f"/run/secrets/mapek/{item['path']}" for item in volume["items"]}
    named = (config.api.view_token_file, config.api.webhook_token_file, config.loops[0].execute.charter_api_key_file)
    assert {str(file) for file in named} == mounted
    assert config.orchestrator.mode == overlay


def test_production_trusts_nobody_on_the_way(overlay_objects: dict[str, Objects], tmp_path: Path) -> None:
    """Worker and bootstrap show Temporal a certificate and encrypt what it keeps, with what a secret holds."""
    for pod in list_pod_specs(overlay_objects["production"]):
        (volume,) = [volume["secret"] for volume in pod["volumes"] if volume["name"] == "temporal"]
        (container,) = pod["containers"]
        (mount,) = [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "temporal"]
        environ = {one["name"]: one["value"] for one in container["env"] if "value" in one}
        assert volume["secretName"] == "mapek-temporal"
        # Owned by root and readable by its group: only with fsGroup is that the pod's own.
        assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"]
        tls = ClientConfigProfile.load(disable_file=True, override_env_vars=environ).tls
        assert tls is not None
        given = (tls.client_cert, tls.client_private_key, tls.server_root_ca_cert)
        assert given == tuple(Path(mount) / name for name in ("tls.crt", "tls.key", "ca.crt"))
        own = {name: value for name, value in environ.items() if name.startswith("MAPEK_")}
        config = load_pod_config(overlay_objects["production"], tmp_path, own)
        assert config.temporal.encryption_key_file == Path(mount) / "encryption-keys"
        assert {Path(value).parent for value in environ.values()} == {Path(mount)}


def test_production_is_backed_up(overlay_objects: dict[str, Objects]) -> None:
    """Every five minutes, one at a time and within them, the workers' version copies the store to a claimed disk."""
    spec = find_only(overlay_objects["production"], "CronJob")["spec"]
    job = spec["jobTemplate"]["spec"]
    assert (spec["schedule"], spec["concurrencyPolicy"]) == ("*/5 * * * *", "Forbid")
    assert job["activeDeadlineSeconds"] < 300
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    others = [one["image"] for pod in list_pod_specs(overlay_objects["production"]) for one in pod["containers"]]
    assert {container["image"], *others} == {"mapek:0.1.0"}
    verb, file = container["args"]
    (mount,) = [mount for mount in container["volumeMounts"] if Path(mount["mountPath"]) == Path(file).parent]
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == mount["name"]]
    claim = volume["persistentVolumeClaim"]["claimName"]
    assert (verb, claim) == (
        "backup",
        find_only(overlay_objects["production"], "PersistentVolumeClaim")["metadata"]["name"],
    )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_network(overlay_objects: dict[str, Objects], overlay: str, tmp_path: Path) -> None:
    """What the configuration names can be reached, in its namespace and at its port, names are found, and no more."""
    config = load_pod_config(overlay_objects[overlay], tmp_path)
    policy = find_only(overlay_objects[overlay], "NetworkPolicy")["spec"]
    assert sorted(policy["policyTypes"]) == ["Egress", "Ingress"]
    allowed = {
        (peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], port["port"])
        for rule in policy["egress"]
        for peer in rule["to"]
        for port in rule["ports"]
    }
    loop = config.loops[0]
    urls = [loop.monitor.prometheus_url, loop.execute.charter_url, config.alertmanager.url]
    hosts = [f"http://{config.temporal.address}", *urls, "http://postgres.postgres:5432"]
    wanted = {(str(urlsplit(url).hostname).split(".")[1], urlsplit(url).port) for url in hosts}
    assert allowed == wanted | {("kube-system", 53)}
    (entry,) = policy["ingress"]
    assert [port["port"] for port in entry["ports"]] == [config.api.port]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_watched(overlay_objects: dict[str, Objects], overlay: str) -> None:
    """Prometheus finds the service's port by its name and shows role view's token; the rules are those of the files."""
    (endpoint,) = find_only(overlay_objects[overlay], "ServiceMonitor")["spec"]["endpoints"]
    service = find_only(overlay_objects[overlay], "Service")
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert endpoint["authorization"]["credentials"] == {"name": "mapek", "key": "view-token"}
    wanted = find_only(overlay_objects[overlay], "ServiceMonitor")["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= service["metadata"]["labels"].items()
    assert (
        find_only(overlay_objects[overlay], "PrometheusRule")["spec"] == yaml.safe_load(build_prometheus_rule())["spec"]
    )
    assert OUTPUT_FILE.read_text() == build_prometheus_rule(), "run `make reference`"
    (boards,) = [thing for thing in overlay_objects[overlay] if thing["metadata"]["name"] == "mapek-dashboards"]
    assert sorted(boards["data"]) == ["mapek-charter.json", "mapek-loop.json", "mapek-worker.json"]

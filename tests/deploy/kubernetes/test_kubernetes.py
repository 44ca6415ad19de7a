"""Both overlays as built by kustomize: valid, restricted, with minimal network access."""

import asyncio
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate  # type: ignore[import-untyped]
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
"""Kinds of the Prometheus operator, which are not in Kubernetes' schemas."""

Objects = list[dict[str, Any]]


@pytest.fixture(scope="module")
def overlay_objects() -> dict[str, Objects]:
    """Return the objects of each overlay."""
    kustomize = asyncio.run(binaries.ensure_binaries(["kustomize"]))["kustomize"].path
    objects: dict[str, Objects] = {}
    for name in OVERLAYS:
        folder = REPOSITORY_ROOT / "deploy/kubernetes/overlays" / name
        text = subprocess.run([str(kustomize), "build", str(folder)], check=True, capture_output=True, text=True)
        objects[name] = list(yaml.safe_load_all(text.stdout))
    return objects


def find_only(objects: Objects, kind: str) -> dict[str, Any]:
    """Return the only object of a kind."""
    (match,) = [item for item in objects if item["kind"] == kind]
    return match


def list_pod_specs(objects: Objects) -> list[dict[str, Any]]:
    """Return the specs of the pod templates."""
    return [find_only(objects, kind)["spec"]["template"]["spec"] for kind in ("Deployment", "Job")]


def load_pod_config(objects: Objects, tmp_path: Path, environ: Mapping[str, str] = MappingProxyType({})) -> Config:
    """Return the configuration of the pods, loaded as by the worker."""
    (texts,) = [item["data"] for item in objects if "mapek.yaml" in item.get("data", {})]
    file = tmp_path / "mapek.yaml"
    file.write_text(texts["mapek.yaml"])
    database = {"MAPEK_POSTGRES_URL": "postgresql+psycopg://mapek@postgres/mapek"}
    return load_config(file, state=tmp_path, environ=database | dict(environ))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_objects_are_valid(overlay_objects: dict[str, Objects], overlay: str) -> None:
    """Every object conforms to Kubernetes' published schema without unknown keys."""
    for item in overlay_objects[overlay]:
        if item["kind"] not in OPERATOR_KINDS:
            kubernetes_validate.validate(item, KUBERNETES_VERSION, strict=True)


def test_validation_finds_an_unknown_key(overlay_objects: dict[str, Objects]) -> None:
    """The same validation refuses a misspelt key."""
    deployment = find_only(overlay_objects["production"], "Deployment")
    invalid = {**deployment, "spec": {**deployment["spec"], "replica": 3}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(invalid, KUBERNETES_VERSION, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_are_restricted(overlay_objects: dict[str, Objects], overlay: str) -> None:
    """The namespace enforces the restricted profile, every pod conforms, and no pod can use the Kubernetes API."""
    labels = find_only(overlay_objects[overlay], "Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert find_only(overlay_objects[overlay], "ServiceAccount")["automountServiceAccountToken"] is False
    scheduled = [item["spec"]["jobTemplate"] for item in overlay_objects[overlay] if item["kind"] == "CronJob"]
    for pod in [*list_pod_specs(overlay_objects[overlay]), *(job["spec"]["template"]["spec"] for job in scheduled)]:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            context = container["securityContext"]
            assert (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"]) == (False, True)
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"].keys() == {"requests", "limits"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_one_worker_can_be_removed(overlay_objects: dict[str, Objects], overlay: str) -> None:
    """There are at least two workers; a drain keeps one; an update removes none before the new one is ready."""
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
def test_secrets_are_references(overlay_objects: dict[str, Objects], overlay: str, tmp_path: Path) -> None:
    """The manifests contain no secret; every file in the configuration is mounted from one."""
    assert not [item for item in overlay_objects[overlay] if item["kind"] == "Secret"]
    config = load_pod_config(overlay_objects[overlay], tmp_path)
    pod = list_pod_specs(overlay_objects[overlay])[0]
    (volume,) = [volume["secret"] for volume in pod["volumes"] if volume["name"] == "secrets"]
    mounted = {f"/run/secrets/mapek/{item['path']}" for item in volume["items"]}
    files = (config.api.view_token_file, config.api.webhook_token_file, config.loops[0].execute.charter_api_key_file)
    assert {str(file) for file in files} == mounted
    assert config.orchestrator.mode == overlay


def test_production_uses_certificates_and_encryption(overlay_objects: dict[str, Objects], tmp_path: Path) -> None:
    """Worker and bootstrap use a client certificate for Temporal and encrypt its data, both from a secret."""
    for pod in list_pod_specs(overlay_objects["production"]):
        (volume,) = [volume["secret"] for volume in pod["volumes"] if volume["name"] == "temporal"]
        (container,) = pod["containers"]
        (mount,) = [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "temporal"]
        environ = {variable["name"]: variable["value"] for variable in container["env"] if "value" in variable}
        assert volume["secretName"] == "mapek-temporal"
        # The files belong to root and are readable by their group; fsGroup makes it the pod's group.
        assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"]
        tls = ClientConfigProfile.load(disable_file=True, override_env_vars=environ).tls
        assert tls is not None
        files = (tls.client_cert, tls.client_private_key, tls.server_root_ca_cert)
        assert files == tuple(Path(mount) / name for name in ("tls.crt", "tls.key", "ca.crt"))
        variables = {name: value for name, value in environ.items() if name.startswith("MAPEK_")}
        config = load_pod_config(overlay_objects["production"], tmp_path, variables)
        assert config.temporal.encryption_key_file == Path(mount) / "encryption-keys"
        assert {Path(value).parent for value in environ.values()} == {Path(mount)}


def test_production_is_backed_up(overlay_objects: dict[str, Objects]) -> None:
    """Every five minutes, without overlap, a job of the workers' version copies the store to a persistent disk."""
    spec = find_only(overlay_objects["production"], "CronJob")["spec"]
    job = spec["jobTemplate"]["spec"]
    assert (spec["schedule"], spec["concurrencyPolicy"]) == ("*/5 * * * *", "Forbid")
    assert job["activeDeadlineSeconds"] < 300
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    others = [item["image"] for pod in list_pod_specs(overlay_objects["production"]) for item in pod["containers"]]
    assert {container["image"], *others} == {"mapek:0.1.0"}
    command, file = container["args"]
    (mount,) = [mount for mount in container["volumeMounts"] if Path(mount["mountPath"]) == Path(file).parent]
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == mount["name"]]
    claim = volume["persistentVolumeClaim"]["claimName"]
    assert (command, claim) == (
        "backup",
        find_only(overlay_objects["production"], "PersistentVolumeClaim")["metadata"]["name"],
    )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_network_allows_only_the_configured_servers(
    overlay_objects: dict[str, Objects], overlay: str, tmp_path: Path
) -> None:
    """Egress is allowed only to the configured servers and DNS, ingress only to the service's port."""
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
    expected = {(str(urlsplit(url).hostname).split(".")[1], urlsplit(url).port) for url in hosts}
    assert allowed == expected | {("kube-system", 53)}
    (entry,) = policy["ingress"]
    assert [port["port"] for port in entry["ports"]] == [config.api.port]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_prometheus_scrapes_the_service(overlay_objects: dict[str, Objects], overlay: str) -> None:
    """The ServiceMonitor selects the service's port with role view's token; the rules are those of the files."""
    (endpoint,) = find_only(overlay_objects[overlay], "ServiceMonitor")["spec"]["endpoints"]
    service = find_only(overlay_objects[overlay], "Service")
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert endpoint["authorization"]["credentials"] == {"name": "mapek", "key": "view-token"}
    labels = find_only(overlay_objects[overlay], "ServiceMonitor")["spec"]["selector"]["matchLabels"]
    assert labels.items() <= service["metadata"]["labels"].items()
    assert (
        find_only(overlay_objects[overlay], "PrometheusRule")["spec"] == yaml.safe_load(build_prometheus_rule())["spec"]
    )
    assert OUTPUT_FILE.read_text() == build_prometheus_rule(), "run `make reference`"
    (dashboards,) = [item for item in overlay_objects[overlay] if item["metadata"]["name"] == "mapek-dashboards"]
    assert sorted(dashboards["data"]) == ["mapek-charter.json", "mapek-loop.json", "mapek-worker.json"]

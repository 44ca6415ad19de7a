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
from deploy.devstack.render import ROOT
from deploy.tools.operator_rules import FILE, prometheus_rule
from worker.config.load import Config, load
from worker.main import GRACE

OVERLAYS = ("staging", "production")
KUBERNETES = "1.31.0"
OPERATOR = {"ServiceMonitor", "PrometheusRule"}
"""Kinds of the Prometheus operator: their schemas are not Kubernetes's."""

Objects = list[dict[str, Any]]


@pytest.fixture(scope="module")
def built() -> dict[str, Objects]:
    """Each overlay's objects."""
    kustomize = asyncio.run(binaries.ensure(["kustomize"]))["kustomize"]
    found = {}
    for name in OVERLAYS:
        folder = ROOT / "deploy/kubernetes/overlays" / name
        text = subprocess.run([str(kustomize), "build", str(folder)], check=True, capture_output=True, text=True)
        found[name] = list(yaml.safe_load_all(text.stdout))
    return found


def one(objects: Objects, kind: str) -> dict[str, Any]:
    """Return the only object of a kind."""
    (found,) = [thing for thing in objects if thing["kind"] == kind]
    return found


def pods(objects: Objects) -> list[dict[str, Any]]:
    """Return the pod templates' specs."""
    return [one(objects, kind)["spec"]["template"]["spec"] for kind in ("Deployment", "Job")]


def config_of(objects: Objects, tmp_path: Path, environ: Mapping[str, str] = MappingProxyType({})) -> Config:
    """Return the configuration the pods get, checked as the worker checks it."""
    (texts,) = [thing["data"] for thing in objects if "mapek.yaml" in thing.get("data", {})]
    file = tmp_path / "mapek.yaml"
    file.write_text(texts["mapek.yaml"])
    database = {"MAPEK_POSTGRES_URL": "postgresql+psycopg://mapek@postgres/mapek"}
    return load(file, state=tmp_path, environ=database | dict(environ))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_valid(built: dict[str, Objects], overlay: str) -> None:
    """Every object is what Kubernetes's published schema wants, with no key it does not know."""
    for thing in built[overlay]:
        if thing["kind"] not in OPERATOR:
            kubernetes_validate.validate(thing, KUBERNETES, strict=True)


def test_a_mistake_would_be_seen(built: dict[str, Objects]) -> None:
    """A misspelt key is found by the same check."""
    deployment = one(built["production"], "Deployment")
    wrong = {**deployment, "spec": {**deployment["spec"], "replica": 3}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_restricted(built: dict[str, Objects], overlay: str) -> None:
    """The namespace enforces the restricted profile, and every pod keeps it without asking the Kubernetes API."""
    labels = one(built[overlay], "Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert one(built[overlay], "ServiceAccount")["automountServiceAccountToken"] is False
    scheduled = [thing["spec"]["jobTemplate"] for thing in built[overlay] if thing["kind"] == "CronJob"]
    for pod in [*pods(built[overlay]), *(job["spec"]["template"]["spec"] for job in scheduled)]:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            own = container["securityContext"]
            assert (own["allowPrivilegeEscalation"], own["readOnlyRootFilesystem"]) == (False, True)
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"].keys() == {"requests", "limits"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_one_may_go(built: dict[str, Objects], overlay: str) -> None:
    """There are at least two workers, a drain leaves one, an update takes none away before the new one is ready."""
    spec = one(built[overlay], "Deployment")["spec"]
    allowed = one(built[overlay], "PodDisruptionBudget")["spec"]
    assert spec["replicas"] >= 2
    assert spec["replicas"] - allowed["minAvailable"] == 1
    assert allowed["selector"] == spec["selector"]
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    pod = spec["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > GRACE.total_seconds() + 5
    (worker,) = pod["containers"]
    probes = {name: worker[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert probes == {"startupProbe": "/health", "livenessProbe": "/health", "readinessProbe": "/ready"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_secrets_by_reference(built: dict[str, Objects], overlay: str, tmp_path: Path) -> None:
    """No secret is in the manifests; every file the configuration names is mounted from one."""
    assert not [thing for thing in built[overlay] if thing["kind"] == "Secret"]
    config = config_of(built[overlay], tmp_path)
    pod = pods(built[overlay])[0]
    (volume,) = [volume["secret"] for volume in pod["volumes"] if volume["name"] == "secrets"]
    mounted = {f"/run/secrets/mapek/{item['path']}" for item in volume["items"]}
    named = (config.api.view_token_file, config.api.webhook_token_file, config.loops[0].execute.charter_api_key_file)
    assert {str(file) for file in named} == mounted
    assert config.orchestrator.mode == overlay


def test_production_trusts_nobody_on_the_way(built: dict[str, Objects], tmp_path: Path) -> None:
    """Worker and bootstrap show Temporal a certificate and encrypt what it keeps, with what a secret holds."""
    for pod in pods(built["production"]):
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
        config = config_of(built["production"], tmp_path, own)
        assert config.temporal.encryption_key_file == Path(mount) / "encryption-keys"
        assert {Path(value).parent for value in environ.values()} == {Path(mount)}


def test_production_is_backed_up(built: dict[str, Objects]) -> None:
    """Every five minutes, one at a time and within them, the workers' version copies the store to a claimed disk."""
    spec = one(built["production"], "CronJob")["spec"]
    job = spec["jobTemplate"]["spec"]
    assert (spec["schedule"], spec["concurrencyPolicy"]) == ("*/5 * * * *", "Forbid")
    assert job["activeDeadlineSeconds"] < 300
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    others = [one["image"] for pod in pods(built["production"]) for one in pod["containers"]]
    assert {container["image"], *others} == {"mapek:0.1.0"}
    verb, file = container["args"]
    (mount,) = [mount for mount in container["volumeMounts"] if Path(mount["mountPath"]) == Path(file).parent]
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == mount["name"]]
    claim = volume["persistentVolumeClaim"]["claimName"]
    assert (verb, claim) == ("backup", one(built["production"], "PersistentVolumeClaim")["metadata"]["name"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_network(built: dict[str, Objects], overlay: str, tmp_path: Path) -> None:
    """What the configuration names can be reached, in its namespace and at its port, names are found, and no more."""
    config = config_of(built[overlay], tmp_path)
    policy = one(built[overlay], "NetworkPolicy")["spec"]
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
def test_watched(built: dict[str, Objects], overlay: str) -> None:
    """Prometheus finds the service's port by its name and shows role view's token; the rules are those of the files."""
    (endpoint,) = one(built[overlay], "ServiceMonitor")["spec"]["endpoints"]
    service = one(built[overlay], "Service")
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert endpoint["authorization"]["credentials"] == {"name": "mapek", "key": "view-token"}
    wanted = one(built[overlay], "ServiceMonitor")["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= service["metadata"]["labels"].items()
    assert one(built[overlay], "PrometheusRule")["spec"] == yaml.safe_load(prometheus_rule())["spec"]
    assert FILE.read_text() == prometheus_rule(), "run `make reference`"
    (boards,) = [thing for thing in built[overlay] if thing["metadata"]["name"] == "mapek-dashboards"]
    assert sorted(boards["data"]) == ["mapek-charter.json", "mapek-loop.json", "mapek-worker.json"]

"""Who shows which API key: a worker's writes, an operator's may only look, and everybody else is kept out."""

import re
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.service import TLSConfig

from deploy.devstack.ports import LOOPBACK
from tests.cluster.api_key_issuer import ApiKeyIssuer
from tests.cluster.harness import NAMESPACE, ClusterHarness, environment_variables, run_mapek

READ_COMMANDS = ("cycles",)
WRITE_COMMANDS = ("run", "charter")
EXIT_UNAUTHORIZED = 2
INTERNAL_FRONTEND_PORT_OFFSET = 3
"""The port of `internal-frontend`, from the frontend's on."""


async def run_with_key(cluster_harness: ClusterHarness, log: Path, key: str, *args: str) -> int | None:
    """Run a command with an API key and return how it exits."""
    with environment_variables(TEMPORAL_API_KEY=key):
        return await run_mapek(cluster_harness.harness.stack.state.config_file, log, *args)


@pytest.mark.parametrize(
    ("permissions", "looking", "acting"),
    [
        ((f"{NAMESPACE}:write",), 0, 0),
        ((f"{NAMESPACE}:read",), 0, EXIT_UNAUTHORIZED),
        (("other:admin",), EXIT_UNAUTHORIZED, EXIT_UNAUTHORIZED),
    ],
    ids=["writes", "reads", "elsewhere"],
)
async def test_what_a_key_allows(
    cluster_harness: ClusterHarness, tmp_path: Path, permissions, looking: int, acting: int
) -> None:
    """Who may write starts cycles, who may read only looks, and a key of another namespace is good for nothing."""
    key = cluster_harness.issuer.issue_token(*permissions)
    assert await run_with_key(cluster_harness, tmp_path / "looking", key, *READ_COMMANDS) == looking
    assert await run_with_key(cluster_harness, tmp_path / "acting", key, *WRITE_COMMANDS) == acting


async def test_strangers_are_kept_out_and_told_why(cluster_harness: ClusterHarness, tmp_path: Path) -> None:
    """Without a key, with one that has run out and with a forged one the command exits 2; no key is ever printed."""
    permission = f"{NAMESPACE}:admin"
    keys = [
        "",
        cluster_harness.issuer.issue_token(permission, seconds=-60.0),
        ApiKeyIssuer(cluster_harness.issuer.name).issue_token(permission),
    ]
    for number, key in enumerate(keys):
        log = tmp_path / f"{number}"
        assert await run_with_key(cluster_harness, log, key, *READ_COMMANDS) == EXIT_UNAUTHORIZED, log.read_text()
        told = log.read_text()
        assert "refuses the credential" in told
        assert not key or key not in told


async def test_the_door_inside_wants_a_certificate(cluster_harness: ClusterHarness) -> None:
    """At Temporal's own frontend everybody is admin, so nobody comes in who shows no certificate of Temporal's."""
    tls, key = (
        TLSConfig(cluster_harness.cluster.security.certificate.read_bytes()),
        cluster_harness.issuer.issue_token(f"{NAMESPACE}:read"),
    )
    await Client.connect(cluster_harness.cluster.address, namespace=NAMESPACE, tls=tls, api_key=key)
    for offered in (tls, False):
        with pytest.raises(RuntimeError, match="connect"):
            await Client.connect(
                f"{LOOPBACK}:{cluster_harness.cluster.port + INTERNAL_FRONTEND_PORT_OFFSET}",
                namespace=NAMESPACE,
                tls=offered,
            )


async def test_no_log_holds_a_key(cluster_harness: ClusterHarness) -> None:
    """Nothing of the stack, its workers or Temporal writes a token anywhere."""
    folder = cluster_harness.second_worker.log.parent
    token = re.compile(rb"eyJ[\w-]+\.eyJ[\w-]+\.")
    written = [file for file in folder.rglob("*") if file.is_file() and file.suffix in {".log", ".yaml", ".json"}]
    assert written
    assert [file.name for file in written if token.search(file.read_bytes())] == []

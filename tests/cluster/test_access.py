"""The permissions of API keys: write, read only, and no access without a valid key."""

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
"""Offset of the port of `internal-frontend` from the frontend's port."""


async def run_with_key(cluster_harness: ClusterHarness, log: Path, key: str, *args: str) -> int | None:
    """Run a command with an API key and return its exit code."""
    with environment_variables(TEMPORAL_API_KEY=key):
        return await run_mapek(cluster_harness.harness.stack.state.config_file, log, *args)


@pytest.mark.parametrize(
    ("permissions", "read_exit_code", "write_exit_code"),
    [
        ((f"{NAMESPACE}:write",), 0, 0),
        ((f"{NAMESPACE}:read",), 0, EXIT_UNAUTHORIZED),
        (("other:admin",), EXIT_UNAUTHORIZED, EXIT_UNAUTHORIZED),
    ],
    ids=["writes", "reads", "elsewhere"],
)
async def test_key_allows_only_its_permissions(
    cluster_harness: ClusterHarness,
    tmp_path: Path,
    permissions: tuple[str, ...],
    read_exit_code: int,
    write_exit_code: int,
) -> None:
    """A write key starts cycles, a read key only reads, and a key of another namespace does nothing."""
    key = cluster_harness.issuer.issue_token(*permissions)
    assert await run_with_key(cluster_harness, tmp_path / "read", key, *READ_COMMANDS) == read_exit_code
    assert await run_with_key(cluster_harness, tmp_path / "write", key, *WRITE_COMMANDS) == write_exit_code


async def test_invalid_keys_are_refused_with_a_reason(cluster_harness: ClusterHarness, tmp_path: Path) -> None:
    """Without a key, with an expired and with a forged one the command exits with 2 and never prints the key."""
    permission = f"{NAMESPACE}:admin"
    keys = [
        "",
        cluster_harness.issuer.issue_token(permission, seconds=-60.0),
        ApiKeyIssuer(cluster_harness.issuer.name).issue_token(permission),
    ]
    for number, key in enumerate(keys):
        log = tmp_path / f"{number}"
        assert await run_with_key(cluster_harness, log, key, *READ_COMMANDS) == EXIT_UNAUTHORIZED, log.read_text()
        output = log.read_text()
        assert "refused the credential" in output
        assert not key or key not in output


async def test_internal_frontend_needs_a_certificate(cluster_harness: ClusterHarness) -> None:
    """At the internal frontend every caller is admin, so it refuses callers without Temporal's certificate."""
    tls, key = (
        TLSConfig(cluster_harness.cluster.security.certificate.read_bytes()),
        cluster_harness.issuer.issue_token(f"{NAMESPACE}:read"),
    )
    await Client.connect(cluster_harness.cluster.address, namespace=NAMESPACE, tls=tls, api_key=key)
    for client_tls in (tls, False):
        with pytest.raises(RuntimeError, match="connect"):
            await Client.connect(
                f"{LOOPBACK}:{cluster_harness.cluster.port + INTERNAL_FRONTEND_PORT_OFFSET}",
                namespace=NAMESPACE,
                tls=client_tls,
            )


async def test_no_file_contains_a_key(cluster_harness: ClusterHarness) -> None:
    """No log or file of the stack, its workers or Temporal contains a token."""
    folder = cluster_harness.second_worker.log.parent
    token = re.compile(rb"eyJ[\w-]+\.eyJ[\w-]+\.")
    files = [file for file in folder.rglob("*") if file.is_file() and file.suffix in {".log", ".yaml", ".json"}]
    assert files
    assert [file.name for file in files if token.search(file.read_bytes())] == []

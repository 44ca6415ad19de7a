"""Who shows which API key: a worker's writes, an operator's may only look, and everybody else is kept out."""

import re
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.service import TLSConfig

from deploy.devstack.ports import LOOPBACK
from tests.cluster.api_key_issuer import Issuer
from tests.cluster.harness import NAMESPACE, Clustered, mapek, variables

LOOKING = ("cycles",)
ACTING = ("run", "charter")
KEPT_OUT = 2
INSIDE = 3
"""The port of `internal-frontend`, from the frontend's on."""


async def shown(run: Clustered, log: Path, key: str, *args: str) -> int | None:
    """Run a command with an API key and return how it exits."""
    with variables(TEMPORAL_API_KEY=key):
        return await mapek(run.world.stack.state.config_file, log, *args)


@pytest.mark.parametrize(
    ("permissions", "looking", "acting"),
    [((f"{NAMESPACE}:write",), 0, 0), ((f"{NAMESPACE}:read",), 0, KEPT_OUT), (("other:admin",), KEPT_OUT, KEPT_OUT)],
    ids=["writes", "reads", "elsewhere"],
)
async def test_what_a_key_allows(run: Clustered, tmp_path: Path, permissions, looking: int, acting: int) -> None:
    """Who may write starts cycles, who may read only looks, and a key of another namespace is good for nothing."""
    key = run.issuer.token(*permissions)
    assert await shown(run, tmp_path / "looking", key, *LOOKING) == looking
    assert await shown(run, tmp_path / "acting", key, *ACTING) == acting


async def test_strangers_are_kept_out_and_told_why(run: Clustered, tmp_path: Path) -> None:
    """Without a key, with one that has run out and with a forged one the command exits 2; no key is ever printed."""
    permission = f"{NAMESPACE}:admin"
    keys = ["", run.issuer.token(permission, seconds=-60.0), Issuer(run.issuer.name).token(permission)]
    for number, key in enumerate(keys):
        log = tmp_path / f"{number}"
        assert await shown(run, log, key, *LOOKING) == KEPT_OUT, log.read_text()
        told = log.read_text()
        assert "refuses the credential" in told
        assert not key or key not in told


async def test_the_door_inside_wants_a_certificate(run: Clustered) -> None:
    """At Temporal's own frontend everybody is admin, so nobody comes in who shows no certificate of Temporal's."""
    tls, key = TLSConfig(run.cluster.guard.certificate.read_bytes()), run.issuer.token(f"{NAMESPACE}:read")
    await Client.connect(run.cluster.address, namespace=NAMESPACE, tls=tls, api_key=key)
    for offered in (tls, False):
        with pytest.raises(RuntimeError, match="connect"):
            await Client.connect(f"{LOOPBACK}:{run.cluster.port + INSIDE}", namespace=NAMESPACE, tls=offered)


async def test_no_log_holds_a_key(run: Clustered) -> None:
    """Nothing of the stack, its workers or Temporal writes a token anywhere."""
    folder = run.second.log.parent
    token = re.compile(rb"eyJ[\w-]+\.eyJ[\w-]+\.")
    written = [file for file in folder.rglob("*") if file.is_file() and file.suffix in {".log", ".yaml", ".json"}]
    assert written
    assert [file.name for file in written if token.search(file.read_bytes())] == []

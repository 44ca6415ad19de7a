"""HTTPS, and callers that have to show a certificate."""

import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from activities.model.errors import ConfigurationError
from tests.worker.alerts.bodies import alert, body
from tests.worker.http.doors import BEARER, PATH, World
from worker.http.service import Tls, serve


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a certificate that signs itself, with its key."""
    made, key = folder / f"{name}.pem", folder / f"{name}.key"
    wanted = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-nodes"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-keyout", str(key), "-out", str(made), *wanted]
    subprocess.run(command, check=True, capture_output=True)
    return made, key


def trusting(server: Path, shown: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """Return a caller's side: whom it trusts, and what it shows."""
    context = ssl.create_default_context(cafile=str(server))
    if shown is not None:
        context.load_cert_chain(*map(str, shown))
    return context


async def test_callers_show_a_certificate(tmp_path: Path) -> None:
    """With a client CA only who shows a certificate of it is heard, and the token is needed all the same."""
    (server, key), known, stranger = (certificate(tmp_path, name) for name in ("server", "known", "stranger"))
    world = World()
    async with serve(world.app, "127.0.0.1", 0, Tls(server, key, known[0])) as port:
        url = f"https://127.0.0.1:{port}{PATH}"
        async with httpx.AsyncClient(trust_env=False, verify=trusting(server, known)) as client:
            assert (await client.post(url, content=body(alert()), headers=BEARER)).status_code == 200
            assert (await client.post(url, content=body(alert()))).status_code == 401
        for shown in (None, stranger):
            async with httpx.AsyncClient(trust_env=False, verify=trusting(server, shown)) as client:
                with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.ConnectError)):
                    await client.post(url, content=body(alert(2)), headers=BEARER)
    assert world.fingerprints() == ["0000000000000001"]


async def test_a_certificate_that_is_none(tmp_path: Path) -> None:
    """It is a mistake of the configuration, told before anything is served."""
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(ConfigurationError, match="tls_cert_file: cannot be used"):
        async with serve(World().app, "127.0.0.1", 0, Tls(tmp_path / "bad.pem")):
            pass

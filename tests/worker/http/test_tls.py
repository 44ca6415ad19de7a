"""HTTPS, and callers that have to show a certificate."""

import ssl
import subprocess
from pathlib import Path

import httpx
import pytest
import yaml

from activities.model.errors import ConfigurationError
from deploy.devstack import process
from deploy.devstack.ports import LOOPBACK, PortAllocator
from tests.support.alert_payloads import make_alert, make_body
from tests.support.waiting import wait_until
from tests.support.webhook_service import AUTHORIZATION_HEADER, WEBHOOK_PATH, WebhookService
from worker.http.service import Tls, serve


def make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a certificate that signs itself, with its key."""
    made, key = folder / f"{name}.pem", folder / f"{name}.key"
    wanted = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-nodes"]
    # A certificate that may sign others is no server's for some libraries.
    wanted += ["-addext", "basicConstraints=critical,CA:FALSE"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-keyout", str(key), "-out", str(made), *wanted]
    subprocess.run(command, check=True, capture_output=True)
    return made, key


def make_client_context(server: Path, client_certificate: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """Return a caller's side: whom it trusts, and what it shows."""
    context = ssl.create_default_context(cafile=str(server))
    if client_certificate is not None:
        context.load_cert_chain(*map(str, client_certificate))
    return context


async def test_callers_show_a_certificate(tmp_path: Path) -> None:
    """With a client CA only who shows a certificate of it is heard, and the token is needed all the same."""
    (server, key), known, stranger = (make_certificate(tmp_path, name) for name in ("server", "known", "stranger"))
    world = WebhookService()
    async with serve(world.app, "127.0.0.1", 0, Tls(server, key, known[0])) as port:
        url = f"https://127.0.0.1:{port}{WEBHOOK_PATH}"
        async with httpx.AsyncClient(trust_env=False, verify=make_client_context(server, known)) as client:
            assert (
                await client.post(url, content=make_body(make_alert()), headers=AUTHORIZATION_HEADER)
            ).status_code == 200
            assert (await client.post(url, content=make_body(make_alert()))).status_code == 401
        for shown in (None, stranger):
            async with httpx.AsyncClient(trust_env=False, verify=make_client_context(server, shown)) as client:
                with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.ConnectError)):
                    await client.post(url, content=make_body(make_alert(2)), headers=AUTHORIZATION_HEADER)
    assert world.list_fingerprints() == ["0000000000000001"]


async def test_a_certificate_that_is_none(tmp_path: Path) -> None:
    """It is a mistake of the configuration, told before anything is served."""
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(ConfigurationError, match="tls_cert_file: cannot be used"):
        async with serve(WebhookService().app, "127.0.0.1", 0, Tls(tmp_path / "bad.pem")):
            pass


@pytest.mark.stack
async def test_a_real_alertmanager_with_certificate_and_password(
    server_binaries: dict[str, Path], tmp_path: Path
) -> None:
    """Alertmanager gets in with a client certificate and the token as the password of basic authentication."""
    (server, key), (shown, shown_key) = make_certificate(tmp_path, "server"), make_certificate(tmp_path, "known")
    (tmp_path / "password").write_text("old")
    world, ports = WebhookService(), PortAllocator()
    at = f"{LOOPBACK}:{ports.allocate(9193)}"
    async with serve(world.app, LOOPBACK, 0, Tls(server, key, shown)) as port:
        ways_in = {
            "basic_auth": {"username": "alertmanager", "password_file": str(tmp_path / "password")},
            "tls_config": {"ca_file": str(server), "cert_file": str(shown), "key_file": str(shown_key)},
        }
        receiver = {"url": f"https://{LOOPBACK}:{port}{WEBHOOK_PATH}", "http_config": ways_in}
        config = {
            "route": {"receiver": "mapek", "group_wait": "0s"},
            "receivers": [{"name": "mapek", "webhook_configs": [receiver]}],
        }
        (tmp_path / "am.yml").write_text(yaml.safe_dump(config))
        options = {"config.file": tmp_path / "am.yml", "storage.path": tmp_path / "data", "web.listen-address": at}
        argv = (
            str(server_binaries["alertmanager"]),
            "--cluster.listen-address=",
            *(f"--{k}={v}" for k, v in options.items()),
        )
        child = await process.start("alertmanager", argv, tmp_path / "am.log")
        try:
            async with httpx.AsyncClient(base_url=f"http://{at}", trust_env=False) as client:

                async def fired() -> bool:
                    try:
                        reply = await client.post("/api/v2/alerts", json=[{"labels": {"alertname": "A"}}])
                    except httpx.ConnectError:
                        return False
                    return reply.is_success

                async def told() -> bool:
                    return len(world.list_fingerprints()) == 1

                await wait_until("Alertmanager takes an alert", fired, 20)
                await wait_until("the webhook is told of it", told, 10)
        finally:
            await child.kill()
            ports.close()

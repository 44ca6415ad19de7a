"""HTTPS, and client certificates."""

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
    """Create a self-signed certificate and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    options = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-nodes"]
    # Some libraries refuse a server certificate that may sign others.
    options += ["-addext", "basicConstraints=critical,CA:FALSE"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
        *options,
    ]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def make_client_context(server: Path, client_certificate: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """Return the TLS context of a client that trusts this server."""
    context = ssl.create_default_context(cafile=str(server))
    if client_certificate is not None:
        context.load_cert_chain(*map(str, client_certificate))
    return context


async def test_a_client_certificate_is_required(tmp_path: Path) -> None:
    """With a client CA only its certificates are accepted; the token is required as well."""
    (server, key), known, stranger = (make_certificate(tmp_path, name) for name in ("server", "known", "stranger"))
    webhook = WebhookService()
    async with serve(webhook.app, "127.0.0.1", 0, Tls(server, key, known[0])) as port:
        url = f"https://127.0.0.1:{port}{WEBHOOK_PATH}"
        async with httpx.AsyncClient(trust_env=False, verify=make_client_context(server, known)) as client:
            assert (
                await client.post(url, content=make_body(make_alert()), headers=AUTHORIZATION_HEADER)
            ).status_code == 200
            assert (await client.post(url, content=make_body(make_alert()))).status_code == 401
        for certificate in (None, stranger):
            async with httpx.AsyncClient(trust_env=False, verify=make_client_context(server, certificate)) as client:
                with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.ConnectError)):
                    await client.post(url, content=make_body(make_alert(2)), headers=AUTHORIZATION_HEADER)
    assert webhook.list_fingerprints() == ["0000000000000001"]


async def test_an_invalid_certificate_is_refused(tmp_path: Path) -> None:
    """It is a configuration error, raised before the service starts."""
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(ConfigurationError, match="tls_cert_file: not usable"):
        async with serve(WebhookService().app, "127.0.0.1", 0, Tls(tmp_path / "bad.pem")):
            pass


@pytest.mark.stack
async def test_a_real_alertmanager_with_certificate_and_password(
    server_binaries: dict[str, Path], tmp_path: Path
) -> None:
    """Alertmanager authenticates with a client certificate, and with the token as password of basic authentication."""
    (server, key), (client_ca, client_key) = make_certificate(tmp_path, "server"), make_certificate(tmp_path, "known")
    (tmp_path / "password").write_text("old")
    webhook, ports = WebhookService(), PortAllocator()
    address = f"{LOOPBACK}:{ports.allocate(9193)}"
    async with serve(webhook.app, LOOPBACK, 0, Tls(server, key, client_ca)) as port:
        http_config = {
            "basic_auth": {"username": "alertmanager", "password_file": str(tmp_path / "password")},
            "tls_config": {"ca_file": str(server), "cert_file": str(client_ca), "key_file": str(client_key)},
        }
        receiver = {"url": f"https://{LOOPBACK}:{port}{WEBHOOK_PATH}", "http_config": http_config}
        config = {
            "route": {"receiver": "mapek", "group_wait": "0s"},
            "receivers": [{"name": "mapek", "webhook_configs": [receiver]}],
        }
        (tmp_path / "am.yml").write_text(yaml.safe_dump(config))
        options = {"config.file": tmp_path / "am.yml", "storage.path": tmp_path / "data", "web.listen-address": address}
        argv = (
            str(server_binaries["alertmanager"]),
            "--cluster.listen-address=",
            *(f"--{k}={v}" for k, v in options.items()),
        )
        child = await process.start("alertmanager", argv, tmp_path / "am.log")
        try:
            async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:

                async def post_alert() -> bool:
                    try:
                        reply = await client.post("/api/v2/alerts", json=[{"labels": {"alertname": "A"}}])
                    except httpx.ConnectError:
                        return False
                    return reply.is_success

                async def is_received() -> bool:
                    return len(webhook.list_fingerprints()) == 1

                await wait_until("Alertmanager accepts an alert", post_alert, 20)
                await wait_until("the webhook receives the alert", is_received, 10)
        finally:
            await child.kill()
            ports.close()

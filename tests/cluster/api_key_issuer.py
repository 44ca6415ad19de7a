"""Signs API keys for the cluster and publishes the public key that verifies them."""

import base64
import functools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from deploy.devstack.ports import LOOPBACK

SIGNING_ALGORITHM = "RS256"
DAY_SECONDS = 86_400.0


def encode_base64url(raw: bytes) -> str:
    """Return base64url without padding, the encoding of tokens."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class ApiKeyIssuer:
    """Signs tokens (RFC 7519) with a new key."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.key = rsa.generate_private_key(65537, 2048)

    def issue_token(self, *permissions: str, seconds: float = DAY_SECONDS) -> str:
        """Return a token with permissions `NAMESPACE:read`, `:write` or `:admin`, valid for `seconds`."""
        header = {"alg": SIGNING_ALGORITHM, "typ": "JWT", "kid": self.name}
        claims = {"sub": "a test", "permissions": permissions, "exp": int(time.time() + seconds)}
        signed = ".".join(encode_base64url(json.dumps(part).encode()) for part in (header, claims))
        return f"{signed}.{encode_base64url(self.key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"

    def export_public_key(self) -> str:
        """Return the public key as JSON (RFC 7517)."""
        numbers = self.key.public_key().public_numbers()
        modulus, exponent = (
            encode_base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))
            for number in (numbers.n, numbers.e)
        )
        key = {"kty": "RSA", "use": "sig", "alg": SIGNING_ALGORITHM, "kid": self.name, "n": modulus, "e": exponent}
        return json.dumps({"keys": [key]})


class SilentFileHandler(SimpleHTTPRequestHandler):
    """Serves a folder without a log."""

    def log_message(self, *_: object) -> None:
        """Discard the message."""


@contextmanager
def published_key(issuer: ApiKeyIssuer, folder: Path) -> Iterator[str]:
    """Serve the issuer's public key for the duration of a block; yield its URL."""
    folder.mkdir()
    (folder / "jwks.json").write_text(issuer.export_public_key(), encoding="utf-8")
    with ThreadingHTTPServer((LOOPBACK, 0), functools.partial(SilentFileHandler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{LOOPBACK}:{server.server_port}/jwks.json"
        finally:
            server.shutdown()

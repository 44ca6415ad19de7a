"""Authentication by tokens, sent as bearer or as the password of basic authentication.

There are two roles: view reads metrics and details of health, operate also posts alerts.
"""

import base64
import binascii
import hmac
import logging
from collections.abc import Callable, Sequence

from activities.model.errors import MapekError

log = logging.getLogger("mapek.http")

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="mapek", Basic realm="mapek"'}


class TokenAuth:
    """The tokens of one role, read at every call, so that a rotated token takes effect. Without any, all pass."""

    def __init__(self, token_readers: Sequence[Callable[[], str]]) -> None:
        self._token_readers = token_readers

    def is_authorized(self, authorization: str) -> bool:
        """Return whether the header's credential equals one of the tokens. An unreadable token matches none."""
        if not self._token_readers:
            return True
        credential = parse_credential(authorization).encode()
        # Compare every token, so that the duration reveals nothing.
        return sum(self._matches(credential, read_token) for read_token in self._token_readers) > 0

    @staticmethod
    def _matches(credential: bytes, read_token: Callable[[], str]) -> bool:
        try:
            token = read_token()
        except MapekError as error:
            log.warning("token not readable: %s", error)
            return False
        return bool(token) and hmac.compare_digest(credential, token.encode())


def parse_credential(authorization: str) -> str:
    """Return the token of `Bearer TOKEN` or the password of `Basic`, "" for other headers."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        decoded = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return decoded.partition(":")[2]

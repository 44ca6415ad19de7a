"""Who may pass: whoever shows a token of the role that is asked for, as bearer or as a password.

Two roles: view reads (metrics, details of health), operate also acts (posts alerts). A gate is one role's.
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
    """`tokens` are read at every call, so that a changed file is taken up. Without any, everybody may pass."""

    def __init__(self, token_readers: Sequence[Callable[[], str]]) -> None:
        self._token_readers = token_readers

    def is_authorized(self, authorization: str) -> bool:
        """Tell whether the header's credential is one of the tokens. A token that cannot be read admits nobody."""
        if not self._token_readers:
            return True
        given = parse_credential(authorization).encode()
        # Every token is compared, whichever fits, so that the time taken tells nothing.
        return sum(self._matches(given, token) for token in self._token_readers) > 0

    @staticmethod
    def _matches(credential: bytes, read_token: Callable[[], str]) -> bool:
        try:
            wanted = read_token()
        except MapekError as error:
            log.warning("a token is not taken: %s", error)
            return False
        return bool(wanted) and hmac.compare_digest(credential, wanted.encode())


def parse_credential(authorization: str) -> str:
    """Return the token of `Bearer TOKEN`, the password of `Basic`, "" if it is neither."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        decoded = base64.b64decode(given.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return decoded.partition(":")[2]

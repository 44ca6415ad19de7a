"""Why a connection to Temporal fails. The SDK gives only a text; a table maps it to the fault and its fix."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from activities.model.errors import MapekError, Unauthorized, Unreachable
from activities.model.types import truncate


@dataclass(frozen=True)
class ConnectFault:
    """A fault, recognized by a pattern in the SDK's text.

    `tls` and `api_key` restrict the row to clients with (True) or without (False) them; None means both.
    `text` follows "Temporal at ADDRESS ".
    """

    pattern: str
    text: str
    tls: bool | None = None
    api_key: bool | None = None
    error: type[MapekError] = Unreachable

    def matches(self, text: str, *, tls: bool, api_key: bool) -> bool:
        """Return whether this row explains the text."""
        return (
            self.tls in (None, tls)
            and self.api_key in (None, api_key)
            and re.search(self.pattern, text, re.IGNORECASE) is not None
        )


CLOSED_PATTERN = "BrokenPipe|ConnectionReset|ConnectionAborted|UnexpectedEof|CertificateRequired|operation was canceled"
CONNECT_FAULTS = (
    ConnectFault(
        "PermissionDenied|Unauthenticated",
        "refused the credential: check TEMPORAL_API_KEY or the profile",
        error=Unauthorized,
    ),
    ConnectFault(
        "InvalidContentType|WrongVersionNumber",
        "answers without TLS, and an API key turns TLS on: unset TEMPORAL_API_KEY, or use the port with TLS",
        tls=True,
        api_key=True,
    ),
    ConnectFault(
        "InvalidContentType|WrongVersionNumber",
        "answers without TLS: unset TEMPORAL_TLS and TEMPORAL_TLS_*, or use the port with TLS",
        tls=True,
    ),
    ConnectFault(
        "UnknownIssuer|CaUsedAsEndEntity",
        "has a certificate of an unknown CA: set TEMPORAL_TLS_SERVER_CA_CERT_PATH to the CA's file",
    ),
    ConnectFault(
        "NotValidForName",
        "has a certificate for other names: use one of its names as address, or set TEMPORAL_TLS_SERVER_NAME",
    ),
    ConnectFault("Expired", "has a certificate that has expired: renew it, or correct this machine's clock"),
    ConnectFault("NotValidYet", "has a certificate that is not valid yet: correct this machine's clock"),
    ConnectFault("certificate", "failed the TLS verification: check TEMPORAL_TLS_* or the profile"),
    ConnectFault(
        CLOSED_PATTERN,
        "closed the connection after the TLS handshake: it may require TEMPORAL_TLS_CLIENT_CERT_PATH",
        tls=True,
    ),
    ConnectFault(
        CLOSED_PATTERN,
        "closed the connection: it may require TLS (set TEMPORAL_TLS=true), or another service has this port",
        tls=False,
    ),
    ConnectFault(
        "FRAME_SIZE_ERROR|http2 error|H2NotNegotiated|HTTP/1|InvalidMessage",
        "answers, but not with gRPC: use the port of the frontend (usually 7233), not of the UI or a plain HTTP proxy",
    ),
    ConnectFault("dns error|failed to lookup", "has a name that does not resolve: correct TEMPORAL_ADDRESS"),
)
"""The first row that matches is the fault. The texts are of temporalio 1.x with tonic, hyper and rustls."""


def map_connect_error(text: str, address: str, options: Mapping[str, Any]) -> MapekError:
    """Return the error for a failed connection. `options` are the client's options: `tls` and `api_key` are read."""
    tls, api_key = bool(options.get("tls")), bool(options.get("api_key"))
    for fault in CONNECT_FAULTS:
        if fault.matches(text, tls=tls, api_key=api_key):
            return fault.error(f"Temporal at {address} {fault.text}")
    return unreachable_error(address, "" if "ConnectionRefused" in text else text)


def unreachable_error(address: str, reason: str = "") -> Unreachable:
    """Return the error for a server that does not answer, with the fix and, if known, the SDK's reason."""
    fix = "start the stack with `make run`, or set TEMPORAL_ADDRESS"
    return Unreachable(f"cannot reach Temporal at {address}: {fix}" + (f" ({truncate(reason)})" if reason else ""))

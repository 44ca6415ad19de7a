"""Messages to operators, through Apprise: one function for every kind of target.

Every function blocks, so callers run it in a thread. Unlike the other clients it uses the proxy variables of the
environment, because chat and paging services are often reachable only through a proxy.
"""

import logging
import threading
import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from activities.model.errors import ConfigurationError, Unreachable
from activities.model.types import truncate

with warnings.catch_warnings():
    # Apprise imports a deprecated module of the standard library.
    warnings.simplefilter("ignore", DeprecationWarning)
    from apprise import Apprise, AppriseAsset, NotifyBase, NotifyFormat, NotifyType, PersistentStoreMode
    from apprise.plugins.custom_json import NotifyJSON
    from apprise.plugins.email.base import NotifyEmail

_LOG = logging.getLogger("apprise")
_LOG.propagate = False
for _logger in (_LOG, logging.getLogger("urllib3")):
    # Lower levels log addresses, which may be credentials. Warnings of Apprise are collected below.
    _logger.setLevel(logging.WARNING)
_APPRISE_FIELDS = ("version", "title", "message", "attachments", "type")
"""Fields that Apprise would add to every JSON body."""


class Endpoint(NamedTuple):
    """The address of a target. `timeout` is seconds to connect, and again to respond."""

    address: str
    timeout: float


def post_json(endpoint: Endpoint, body: dict[str, Any], token: str = "") -> None:
    """Post a JSON body, with a bearer token if there is one.

    Raises:
        ConfigurationError: the address is invalid.
        Unreachable: the target did not accept it; the message holds no part of address or token.
    """
    url = _parse_address(endpoint.address, ("http", "https"))
    plugin = _create_plugin(
        NotifyJSON,
        host=url.hostname,
        port=url.port,
        fullpath=(url.path or "/") + (f"?{url.query}" if url.query else ""),
        secure=url.scheme == "https",
        headers={"Authorization": f"Bearer {token}"} if token else {},
        payload={**dict.fromkeys(_APPRISE_FIELDS, ""), **body},
        **_build_common_settings(endpoint.timeout),
    )
    _send(plugin, "", "-", (endpoint.address, token))


class Mail(NamedTuple):
    """Sender, recipients and login of an e-mail; an empty user means no login."""

    sender: str
    recipients: tuple[str, ...]
    user: str = ""
    password: str = ""


def send_mail(endpoint: Endpoint, mail: Mail, title: str, text: str) -> None:
    """Send an e-mail in plain text: smtps:// is encrypted from the first byte, smtp:// is not encrypted.

    Raises:
        ConfigurationError: the address of the server, the sender or a recipient is invalid.
        Unreachable: the server did not accept it for every recipient.
    """
    url = _parse_address(endpoint.address, ("smtp", "smtps"))
    plugin = _create_plugin(
        NotifyEmail,
        host=url.hostname,
        smtp_host=url.hostname,
        port=url.port or (465 if url.scheme == "smtps" else 25),
        secure=url.scheme == "smtps",
        secure_mode="ssl" if url.scheme == "smtps" else "insecure",
        from_addr=mail.sender,
        targets=list(mail.recipients),
        user=mail.user or None,
        password=mail.password or None,
        format=NotifyFormat.TEXT,
        **_build_common_settings(endpoint.timeout),
    )
    _send(plugin, title, text, (mail.password,))


def send_apprise(endpoint: Endpoint, title: str, text: str) -> None:
    """Send a text to any address Apprise knows, such as slack://, pagerduty:// or ntfys://.

    The type is a failure: with another one, services such as Opsgenie open no alert.

    Raises:
        ConfigurationError: Apprise does not support the address.
        Unreachable: the target did not accept it.
    """
    plugin = Apprise.instantiate(endpoint.address, asset=_ASSET, suppress_exceptions=True)
    if not isinstance(plugin, NotifyBase):
        raise ConfigurationError("Apprise does not support this address")
    plugin.socket_connect_timeout = plugin.socket_read_timeout = endpoint.timeout
    _send(plugin, title, text, _extract_secrets(endpoint.address))


_ASSET = AppriseAsset(
    app_id="mapek", app_desc="mapek", app_url="", storage_mode=PersistentStoreMode.MEMORY, http_redirects=False
)


def _build_common_settings(timeout: float) -> dict[str, Any]:
    return {"asset": _ASSET, "cto": timeout, "rto": timeout}


def _create_plugin(plugin_class: type[NotifyBase], **settings: Any) -> NotifyBase:
    """Return a plugin. Raises ConfigurationError without the text of the library, which may hold the settings."""
    try:
        return plugin_class(**settings)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"Apprise refused the settings of the target: {type(error).__name__}") from None


def _parse_address(address: str, schemes: tuple[str, ...]) -> Any:
    try:
        url = urlsplit(address)
        is_valid = url.scheme in schemes and bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        is_valid, url = False, urlsplit("")
    if not is_valid:
        raise ConfigurationError(f"the address must begin with {' or '.join(f'{s}://' for s in schemes)}host")
    return url


def _extract_secrets(address: str) -> tuple[str, ...]:
    return (address, *(unquote(part) for part in address.replace("@", "/").replace(":", "/").split("/") if part))


class _WarningCollector(logging.Handler):
    """Collects the warnings of Apprise on this thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.thread = threading.get_ident()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.thread:
            self.lines.append(record.getMessage())


def _send(plugin: Any, title: str, text: str, secrets: Iterable[str]) -> None:
    """Send, and raise a refusal with its reason and without secrets."""
    warnings_of_apprise = _WarningCollector()
    _LOG.addHandler(warnings_of_apprise)
    try:
        accepted = plugin.notify(body=text, title=title, notify_type=NotifyType.FAILURE)
    except Exception as error:  # a plugin may raise anything; its text may hold anything
        raise Unreachable(f"not sent: {type(error).__name__}") from None
    finally:
        _LOG.removeHandler(warnings_of_apprise)
    if accepted is not True:
        raise Unreachable(_redact("; ".join(warnings_of_apprise.lines) or "not accepted", secrets))


def _redact(text: str, secrets: Iterable[str]) -> str:
    for secret in sorted({s for s in secrets if len(s) > 3}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return truncate(text, 160)

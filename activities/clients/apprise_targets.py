"""Messages to people, through Apprise: one function for every kind of target.

Apprise blocks, so whoever calls this gives it a thread. What it reads of a reply is never used. Of all clients it is
the one that heeds the proxy variables of the environment: chat and paging services often cannot be reached otherwise.
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
    # Apprise loads a module of the standard library that is going away.
    warnings.simplefilter("ignore", DeprecationWarning)
    from apprise import Apprise, AppriseAsset, NotifyBase, NotifyFormat, PersistentStoreMode
    from apprise.plugins.custom_json import NotifyJSON
    from apprise.plugins.email.base import NotifyEmail

_LOG = logging.getLogger("apprise")
_LOG.propagate = False
for _logger in (_LOG, logging.getLogger("urllib3")):
    # Below this they tell addresses, which may be credentials; what Apprise warns of is taken up here.
    _logger.setLevel(logging.WARNING)
_APPRISE_FIELDS = ("version", "title", "message", "attachments", "type")
"""What Apprise would put into every JSON body."""


class Endpoint(NamedTuple):
    """Where a message goes: an address, how long it may take (seconds, to connect and again to answer)."""

    address: str
    timeout: float


def post_json(endpoint: Endpoint, body: dict[str, Any], token: str = "") -> None:
    """Post a JSON body, with a bearer token if there is one.

    Raises:
        ConfigurationError: the address cannot be one.
        Unreachable: it was not taken; nothing of address or token is in the message.
    """
    at = _parse_address(endpoint.address, ("http", "https"))
    plugin = _create_plugin(
        NotifyJSON,
        host=at.hostname,
        port=at.port,
        fullpath=(at.path or "/") + (f"?{at.query}" if at.query else ""),
        secure=at.scheme == "https",
        headers={"Authorization": f"Bearer {token}"} if token else {},
        payload={**dict.fromkeys(_APPRISE_FIELDS, ""), **body},
        **_build_common_settings(endpoint.timeout),
    )
    _send(plugin, "", "-", (endpoint.address, token))


class Mail(NamedTuple):
    """Who writes to whom, and who logs in (empty: nobody has to)."""

    sender: str
    recipients: tuple[str, ...]
    user: str = ""
    password: str = ""


def send_mail(endpoint: Endpoint, mail: Mail, title: str, text: str) -> None:
    """Send an e-mail in plain text, by smtps:// encrypted from the first byte, by smtp:// not.

    Raises:
        ConfigurationError: the address cannot be one, or that of sender or receivers.
        Unreachable: the server did not take it for everybody.
    """
    at = _parse_address(endpoint.address, ("smtp", "smtps"))
    plugin = _create_plugin(
        NotifyEmail,
        host=at.hostname,
        smtp_host=at.hostname,
        port=at.port or (465 if at.scheme == "smtps" else 25),
        secure=at.scheme == "smtps",
        secure_mode="ssl" if at.scheme == "smtps" else "insecure",
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

    Raises:
        ConfigurationError: Apprise does not know the address.
        Unreachable: it was not taken.
    """
    plugin = Apprise.instantiate(endpoint.address, asset=_ASSET, suppress_exceptions=True)
    if not isinstance(plugin, NotifyBase):
        raise ConfigurationError("the address is none that Apprise knows")
    plugin.socket_connect_timeout = plugin.socket_read_timeout = endpoint.timeout
    _send(plugin, title, text, _extract_secrets(endpoint.address))


_ASSET = AppriseAsset(
    app_id="mapek", app_desc="mapek", app_url="", storage_mode=PersistentStoreMode.MEMORY, http_redirects=False
)


def _build_common_settings(timeout: float) -> dict[str, Any]:
    return {"asset": _ASSET, "cto": timeout, "rto": timeout}


def _create_plugin(plugin_class: type[NotifyBase], **settings: Any) -> NotifyBase:
    """Return a plugin. Raises: ConfigurationError (the library does not take the settings; its text may hold them)."""
    try:
        return plugin_class(**settings)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the target's settings are refused: {type(error).__name__}") from None


def _parse_address(address: str, schemes: tuple[str, ...]) -> Any:
    try:
        at = urlsplit(address)
        valid = at.scheme in schemes and bool(at.hostname) and (at.port or 1) > 0
    except ValueError:
        valid, at = False, urlsplit("")
    if not valid:
        raise ConfigurationError(f"the address must begin with {' or '.join(f'{s}://' for s in schemes)}host")
    return at


def _extract_secrets(address: str) -> tuple[str, ...]:
    return (address, *(unquote(part) for part in address.replace("@", "/").replace(":", "/").split("/") if part))


class _WarningCollector(logging.Handler):
    """Collects what Apprise says on this thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.thread = threading.get_ident()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.thread:
            self.lines.append(record.getMessage())


def _send(plugin: Any, title: str, text: str, secrets: Iterable[str]) -> None:
    """Send, and turn a no into an error that says why without saying any secret."""
    said = _WarningCollector()
    _LOG.addHandler(said)
    try:
        taken = plugin.notify(body=text, title=title)
    except Exception as error:  # a plugin may raise anything; its text may hold anything
        raise Unreachable(f"not sent: {type(error).__name__}") from None
    finally:
        _LOG.removeHandler(said)
    if taken is not True:
        raise Unreachable(_redact("; ".join(said.lines) or "not taken", secrets))


def _redact(text: str, secrets: Iterable[str]) -> str:
    for secret in sorted({s for s in secrets if len(s) > 3}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return truncate(text, 160)

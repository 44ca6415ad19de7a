"""Secrets by file or environment, read when they are used: a rotated one is picked up, and none lies in a setting."""

from collections.abc import Callable, Mapping
from pathlib import Path

from activities.execute.settings import ExecuteSettings
from activities.model.errors import ConfigurationError
from activities.notify.settings import TargetSettings

MAX_SECRET_BYTES = 4096


def read_secret(path: Path) -> str:
    """Return the one line the file holds.

    Raises:
        ConfigurationError: it cannot be read, is empty, or holds something else than one line of visible ASCII.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}; a secret file holds one line") from None
    secret = raw.strip()
    if not secret or len(raw) > MAX_SECRET_BYTES or not all(0x21 <= byte <= 0x7E for byte in secret):
        raise ConfigurationError(f"{path}: must hold one line of visible ASCII, at most {MAX_SECRET_BYTES} bytes")
    return secret.decode("ascii")


def charter_token_reader(execute: ExecuteSettings) -> Callable[[], str]:
    """Return what gives Charter's bearer token at each call: the environment's, else the file's, else "" for none."""
    if execute.charter_api_key is not None:
        return execute.charter_api_key.get_secret_value
    return token_reader(execute.charter_api_key_file)


def token_reader(path: Path | None) -> Callable[[], str]:
    """Return what reads the token file at each call; without a file it gives ""."""
    return (lambda: read_secret(path)) if path is not None else str


def notify_variable_name(target_name: str, field: str) -> str:
    """Return the variable that holds a target's address or token: `MAPEK_NOTIFY_OPS_TOKEN`."""
    return f"MAPEK_NOTIFY_{target_name.upper().replace('-', '_')}_{field.upper()}"


def read_notify_secret(target: TargetSettings, field: str, environ: Mapping[str, str]) -> str:
    """Return a target's address or token: the environment's, else the file's, else the configured address, else "".

    Raises:
        ConfigurationError: the file cannot be read.
    """
    given = environ.get(notify_variable_name(target.name, field), "").strip()
    file = target.address_file if field == "address" else target.token_file
    if given or file is None:
        return given or (target.address if field == "address" else "")
    return read_secret(file)

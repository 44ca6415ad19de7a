"""Secrets from files or the environment. They are read at each use, so a new secret needs no restart."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import SecretStr

from activities.model.errors import ConfigurationError
from activities.notify.settings import TargetSettings

MAX_SECRET_BYTES = 4096


def read_secret(path: Path) -> str:
    """Return the secret in a file.

    Raises:
        ConfigurationError: the file cannot be read, or is not one line of visible ASCII.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read: {error.strerror}; write the secret into it as one line"
        ) from None
    secret = raw.strip()
    if not secret or len(raw) > MAX_SECRET_BYTES or not all(0x21 <= byte <= 0x7E for byte in secret):
        raise ConfigurationError(f"{path}: must contain one line of visible ASCII, at most {MAX_SECRET_BYTES} bytes")
    return secret.decode("ascii")


def token_reader(path: Path | None, value: SecretStr | None = None) -> Callable[[], str]:
    """Return a function that reads the token at each call: `value`, else the content of the file, else ""."""
    if value is not None:
        return value.get_secret_value
    return (lambda: read_secret(path)) if path is not None else str


def notify_variable_name(target_name: str, field: str) -> str:
    """Return the environment variable of a target's address or token, for example `MAPEK_NOTIFY_OPS_TOKEN`."""
    return f"MAPEK_NOTIFY_{target_name.upper().replace('-', '_')}_{field.upper()}"


def read_notify_secret(target: TargetSettings, field: str, environ: Mapping[str, str]) -> str:
    """Return the address or token of a notification target, "" if it has none.

    The first source that has it decides: the environment, the file, the settings.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    secret = environ.get(notify_variable_name(target.name, field), "").strip()
    file = target.address_file if field == "address" else target.token_file
    if secret or file is None:
        return secret or (target.address if field == "address" else "")
    return read_secret(file)

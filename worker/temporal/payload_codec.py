"""Encryption of the payloads at Temporal: arguments, results, summaries, and the texts of failures.

The cipher is AES-256-GCM with a new nonce per payload. The id of the key is stored in clear with the payload, so that
keys can be rotated: the first key of the file encrypts, every key decrypts. Workflow ids and search attributes stay in
clear.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec

from activities.model.errors import ConfigurationError, FinalError

ENCODING = b"binary/encrypted"
KEY_ID = "encryption-key-id"
NONCE_BYTES = 12
KEY_BYTES = 32
MAX_KEY_FILE_BYTES = 64 * 1024

_KEY_ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, repr=False)
class EncryptionKeys:
    """Keys by id; the key `current_id` encrypts."""

    current_id: str
    by_id: Mapping[str, AESGCM]


class EncryptionCodec(PayloadCodec):
    """A codec that encrypts every payload. Payloads in clear can still be read, so it can be enabled at any time."""

    def __init__(self, keys: EncryptionKeys) -> None:
        self._keys = keys

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the payloads encrypted with the current key."""
        return [self._encrypt(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the payloads in clear.

        Raises:
            FinalError: the key is unknown, or the payload was modified.
        """
        return [self._decrypt(payload) for payload in payloads]

    def _encrypt(self, payload: Payload) -> Payload:
        key, nonce = self._keys.current_id, os.urandom(NONCE_BYTES)
        sealed = self._keys.by_id[key].encrypt(nonce, payload.SerializeToString(), key.encode())
        return Payload(metadata={"encoding": ENCODING, KEY_ID: key.encode()}, data=nonce + sealed)

    def _decrypt(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING:
            return payload
        key_id = payload.metadata.get(KEY_ID, b"")
        key = self._keys.by_id.get(key_id.decode(errors="replace"))
        if key is None:
            raise FinalError(
                f"a payload is encrypted with key {key_id[:64]!r}, which is not in the key file; add the key"
            )
        try:
            clear = key.decrypt(payload.data[:NONCE_BYTES], payload.data[NONCE_BYTES:], key_id)
            return Payload.FromString(clear)
        except (InvalidTag, DecodeError, ValueError):
            raise FinalError(
                f"a payload encrypted with key {key_id.decode()!r} was modified or is incomplete"
            ) from None


def read_keys(path: Path) -> EncryptionKeys:
    """Return the keys of a file, one per line: `ID BASE64` with 32 bytes. # starts a comment.

    Raises:
        ConfigurationError: the file cannot be read, or a line is invalid. A message never contains a key.
    """
    try:
        raw = path.read_bytes()[: MAX_KEY_FILE_BYTES + 1]
        lines = [line.strip() for line in raw.decode("ascii").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot read the encryption keys: {type(error).__name__}") from None
    keys: dict[str, AESGCM] = {}
    for number, line in enumerate(lines, start=1):
        if line and not line.startswith("#"):
            name, key = _parse_key(path, number, line)
            if name in keys:
                raise ConfigurationError(f"{path}:{number}: key id {name} is given twice; keep one of them")
            keys[name] = key
    if not keys or len(raw) > MAX_KEY_FILE_BYTES:
        raise ConfigurationError(
            f"{path}: must contain at least one key, `ID BASE64` with 32 bytes, and at most 64 KiB"
        )
    return EncryptionKeys(current_id=next(iter(keys)), by_id=keys)


def build_data_converter(path: Path | None) -> DataConverter:
    """Return the data converter: it encrypts with the keys of the file, or leaves payloads in clear without a file.

    Raises:
        ConfigurationError: as in `read_keys`.
    """
    if path is None:
        return pydantic_data_converter
    return replace(
        pydantic_data_converter,
        payload_codec=EncryptionCodec(read_keys(path)),
        # The default failure converter leaves messages and stack traces in clear.
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


def _parse_key(path: Path, line_number: int, line: str) -> tuple[str, AESGCM]:
    name, _, encoded = line.partition(" ")
    try:
        key = base64.b64decode(encoded.strip(), validate=True)
    except binascii.Error:
        key = b""
    if not _KEY_ID_PATTERN.fullmatch(name) or len(key) != KEY_BYTES:
        raise ConfigurationError(
            f"{path}:{line_number}: must be `ID BASE64` with {KEY_BYTES} bytes; create one by `openssl rand -base64 32`"
        )
    return name, AESGCM(key)

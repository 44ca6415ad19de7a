"""An HTTP request and its response, as values."""

import email.utils
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from activities.model.errors import Rejected
from activities.model.types import encode_json, truncate
from activities.sanitize import sanitize_terminal

T = TypeVar("T")

DEFAULT_MAX_BYTES = 8 << 20
"""Maximum bytes of a response body, unless the request sets another limit."""
MAX_RETRY_AFTER_SECONDS = 3600.0
"""Limit of a `Retry-After`, so that a server cannot delay the loop for days."""


@dataclass(frozen=True)
class Request:
    """One request. `url` is absolute, `content` the exact bytes, `timeout` seconds for the whole exchange.

    Messages contain `name`, that is method and path, but no query, body or header.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = field(default=None, repr=False)
    timeout: float = 5.0
    max_bytes: int = DEFAULT_MAX_BYTES

    @property
    def name(self) -> str:
        """Method and path: `POST /api/v1/committee/scale`."""
        path = self.url.partition("://")[2].partition("/")[2].partition("?")[0]
        return f"{self.method} /{sanitize_terminal(truncate(path))}"

    @property
    def host(self) -> str:
        """Host and port, without user and password."""
        return sanitize_terminal(truncate(self.url.partition("://")[2].partition("/")[0].rpartition("@")[2]))


@dataclass(frozen=True)
class Response(Generic[T]):
    """A 2xx response: its parsed body and its headers."""

    value: T
    headers: Mapping[str, str]


def parse_response_date(headers: Mapping[str, str]) -> float | None:
    """Return the time of the response by the server's clock (its `Date`, whole unix seconds); None if unknown."""
    try:
        return email.utils.parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return None


def encode_body(value: object) -> bytes:
    """Return the JSON body of a request. Equal values have equal bytes, so that a repeat has the same bytes.

    Raises:
        Rejected: a number is NaN or infinite.
    """
    try:
        return encode_json(value, allow_nan=False)
    except ValueError as error:
        raise Rejected("the request body has a number that is NaN or infinite: JSON allows neither") from error


def parse_retry_after(header: str | None) -> float | None:
    """Return the seconds of a `Retry-After`, given as seconds or as an HTTP date; None if it is neither."""
    if header is None:
        return None
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", header.strip()):
        return min(float(header), MAX_RETRY_AFTER_SECONDS)
    try:
        delay = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(delay, 0.0), MAX_RETRY_AFTER_SECONDS)

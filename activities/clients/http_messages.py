"""One HTTP call and its reply, as values."""

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

MAX_BYTES = 8 << 20
"""Bytes of a reply's body, unless the request allows more."""
MAX_RETRY_AFTER_SECONDS = 3600.0
"""Seconds; a `Retry-After` beyond it is cut, so that the other side cannot park the loop for days."""


@dataclass(frozen=True)
class Request:
    """One call. `url` is absolute, `content` the exact bytes sent, `timeout` seconds for everything together.

    A message names the call by `name`, method and path; query, body and headers stay out of it.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = field(default=None, repr=False)
    timeout: float = 5.0
    max_bytes: int = MAX_BYTES

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
    """A 2xx reply: its body in the shape that was asked for, and its headers."""

    value: T
    headers: Mapping[str, str]


def parse_response_date(headers: Mapping[str, str]) -> float | None:
    """Return when the other side says it answered (its `Date`, whole unix seconds, rounded down); None if it does not.

    The one clock of the other side that every reply brings along.
    """
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
    """Return the seconds a `Retry-After` asks for, given as seconds or as an HTTP date; None if it is neither."""
    if header is None:
        return None
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", header.strip()):
        return min(float(header), MAX_RETRY_AFTER_SECONDS)
    try:
        delay = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(delay, 0.0), MAX_RETRY_AFTER_SECONDS)

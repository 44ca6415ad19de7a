"""Charter: its state, and the one method that changes it."""

import re
from collections.abc import Callable
from typing import Annotated, TypeVar

from pydantic import AwareDatetime, BeforeValidator, TypeAdapter

from activities.clients.http import HttpClient
from activities.clients.http_messages import Request, encode_body
from activities.model.charter import ChangeRequest, ChangeResult, CharterFinding, Committee, Policy
from activities.model.errors import ConfigurationError
from activities.sanitize import quote_path_segment

T = TypeVar("T")

_ISO_DATETIME = TypeAdapter(AwareDatetime)


def _parse_unix_time(text: object) -> float | None:
    return None if text is None else _ISO_DATETIME.validate_python(text).timestamp()


class _WireFinding(CharterFinding):
    """A finding as sent by Charter: times are ISO 8601 with an offset."""

    opened_at: Annotated[float, BeforeValidator(_parse_unix_time)]
    closed_at: Annotated[float | None, BeforeValidator(_parse_unix_time)] = None


_COMMITTEE = TypeAdapter(Committee)
_POLICIES = TypeAdapter(tuple[Policy, ...])
_FINDINGS = TypeAdapter(tuple[_WireFinding, ...])
_CHANGE_RESULT = TypeAdapter(ChangeResult)


class CharterClient:
    """One Charter. `timeout` is seconds for a read.

    `token` is called for every request, so that a rotated credential is used; an empty one is not sent.
    Every read raises: Unreachable, InvalidResponse, Overloaded, Unauthorized, Rejected, NotFound, ConfigurationError.
    """

    def __init__(self, http: HttpClient, url: str, token: Callable[[], str], timeout: float = 5.0) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._token = token
        self._timeout = timeout

    async def check_health(self) -> None:
        """Return if Charter reports that it is healthy."""
        await self._http.probe(Request("GET", f"{self._url}/health", timeout=self._timeout))

    async def fetch_committee(self) -> Committee:
        """Return the committee's state."""
        return await self._get("committee/state", {}, _COMMITTEE)

    async def fetch_policies(self, name: str | None = None, include_inactive: bool = False) -> tuple[Policy, ...]:
        """Return the active policies, only of the knob `name` if given; `include_inactive` adds former ones."""
        filters = {"status": "all" if include_inactive else "active"} | ({"name": name} if name is not None else {})
        return await self._get("policies", filters, _POLICIES)

    async def fetch_violations(self, since: float) -> tuple[CharterFinding, ...]:
        """Return the findings of Charter since `since` (unix seconds), also closed ones."""
        findings = await self._get("violations", {"since": f"{since:.3f}"}, _FINDINGS)
        return tuple(CharterFinding(**finding.model_dump()) for finding in findings)

    async def validate(self, policy: dict[str, object]) -> None:
        """Return if Charter would accept the policy; Rejected holds its reason. Changes nothing."""
        request = Request(
            "POST",
            f"{self._url}/api/v1/policies/validate",
            headers=self._build_headers() | {"Content-Type": "application/json"},
            content=encode_body(policy),
            timeout=self._timeout,
        )
        await self._http.probe(request)

    async def change(self, change_request: ChangeRequest) -> ChangeResult:
        """Send a change. `replayed` means that it was applied before, and that this is the stored response.

        Raises: Unreachable (never sent), Ambiguous (may be applied), Overloaded, InFlight (same key), Superseded,
            Stale (the knob has another generation), Unauthorized, Rejected, NotFound, ConfigurationError.
        """
        path = "/".join(quote_path_segment(part) for part in change_request.path.split("/"))
        headers = {
            "Idempotency-Key": change_request.key,
            "X-Plan-Hash": change_request.plan_hash,
            "If-Match": f'"{change_request.generation}"',
        }
        if change_request.body is not None:
            headers["Content-Type"] = "application/json"
        request = Request(
            "POST",
            f"{self._url}/api/v1/{path}",
            headers=self._build_headers() | headers,
            content=None if change_request.body is None else encode_body(change_request.body),
            timeout=change_request.timeout,
        )
        response = await self._http.change(request, _CHANGE_RESULT)
        replayed = response.headers.get("Idempotency-Replayed", "").lower() == "true"
        return response.value.model_copy(update={"replayed": replayed})

    async def _get(self, path: str, params: dict[str, str], schema: TypeAdapter[T]) -> T:
        url = f"{self._url}/api/v1/{path}"
        request = Request("GET", url, headers=self._build_headers(), params=params, timeout=self._timeout)
        return (await self._http.read(request, schema)).value

    def _build_headers(self) -> dict[str, str]:
        token = self._token().strip()
        if not token:
            return {}
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            # The HTTP library would show the credential in its error.
            raise ConfigurationError("invalid Charter credential: use printable ASCII without blanks")
        return {"Authorization": f"Bearer {token}"}

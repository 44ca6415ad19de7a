"""Errors of the API: one exception, rendered as `application/problem+json` (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"


class ProblemError(Exception):
    """An error response.

    `is_final` means that the change was decided: its reply is stored for the key. A retry after another error (token,
    generation, load) can succeed.
    """

    def __init__(self, status: int, detail: str, *, is_final: bool = False, **extensions: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.is_final = is_final
        self.headers: dict[str, str] = {}
        self.body: dict[str, Any] = {
            "type": f"urn:charter:problem:{HTTPStatus(status).phrase.lower().replace(' ', '-')}",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            **extensions,
        }

    def with_headers(self, **headers: str) -> "ProblemError":
        """Add response headers; underscores in the names become hyphens."""
        self.headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self


def bad_request(detail: str, errors: list[dict[str, str]] | None = None) -> ProblemError:
    """Return 400: the request cannot be parsed."""
    problem = ProblemError(400, detail)
    if errors:
        problem.body["errors"] = errors
    return problem


def unauthorized_problem() -> ProblemError:
    """Return 401: the bearer token is missing or wrong."""
    return ProblemError(401, "A valid bearer token is required.").with_headers(WWW_Authenticate="Bearer")


def not_found(detail: str) -> ProblemError:
    """Return 404, also for a retry."""
    return ProblemError(404, detail, is_final=True)


def newer_change_exists(detail: str) -> ProblemError:
    """Return 409: a later change is in force on the knob."""
    return ProblemError(409, detail, is_final=True)


def key_in_flight() -> ProblemError:
    """Return 409 with Retry-After: the first request with this key is in flight."""
    return ProblemError(409, "The first request with this key is still in flight.").with_headers(Retry_After="1")


def generation_mismatch(knob: str, generation: int) -> ProblemError:
    """Return 412 with the knob's current generation: another writer has changed it."""
    detail = f"{knob} is at generation {generation}."
    problem = ProblemError(412, detail, knob=knob, generation=generation)
    return problem.with_headers(ETag=f'"{generation}"')


def validation_failed(errors: list[dict[str, str]]) -> ProblemError:
    """Return 422: the body is invalid; `errors` have JSON pointers into it."""
    detail = "; ".join(f"{error['pointer'] or '/'}: {error['detail']}" for error in errors)
    return ProblemError(422, detail, is_final=True, errors=errors)


def key_conflict() -> ProblemError:
    """Return 422: the key belongs to another request."""
    return ProblemError(422, "This Idempotency-Key was used for another request.")


def too_many_requests(seconds: int) -> ProblemError:
    """Return 429 with Retry-After."""
    return ProblemError(429, "Too many requests.").with_headers(Retry_After=str(seconds))


def service_unavailable(seconds: int) -> ProblemError:
    """Return 503 with Retry-After."""
    return ProblemError(503, "Charter is overloaded.").with_headers(Retry_After=str(seconds))


def render_problem(problem: ProblemError) -> JSONResponse:
    """Return the response as problem+json."""
    return JSONResponse(problem.body, problem.status, problem.headers, PROBLEM_MEDIA_TYPE)


async def handle_problem(_request: Request, error: Exception) -> JSONResponse:
    """Handle a `ProblemError` of the application."""
    assert isinstance(error, ProblemError)
    return render_problem(error)


async def handle_http_error(_request: Request, error: Exception) -> JSONResponse:
    """Handle an error of the framework (unknown path, wrong method)."""
    status = getattr(error, "status_code", 500)
    headers: Mapping[str, str] = getattr(error, "headers", None) or {}
    problem = ProblemError(status, HTTPStatus(status).description or HTTPStatus(status).phrase)
    problem.headers |= headers
    return render_problem(problem)

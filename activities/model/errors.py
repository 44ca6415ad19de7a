"""The error family. The class says whether a retry can help; a handler needs nothing else.

MapekError
├── RetryableError              the same call may succeed later
│   ├── Unreachable             refused, unknown host, TLS, timeout of a read: nothing was changed
│   ├── Ambiguous               a change was sent and no readable reply came: it may have been made
│   ├── Overloaded              429 or 503, with the delay that the remote requests
│   ├── InFlight                409: the remote still processes this idempotency key
│   ├── InvalidResponse         the reply is not as the contract says
│   ├── ClockSkew               the remote's clock and the requested instant are too far apart
│   └── StoreUnavailable        the knowledge store cannot be read or written
└── FinalError                  the same call can never succeed
    ├── Unauthorized            401 or 403: wrong or missing credential
    ├── Rejected                400 or 422: the remote refuses the content
    ├── NotFound                404: no such policy, plan, member or path
    ├── Superseded              409: not the newest change on its knob
    ├── Stale                   412: the knob moved since it was observed
    │   └── Blocked             a guard refuses the plan now, and allowed it when it was made
    ├── KillSwitchActive        the kill switch forbids the change
    └── ConfigurationError      the configuration cannot be used

Foreign errors are mapped where they occur: `clients/http.py` for HTTP, `clients/store/engine.py` for the database.
`worker/temporal/interceptor.py` maps this family to Temporal's errors.
"""


class MapekError(Exception):
    """Root of the family. Messages never contain a credential, a header or a whole body.

    `status` is the HTTP status of the reply, None without one.
    """

    status: int | None = None


class RetryableError(MapekError):
    """The same call may succeed later. `retry_after` is the requested delay in seconds, None if unknown."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unreachable(RetryableError):
    """The remote did not get the request; a change was never sent."""


class Ambiguous(RetryableError):
    """A change was sent, and no readable reply came. Only reading back shows whether it was made."""


class Overloaded(RetryableError):
    """429 or 503."""


class InFlight(RetryableError):
    """409: the remote still processes this idempotency key."""


class InvalidResponse(RetryableError):
    """The reply is too large, too slow, not JSON or not as the contract says."""


class ClockSkew(RetryableError):
    """The requested instant is not the present of the remote: a clock is wrong, or the request came too late."""


class StoreUnavailable(RetryableError):
    """The knowledge store is locked, full, missing or corrupt."""


class FinalError(MapekError):
    """The same call can never succeed."""


class Unauthorized(FinalError):
    """401 or 403."""


class Rejected(FinalError):
    """400 or 422: the remote refuses the content."""


class NotFound(FinalError):
    """404."""


class Superseded(FinalError):
    """409: a newer change is in force on the knob."""


class Stale(FinalError):
    """412: the generation of the knob is not the one that fences the change."""

    def __init__(self, message: str, generation: int | None = None) -> None:
        super().__init__(message)
        self.generation = generation


class Blocked(Stale):
    """A guard refuses the plan now. `rule` is the guard's rule, `loop` the plan's loop; the message has the numbers."""

    def __init__(self, message: str, rule: str, loop: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.loop = loop


class KillSwitchActive(FinalError):
    """The kill switch forbids the change; the message names its source."""


class ConfigurationError(FinalError):
    """The configuration cannot be used; the message names the place and the fix."""

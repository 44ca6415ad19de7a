"""The error family. The class says whether a retry can help; nothing else has to be known to handle one.

MapekError
├── RetryableError              the same call may succeed later
│   ├── Unreachable             refused, unknown host, TLS, time-out of a read: nothing was changed
│   ├── Ambiguous               a change was sent and no readable reply came: it may have been done
│   ├── Overloaded              429 or 503, with the delay the other side asked for
│   ├── InFlight                409: the same idempotency key is being worked on
│   ├── Unreadable              a reply to a read that is not what the contract says
│   ├── Untimely                the remote's clock and the instant asked about are too far apart
│   └── StoreUnavailable        the knowledge store cannot be asked or written
└── FinalError                  the same call can never succeed
    ├── Unauthorized            401 or 403: wrong or missing credential
    ├── Rejected                400 or 422: the other side refuses the content
    ├── NotFound                404: no such policy, plan, member or path
    ├── Superseded              409: not the newest change on its knob
    ├── Stale                   412: the knob moved since it was observed
    │   └── Blocked             a guard refuses now what it allowed when the plan was made
    ├── Forbidden               a person forbids it: the kill switch is thrown
    └── ConfigurationError      the configuration cannot be used as it is

Foreign errors are mapped where they arise: `clients/http.py` for HTTP, `clients/store/engine.py` for the
database, and `worker/temporal/interceptor.py` turns this family into what Temporal understands.
"""


class MapekError(Exception):
    """Root of the family. Messages never hold a credential, a header or a whole body.

    `status` is the HTTP status of the reply that said so, None if there was none.
    """

    status: int | None = None


class RetryableError(MapekError):
    """The same call may succeed later. `retry_after` is the wanted delay in seconds, None if unknown."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unreachable(RetryableError):
    """The remote could not be asked; if it was a change, it was never sent."""


class Ambiguous(RetryableError):
    """A change was sent and no readable reply came. Only reading back tells whether it was done."""


class Overloaded(RetryableError):
    """429 or 503."""


class InFlight(RetryableError):
    """409 for a key that the other side is still working on."""


class InvalidResponse(RetryableError):
    """A reply that is too large, too slow, not JSON or not what the contract says."""


class ClockSkew(RetryableError):
    """What was asked about is not the present of the remote: a clock is wrong, or the question came too late."""


class StoreUnavailable(RetryableError):
    """The knowledge store is locked, full, missing or corrupt."""


class FinalError(MapekError):
    """The same call can never succeed."""


class Unauthorized(FinalError):
    """401 or 403."""


class Rejected(FinalError):
    """400 or 422: content refused by the other side."""


class NotFound(FinalError):
    """404."""


class Superseded(FinalError):
    """409: a newer change stands on the knob."""


class Stale(FinalError):
    """412: the knob's generation is not the one the change was fenced with."""

    def __init__(self, message: str, generation: int | None = None) -> None:
        super().__init__(message)
        self.generation = generation


class Blocked(Stale):
    """A guard refuses it now. `rule` is its name, `loop` whose plan it is; the message has the numbers."""

    def __init__(self, message: str, rule: str, loop: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.loop = loop


class KillSwitchActive(FinalError):
    """A person forbids it; the message says by what."""


class ConfigurationError(FinalError):
    """The configuration cannot be used; the message says where and what would be right."""

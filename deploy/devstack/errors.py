"""Why a stack did not come up or did not stay up.

LocalError
├── UsageError      wrong option, setting or config; a person has to change it (exit code 2)
├── BinaryMissing   no way to get a server's binary worked
└── PartFailed      a part did not start, or ended by itself
"""


class DevStackError(Exception):
    """Anything this room reports to a person as one message; `exit_code` is the process's.

    `said` is true if the message was shown when it happened, so that it need not be shown again.
    """

    exit_code = 1

    def __init__(self, message: str, already_shown: bool = False) -> None:
        super().__init__(message)
        self.already_shown = already_shown


class UsageError(DevStackError):
    """An option, an environment variable or a config that cannot be meant."""

    exit_code = 2


class BinaryMissing(DevStackError):
    """A server's binary was found nowhere and could not be installed."""


class ServiceFailed(DevStackError):
    """A part of the stack did not become ready in time, or ended without being asked to."""

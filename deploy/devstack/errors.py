"""The errors of the embedded stack.

DevStackError
├── UsageError      an option, environment variable or configuration is invalid (exit code 2)
├── BinaryMissing   a server's binary could not be installed
└── ServiceFailed   a service did not become ready, or ended unexpectedly
"""


class DevStackError(Exception):
    """An error with a message for the operator.

    `exit_code` is the exit code of the process. `already_shown` is true if the message was printed when it happened.
    """

    exit_code = 1

    def __init__(self, message: str, already_shown: bool = False) -> None:
        super().__init__(message)
        self.already_shown = already_shown


class UsageError(DevStackError):
    """An option, environment variable or configuration is invalid."""

    exit_code = 2


class BinaryMissing(DevStackError):
    """A server's binary was not found and could not be installed."""


class ServiceFailed(DevStackError):
    """A service did not become ready in time, or ended unexpectedly."""

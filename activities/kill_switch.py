"""The global kill switch: a file or an environment variable, checked before every change."""

import os
from collections.abc import Mapping
from pathlib import Path

from activities.model.types import truncate
from activities.sanitize import sanitize_terminal

ENV_VARIABLE = "MAPEK_KILL_SWITCH"
"""Active for the lifetime of the process if the value at its start is not empty, 0, false, no or off."""
FALSY = frozenset({"", "0", "false", "no", "off"})
MAX_REASON_BYTES = 200
"""Bytes read of the file, which may name an actor and a reason."""


class KillSwitch:
    """No new change is made at any Charter while `file` exists or the variable is set. Undoing stays allowed."""

    def __init__(self, file: Path, environ: Mapping[str, str]) -> None:
        self.file = file
        self._variable = environ.get(ENV_VARIABLE, "").strip()

    def __call__(self) -> str:
        """Return the source of an active kill switch with the reason in the file; empty if it is inactive.

        If it is unknown whether the file exists, the kill switch counts as active: it must prevent changes in doubt.
        """
        if self._variable.lower() not in FALSY:
            return f"kill switch: environment {ENV_VARIABLE}"
        try:
            with open(self.file, "rb", opener=_open_nonblocking) as file:
                reason = file.read(MAX_REASON_BYTES).decode(errors="replace").strip()
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"kill switch: {self.file} ({error.strerror})"
        return truncate(sanitize_terminal(f"kill switch: {self.file}" + (f": {reason}" if reason else "")))


def _open_nonblocking(path: str, flags: int) -> int:
    # A pipe of this name would block the reader forever.
    return os.open(path, flags | os.O_NONBLOCK)

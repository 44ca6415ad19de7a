"""The global kill switch: a file or a variable of the environment, looked at before every change."""

import os
from collections.abc import Mapping
from pathlib import Path

from activities.model.types import truncate
from activities.sanitize import sanitize_terminal

ENV_VARIABLE = "MAPEK_KILL_SWITCH"
"""Set to anything but nothing, 0, false, no or off when the process starts: nothing is changed as long as it lives."""
FALSY = frozenset({"", "0", "false", "no", "off"})
MAX_REASON_BYTES = 200
"""Of the file, which may say who threw the switch and why."""


class KillSwitch:
    """Nothing new is done at any Charter while `file` exists or the variable is set. What was done may be undone."""

    def __init__(self, file: Path, environ: Mapping[str, str]) -> None:
        self.file = file
        self._variable = environ.get(ENV_VARIABLE, "").strip()

    def __call__(self) -> str:
        """Return what throws the switch, with the reason the file gives; empty if it is not thrown.

        A file of which it cannot be told whether it exists counts as there: acting on doubt is what it prevents.
        """
        if self._variable.lower() not in FALSY:
            return f"kill switch: environment {ENV_VARIABLE}"
        try:
            with open(self.file, "rb", opener=_open_nonblocking) as file:
                said = file.read(MAX_REASON_BYTES).decode(errors="replace").strip()
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"kill switch: {self.file} ({error.strerror})"
        return truncate(sanitize_terminal(f"kill switch: {self.file}" + (f": {said}" if said else "")))


def _open_nonblocking(path: str, flags: int) -> int:
    # A pipe under this name would hold the reader for ever.
    return os.open(path, flags | os.O_NONBLOCK)

"""Replaces itself by a command that dies with its parent: `python launch.py PARENT_PID [--as UID] COMMAND...`.

This is a separate program, not a `preexec_fn`: Python code between fork and exec can deadlock if the process has other
threads. The Temporal client starts several.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    """Request SIGKILL from the kernel for the parent's death, then replace this process by the command."""
    parent, command = int(argv[1]), argv[2:]
    if command[0] == "--as":
        user, command = int(command[1]), command[2:]
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)  # before prctl: a change of user clears the request
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        # The parent died before the request, so the signal will not come.
        raise SystemExit(128 + signal.SIGKILL)
    os.umask(0o077)  # only the owner can read the command's files
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv)

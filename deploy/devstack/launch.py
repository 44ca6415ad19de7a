"""Becomes a command that dies with the process that started it: `python launch.py PARENT_PID [--as UID] COMMAND...`.

A program of its own and not a `preexec_fn`, because Python code between fork and exec can deadlock beside other
threads (the Temporal client brings several), and newer Pythons warn of it.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    """Ask the kernel for SIGKILL when the parent is gone, then replace this process by the command."""
    parent, command = int(argv[1]), argv[2:]
    if command[0] == "--as":
        user, command = int(command[1]), command[2:]
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)  # before the next step: a change of user takes the kernel's promise back
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        # It died before the kernel was asked, so the signal will never come.
        raise SystemExit(128 + signal.SIGKILL)
    os.umask(0o077)  # whatever it writes is its owner's only
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv)

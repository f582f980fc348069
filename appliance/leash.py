"""Runs a command that ends with its parent: `python leash.py PARENT-PID PROGRAM ARGUMENT...`.

The command takes the place of this process and keeps its id. When the parent ends, however that happens, the kernel
sends it SIGTERM, so that it can end in order. Only for Linux, and only the standard library: it runs isolated.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Tie this process to its parent and become the command; raise SystemExit if the parent has ended already."""
    parent, command = int(arguments[0]), arguments[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:  # it ended before we asked to be told
        raise SystemExit(1)
    os.execvp(command[0], command)  # noqa: S606 - the supervisor's own command, no shell


if __name__ == "__main__":
    main(sys.argv[1:])

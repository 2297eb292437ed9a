"""Becomes another program that is killed when whoever started it dies, however that happens: `launcher.py PARENT PROGRAM ARGUMENT...`.

A program of its own, because code between fork and exec is not safe in a process with threads. Only Linux tells a child of its parent's death;
elsewhere a killed test run leaves its servers behind.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask for the signal, make sure that it was not too late to ask, and become the program."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit(f"launcher: prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != int(parent):
        sys.exit("launcher: the process that asked for this is gone")
    os.execv(command[0], command)


if __name__ == "__main__":
    main()

"""What a process does before it holds plain text: no core dump, no other process may look into it, and files that it makes are its own."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def harden() -> None:
    """Switch off core dumps, tracing by other processes of the same user (Linux), and access of others to new files.

    What the system refuses is left as it is: a container may have taken the right away, and has then set the limits itself.
    """
    os.umask(0o077)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)

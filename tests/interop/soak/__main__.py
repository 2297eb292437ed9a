"""`python -m tests.interop.soak`: run, show progress, print a table, and end with 1 when something grew."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import yaml

from tests.interop import programs
from tests.interop.peers import apiserver
from tests.interop.soak.run import soak

NEEDED = ("etcd", "kube-apiserver")
PROGRESS = 60.0
"""Seconds between two lines of progress."""


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, metavar="N", help="how long (30)")
    given = parser.parse_args()
    lacking = [name for name in NEEDED if programs.find(name) is None]
    definitions = programs.find_folder("source-controller", "crds")
    if lacking or definitions is None:
        print(f"soak: not built: {', '.join(lacking) or 'source-controller'} (python -m tests.interop.programs)", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers, sidecars and what lies in memory go
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="secrettool-soak-")))
        (folder / "servers").mkdir()
        needed = apiserver.Programs(*(found for name in NEEDED if (found := programs.find(name)) is not None))
        kinds = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(definitions.glob("*.yaml"))]
        api = stack.enter_context(apiserver.running_api_server(needed, folder / "servers", kinds, {"PATH": os.environ["PATH"]}))
        outcome = soak(api, folder, seconds=given.minutes * 60, tell=_progress())
    print(outcome.text())
    return 1 if outcome.complaints else 0


def _progress() -> Callable[[str], None]:
    last = time.monotonic()

    def tell(text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= PROGRESS:
            last = time.monotonic()
            print(text, flush=True)

    return tell


if __name__ == "__main__":
    sys.exit(main())

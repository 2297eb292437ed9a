"""A process with the modules of secrettool loaded that forks a child for each command line. Run as a program; `running.forked` talks to it.

It has one thread, so forking is safe, which it is not in the processes of pytest-xdist. A request is a line of JSON on stdin: `words`, `cwd`, `env`,
and the paths `stdin`, `stdout`, `stderr`. The answer is a line with the exit code.
"""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from collections.abc import Mapping
from typing import Any

import secrettool.cli.batch
import secrettool.cli.decrypt
import secrettool.cli.encrypt
import secrettool.cli.legacy
import secrettool.cluster.folder
import secrettool.keys.age
import secrettool.patcher.loading
import secrettool.patcher.report
import secrettool.patcher.run
import secrettool.stores.ini
import secrettool.stores.json
import secrettool.stores.yaml  # noqa: F401
from secrettool.__main__ import main

LOST = 99  # exit code of a child whose main raised: no command line may do that


def run(request: Mapping[str, Any]) -> int:
    """Run a command line in this process, with the streams, folder and environment of the request."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = os.open(request[name], os.O_RDONLY if number == 0 else os.O_WRONLY)
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(number, mode, closefd=False), "utf-8") for number, mode in enumerate("rww"))
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    try:
        return main(request["words"])
    except Exception:
        traceback.print_exc()
        return LOST


def serve() -> int:
    """Answer requests until stdin ends; in a child, the exit code of its command line."""
    requests = io.FileIO(0, closefd=False)
    while line := requests.readline():
        child = os.fork()
        if child == 0:
            return run(json.loads(line))
        _, status = os.waitpid(child, 0)
        os.write(1, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    return 0


if __name__ == "__main__":
    sys.exit(serve())

"""Forks a child for each command line and kills it at a chosen moment. Run as a program; `Server` of `tests.interop.test_kill` talks to it.

Forking a process that has the modules already makes a run short, so that hundreds of moments can be tried. A request is a line of JSON on stdin: what
`tests.cli.forkserver.run` needs, and one of

- `after`: seconds from the start of the child, or with `writing` from the moment when it opens its temporary file;
- `call`: the number of a call into the system that `fs.read` or `fs.replace` makes, counted from 0, with `side`: `before`, `within` (half of what
  it shall write is written) or `after`;
- neither: the child runs to its end.

The answer is a line of JSON: `code` (negative: ended by that signal), `seconds` (the whole run), `writing` (seconds from the opening of the temporary
file to its renaming, or null), and where no moment was chosen `calls` (names of the calls) and `changed` (paths opened for writing, made or renamed).
"""

from __future__ import annotations

import io
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import secrettool.cli.encrypt
import secrettool.cli.rotate
import secrettool.cli.set_value  # noqa: F401
from secrettool import fs
from tests.cli.forkserver import run

WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGING: Final = frozenset({"open", "os.mkdir", "os.link", "os.symlink", "os.rename"})
LIMIT: Final = 60.0  # seconds; one child


class Tripwire:
    """Stands for the module `os` inside the modules of `secrettool.fs` and kills this process around one of the calls.

    Args:
        call: Number of the call; None to note the names of all.
        side: `before`, `within` or `after`.
        note: Takes the name of each call.
    """

    def __init__(self, call: int | None, side: str, note: Callable[[str], None]) -> None:
        self._left = -1 if call is None else call
        self._side = side
        self._note = note

    def __getattr__(self, name: str) -> Any:
        found = getattr(os, name)
        if not callable(found) or isinstance(found, type):
            return found

        def call(*args: Any) -> Any:
            self._note(name)
            here, self._left = self._left == 0, self._left - 1
            if here and self._side == "before":
                die()
            if here and self._side == "within" and name == "write":
                os.write(args[0], args[1][: len(args[1]) // 2])
                die()
            result = found(*args)
            if here:
                die()
            return result

        return call


def die() -> None:
    """End this process as SIGKILL does from outside."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(LIMIT)


def child(request: Mapping[str, Any], news: int) -> int:
    """Run the command line; `news` is a pipe that takes lines: `EVENT at TIME` for the temporary file, `call NAME`, `path NAME`."""

    def tell(text: str) -> None:
        os.write(news, text.encode("utf-8", "surrogateescape") + b"\n")

    unhindered = request.get("after") is None and request.get("call") is None

    def hook(event: str, args: tuple[Any, ...]) -> None:
        path = os.fsdecode(args[0]) if event in CHANGING and isinstance(args[0], str | bytes) else None
        if path is None or (event == "open" and not args[2] & WRITING):
            return
        if fs.is_temporary(path):
            tell(f"{event} at {time.monotonic()}")
        if unhindered:
            tell(f"path {os.path.abspath(path)}")

    sys.addaudithook(hook)
    if request.get("after") is None:
        note = (lambda name: tell(f"call {name}")) if unhindered else (lambda name: None)
        wire = Tripwire(request.get("call"), request.get("side", ""), note)
        for function in (fs.read, fs.replace):
            vars(sys.modules[function.__module__])["os"] = wire
    return run(request)


def watched(pid: int, news: int, request: Mapping[str, Any]) -> dict[str, Any]:
    """Wait for the child, kill it when its moment has come, and say how it ended."""
    started = time.monotonic()
    moment = LIMIT if request.get("after") is None or request.get("writing") else request["after"]
    heard = b""
    while select.select([news], [], [], max(0.0, started + moment - time.monotonic()))[0]:
        part = os.read(news, 1 << 16)
        if not part:
            break
        if request.get("writing") and b"open at" in part:
            moment = time.monotonic() - started + request["after"]
        heard += part
    else:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    lines = heard.decode("utf-8", "surrogateescape").splitlines()
    events = dict(line.split(" at ") for line in lines if " at " in line and not line.startswith("path "))
    return {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": time.monotonic() - started,
        "writing": float(events["os.rename"]) - float(events["open"]) if "os.rename" in events else None,
        "calls": [line.removeprefix("call ") for line in lines if line.startswith("call ")],
        "changed": [line.removeprefix("path ") for line in lines if line.startswith("path ")],
    }


def serve() -> int:
    """Answer requests until stdin ends; in a child, the exit code of its command line."""
    requests = io.FileIO(0, closefd=False)
    while line := requests.readline():
        request = json.loads(line)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            return child(request, writing)
        os.close(writing)
        os.write(1, json.dumps(watched(pid, reading, request)).encode() + b"\n")
        os.close(reading)
    return 0


if __name__ == "__main__":
    sys.exit(serve())

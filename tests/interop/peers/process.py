"""Servers that live as long as the tests that use them and no longer, with a log each.

A server has its own process group, so that Ctrl-C reaches the tests only and they stop it in their own time, with all its children. Its data is
thrown away, so it is simply killed; when the tests themselves are killed, the kernel kills it too (`launcher`).
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

from tests.waiting import NotInTime, wait_for

LOOPBACK = "127.0.0.1"
PORTS = range(20000, 32768)
"""Below the ports that Linux gives to outgoing connections, which might take one between our choice and the server's start."""
LAUNCHER = Path(__file__).with_name("launcher.py")
PAUSE = 0.05
"""Seconds between two looks at something that is waited for."""
TAIL = 12
"""Lines of a log that a message shows."""


class ServerFailed(Exception):
    """A server ended or did not become ready; the text holds the end of its log."""


class Server:
    """A running program and its log.

    Attributes:
        name: What messages call it.
        log: File that has its output.
        process: The process, leader of a group of its own.
    """

    def __init__(self, name: str, command: Sequence[str | Path], log: Path, environ: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        self._arguments = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), *map(str, command)]
        self.process = self._started(environ, "wb")

    def _started(self, environ: Mapping[str, str], mode: str) -> subprocess.Popen[bytes]:
        with self.log.open(mode) as output:
            environ = dict(environ)
            folder = self.log.parent
            return subprocess.Popen(
                self._arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder, env=environ, start_new_session=True
            )

    def restart(self, environ: Mapping[str, str]) -> None:
        """Start it again, after `kill`."""
        self.process = self._started(environ, "ab")

    def kill(self) -> None:
        """End it and all processes of its group, at once."""
        with suppress(ProcessLookupError):  # all of them ended by themselves
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def tail(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-TAIL:])


RUNNING: list[Server] = []
"""The servers of this process, in the order of their start."""


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nothing listens on, each another one."""
    found: set[int] = set()
    while len(found) < count:
        port = random.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOOPBACK, port))
            found.add(port)
    return list(found)


def fetched(port: int, path: str) -> bytes:
    """What a server on loopback has at a path, by HTTP without TLS.

    Raises:
        OSError: It does not answer, or not with 200.
    """
    connection = HTTPConnection(LOOPBACK, port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status != HTTPStatus.OK:
        raise OSError(f"{path}: {answer.status} {answer.reason}")
    return content


def answers(port: int, path: str) -> bool:
    """Whether a server on loopback answers a path with 200."""
    try:
        fetched(port, path)
    except OSError:
        return False
    return True


@contextmanager
def serving(
    name: str, command: Sequence[str | Path], *, log: Path, environ: Mapping[str, str], ready: Callable[[], bool], seconds: float = 60
) -> Iterator[Server]:
    """Run a server, from the moment that it is ready to the end of the block.

    Args:
        name: What messages call it.
        command: The program's path and its arguments.
        log: File for its output; its folder is the working folder.
        environ: Its whole environment.
        ready: Whether it answers; asked often, an `OSError` means no.
        seconds: How long that may take.

    Raises:
        ServerFailed: It ended, or was not ready in time.
    """
    server = Server(name, command, log, environ)
    RUNNING.append(server)

    def settled() -> bool:
        if server.process.poll() is not None:
            raise ServerFailed(f"{name} ended with status {server.process.returncode} before it was ready; {log} ends with\n{server.tail()}")
        with suppress(OSError):
            return ready()
        return False

    try:
        try:
            wait_for(settled, seconds=seconds, pause=PAUSE)
        except NotInTime:
            raise ServerFailed(f"{name} was not ready after {seconds:g} s; {log} ends with\n{server.tail()}") from None
        yield server
    finally:
        RUNNING.remove(server)
        server.kill()


@contextmanager
def workspace(folder: Path, failures: Callable[[], int]) -> Iterator[Path]:
    """A folder for servers that is removed afterwards, but for its logs when a test failed meanwhile.

    Args:
        folder: An empty folder. Logs are the files `*.log` in it.
        failures: How many tests have failed so far.
    """
    before = failures()
    try:
        yield folder
    finally:
        if failures() == before:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            for inner in folder.iterdir():
                if inner.is_dir():
                    shutil.rmtree(inner, ignore_errors=True)
                elif inner.suffix != ".log":
                    inner.unlink()

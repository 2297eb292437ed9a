"""Running a shell command for `exec-env` and `exec-file`: as which user, in the background or not, with which signals and exit status.

Source: sops 3.13 cmd/sops/subcommand/exec (exec.go, exec_unix.go).
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

import click

from secrettool.cli import output
from secrettool.cli.options import F
from secrettool.errors import ExitCode, SecrettoolError, UsageError

SHELL = "/bin/sh"
FORWARDED = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2") if hasattr(signal, name))
FROM_KEYBOARD = frozenset({signal.SIGINT, signal.SIGQUIT})
KILLED = 255  # exit status of the reference when a signal ended the command

Environment = dict[bytes, bytes]


def command_options(function: F) -> F:
    """Arguments `file` and `shell_command`, and the options that both commands have."""
    for decorator in (
        click.option("--background", is_flag=True, help="Do not wait for the command; its input and output are closed. Deprecated in sops."),
        click.option("--user", default="", metavar="NAME", help="Run the command as this user; needs the rights to change to it."),
        click.argument("shell_command", metavar="COMMAND", required=False),
        click.argument("file", type=click.Path(), required=False),
    ):
        function = decorator(function)
    return function


def check_arguments(ctx: click.Context, file: str | None, shell_command: str | None) -> tuple[str, str]:
    """The file and the command.

    Raises:
        UsageError: There are not exactly two arguments.
    """
    if file is None or shell_command is None or ctx.args:
        raise UsageError("error: missing file to decrypt", hint=f"secrettool {ctx.info_name} FILE 'COMMAND': put the command into quotes")
    return file, shell_command


def warn_of_background(name: str | None, given: Mapping[str, Any]) -> None:
    """Say that `--background` will go."""
    if given["background"]:
        output.warning(f"{name}'s --background option is deprecated in sops; let the shell or a service manager run the command in the background")


def switch_user(name: str) -> Environment:
    """Become another user for good: user, group and all groups.

    Returns:
        The variables that tell the command who it is.

    Raises:
        SecrettoolError: There is no such user, or changing to it is not permitted.
    """
    try:
        user = pwd.getpwnam(name)
        os.setgroups(os.getgrouplist(user.pw_name, user.pw_gid))
        os.setregid(user.pw_gid, user.pw_gid)
        os.setreuid(user.pw_uid, user.pw_uid)
    except KeyError:
        raise SecrettoolError(f"user: unknown user {name}") from None
    except OSError as error:
        raise SecrettoolError(f"cannot change to user {name}: {(error.strerror or 'refused').lower()}", hint="run it as root") from error
    texts = {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}
    return {os.fsencode(key): os.fsencode(text) for key, text in texts.items()}


def go_to_background() -> bool:
    """Let a copy of this process go on without terminal, input and output.

    Returns:
        True in the copy; False in the process that was started, which has nothing left to do.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork():
        return False
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)
    return True


def become_command(command: str, env: Environment) -> NoReturn:
    """Replace this process by a shell that runs the command.

    Raises:
        OSError: It cannot be started.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    for name in ("SIGPIPE", "SIGXFSZ"):  # Python ignores them, and what is ignored stays ignored in the command
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    os.execve(SHELL, [SHELL, "-c", command], env)  # noqa: S606 (it is the shell)


def run_command(command: str, env: Environment) -> int:
    """Run a command in a shell and wait for it; signals that this process gets go to the command.

    Returns:
        Its exit status; 255 when a signal ended it, or 128 and the number of the signal when it was one that was passed on.

    Raises:
        OSError: It cannot be started.
    """
    relay = _Relay()
    with relay.listening():
        child = subprocess.Popen([SHELL, "-c", command], env=env)
        relay.serve(child)
        status = child.wait()
    if status >= 0:
        if status:
            output.note(f"exit status {status}")
        return status
    output.note(f"signal: the command was ended by {signal.Signals(-status).name}")
    return 128 - status if -status in relay.passed_on else KILLED


class _Relay:
    """Passes signals on to a process."""

    def __init__(self) -> None:
        self.passed_on: list[int] = []
        self._child: subprocess.Popen[bytes] | None = None

    def serve(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        for number in self.passed_on:
            child.send_signal(number)

    @contextmanager
    def listening(self) -> Iterator[None]:
        former: dict[int, Any] = {}
        try:
            for number in FORWARDED:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    former[number] = signal.signal(number, self._take)
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        # What is typed at the terminal goes to the command by itself; a second one makes many programs drop everything.
        if number in FROM_KEYBOARD and _in_foreground():
            return
        self.passed_on.append(number)
        if self._child is not None:
            self._child.send_signal(number)


def _in_foreground() -> bool:
    """Whether the terminal sends its signals to this process, and so to the command too, which is in the same group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def conflicting(text: str) -> UsageError:
    """Two options that exclude each other."""
    return UsageError(text, code=ExitCode.CONFLICTING_PARAMETERS)

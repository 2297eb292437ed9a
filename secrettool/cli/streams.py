"""Standard streams as bytes, and asking a person on the terminal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from secrettool.errors import ExitCode, InputError, OutputError

if TYPE_CHECKING:
    from secrettool.keys import Prompt


def read_stdin() -> bytes:
    """All of stdin.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise InputError(f"Error reading from stdin: {error.strerror}") from error


def write_stdout(data: bytes) -> None:
    """Write bytes to stdout.

    Raises:
        OutputError: 1, as sops; a reader that went away is left to the caller as `BrokenPipeError`.
    """
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _forget_stdout()
        failure = OutputError(f"cannot be written: {(error.strerror or 'unknown error').lower()}", code=ExitCode.GENERIC)
        failure.file = "stdout"
        raise failure from error


def _forget_stdout() -> None:
    """Let the interpreter not try again to write what could not be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def asker() -> Prompt | None:
    """How to ask for a passphrase; None when there is no terminal."""
    return _ask if os.path.exists("/dev/tty") and (sys.stdin.isatty() or sys.stderr.isatty()) else None


def _ask(question: str) -> str | None:
    """Ask on the terminal, without showing the answer."""
    try:
        answer: str = click.prompt(question, hide_input=True, err=True, prompt_suffix=" ")
    except click.Abort:
        return None
    return answer

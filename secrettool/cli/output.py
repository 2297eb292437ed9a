"""What goes to stderr: errors, hints, warnings and notes, each a line of its own that never holds a value."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secrettool.errors import SecrettoolError

_PROGRAM = "secrettool"


def colour() -> bool:
    """Whether errors may be coloured: stderr is a terminal, and NO_COLOR is not set."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and sys.stderr.isatty()


def _line(word: str, style: str, text: str) -> None:
    label = click.style(f"{word}:", fg=style, bold=True) if colour() else f"{word}:"
    click.echo(f"{_PROGRAM}: {label} {text}", err=True, color=colour())


def error(text: str, hint: str | None = None) -> None:
    """Print what failed, and what may help."""
    _line("error", "red", text)
    if hint:
        _line("hint", "cyan", hint)


def failure(raised: SecrettoolError) -> None:
    """Print an error of ours."""
    error(str(raised), raised.hint)


def warning(text: str) -> None:
    """Print what a person should know although the command goes on."""
    _line("warning", "yellow", text)


def note(text: str) -> None:
    """Print what was done."""
    click.echo(f"{_PROGRAM}: {text}", err=True)


def place(raised: BaseException) -> str:
    """Kind of an exception and where it was raised: `KeyError in stores/json.py:12`. Its text is left out."""
    trace = raised.__traceback__
    if trace is None:
        return type(raised).__name__
    while trace.tb_next is not None:
        trace = trace.tb_next
    name = trace.tb_frame.f_code.co_filename.replace(os.sep, "/")
    return f"{type(raised).__name__} in {name.rpartition('/secrettool/')[2] or name}:{trace.tb_lineno}"


def trace(raised: BaseException, words: Sequence[str]) -> None:
    """With --verbose, print the chain of causes as kinds and places. Texts are left out: those of other libraries may quote the file."""
    if "--verbose" not in words:
        return
    cause: BaseException | None = raised
    while cause is not None:
        note(f"raised: {place(cause)}")
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)

"""What the commands that work for a cluster print, and how they end.

An error of the hook is one line, `CODE subject: key: text`, and may have a line `hint: ...` behind it. Plain text of secrets goes to stdout only, and
to a terminal only when it was asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import click

from secrettool.cli import output
from secrettool.cli.hardening import harden
from secrettool.cli.lazy import LazyGroup
from secrettool.errors import (
    ConfigError,
    DataKeyError,
    FormatError,
    HookError,
    InputError,
    MacError,
    MetadataError,
    Outcome,
    SecrettoolError,
    TreeDecryptError,
    UsageError,
)
from secrettool.findings import Finding

_CONFIGURATION = (ConfigError, UsageError, InputError, FormatError, MetadataError, click.UsageError)
_DECRYPTION = (DataKeyError, TreeDecryptError, MacError)


def outcome(raised: SecrettoolError) -> int:
    """The exit code of an error, in the table of the commands for a cluster."""
    if isinstance(raised.code, Outcome):
        return raised.code
    if isinstance(raised, _DECRYPTION):
        return Outcome.DECRYPTION
    return Outcome.CONFIGURATION if isinstance(raised, _CONFIGURATION) else Outcome.UNEXPECTED


def tell_errors(errors: Iterable[SecrettoolError]) -> int:
    """Print errors.

    Returns:
        The exit code of the first; 0 when there is none.
    """
    code = 0
    for error in errors:
        if isinstance(error, HookError):
            click.echo(str(error), err=True)
            if error.hint:
                click.echo(f"hint: {error.hint}", err=True)
        else:
            output.failure(error)
        code = code or outcome(error)
    return code


def tell_findings(findings: Iterable[Finding]) -> None:
    """Print warnings, each once, and their hints."""
    hints: set[str] = set()
    for finding in dict.fromkeys(findings):
        output.warning(str(finding))
        if finding.hint and finding.hint not in hints:
            hints.add(finding.hint)
            click.echo(f"hint: {finding.hint}", err=True)


def check_stdout(show: bool) -> None:
    """Refuse to print secrets on a terminal.

    Args:
        show: Whether the user said that they may be shown.

    Raises:
        UsageError: stdout is a terminal.
    """
    if sys.stdout.isatty() and not show:
        raise UsageError(
            "the result holds secrets in clear and would be shown on this terminal",
            hint="send it to a file or a program, or show it with --show",
            code=Outcome.CONFIGURATION,
        )


class HookGroup(LazyGroup):
    """A group whose errors end in the way of the commands for a cluster."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error is printed, and its code returned."""
        harden()
        try:
            return super().invoke(ctx)
        except SecrettoolError as error:
            code = tell_errors([error])
            output.trace(error, sys.argv)
            return code

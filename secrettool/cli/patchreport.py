"""What the commands of `patch` print about a run, and how they end.

results -> exit code -> report: stdout, --report-file, and with --output github the summary and the outputs of the step
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from secrettool import fs
from secrettool.cli import options, output
from secrettool.errors import Outcome, OutputError, SecrettoolError, UsageError

if TYPE_CHECKING:
    from secrettool.findings import Finding, Form
    from secrettool.patcher.report import Mode
    from secrettool.patcher.result import Result

_BY_END: dict[str, Form] = {".json": "json", ".sarif": "sarif"}


def tell(results: Sequence[Result], mode: Mode, given: Mapping[str, Any], code: Outcome | None = None) -> int:
    """Print the report of a run.

    Args:
        results: Of all objects.
        mode: What kind of run it was.
        given: The parameters of `patchoptions.report`.
        code: How it ends, when not as the results say.

    Returns:
        The exit code.

    Raises:
        OutputError: A file cannot be written.
    """
    from secrettool.patcher.report import Report
    from secrettool.patcher.result import outcome

    report = Report(results, mode, outcome(results, strict=given["strict"]) if code is None else code)
    form: Form = given["form"]
    click.echo(report.text(form), nl=False)
    sys.stdout.flush()
    path = given["report_file"]
    if path is not None:
        fs.replace(path, report.text(_BY_END.get(os.path.splitext(path)[1], form)).encode("utf-8", "surrogateescape"))
    if form == "github":
        _append("GITHUB_STEP_SUMMARY", report.summary())
        _append("GITHUB_OUTPUT", report.outputs())
    return report.code


@contextmanager
def collected(mode: Mode, given: Mapping[str, Any], total: int) -> Iterator[Callable[[Result], None]]:
    """Counts objects on a terminal while they are worked on; when the run is broken off, what was done until then is reported.

    Args:
        mode: What kind of run it is.
        given: The parameters of `patchoptions.report`.
        total: How many objects there are.

    Yields:
        Whom to tell of each object.
    """
    from secrettool.cli.progress import Counter

    done: list[Result] = []
    counter = Counter(total, "objects done")

    def add(result: Result) -> None:
        done.append(result)
        counter.step()

    try:
        yield add
    except UsageError:  # raised before anything is tried
        raise
    except BaseException:  # a signal, or a defect: what was written must be told
        counter.clear()
        if done:
            tell(done, mode, given, Outcome.SOME_FAILED)
        output.warning("the run was broken off; objects that are not in the report may have been written as well")
        raise
    finally:
        counter.clear()


class Command(options.Command):
    """A command whose errors, with `--output github`, are annotations of the step as well."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it."""
        try:
            return super().invoke(ctx)
        except SecrettoolError as error:
            if ctx.params.get("form") == "github":
                from secrettool.cli.hookoutput import outcome

                _annotate(error, Outcome(outcome(error)))
            raise


def _annotate(error: SecrettoolError, code: Outcome) -> None:
    from secrettool.findings import render
    from secrettool.patcher.report import Report

    click.echo(render(list(_findings(error)), "github"), nl=False)
    _append("GITHUB_OUTPUT", Report((), "apply", code).outputs())


def _findings(error: SecrettoolError) -> Iterator[Finding]:
    """An error that stopped the whole command; those of a map one by one, with their lines."""
    from secrettool.findings import Finding
    from secrettool.patcher.validation import InvalidMapError

    if not isinstance(error, InvalidMapError):
        yield Finding("patch", "error", str(error), hint=error.hint)
        return
    for problem in error.problems:
        yield Finding("map", "error", problem.message, error.file, problem.line, key=problem.field, hint=problem.hint)


def _append(variable: str, text: str) -> None:
    """Add to the file that the runner names, if it names one."""
    path = os.environ.get(variable)
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
    except OSError as error:
        failure = OutputError(f"cannot be written: {(error.strerror or 'unknown error').lower()}")
        failure.file = variable
        raise failure from error

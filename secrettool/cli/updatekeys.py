"""`secrettool updatekeys`.

Source: sops 3.13 cmd/sops/subcommand/updatekeys/updatekeys.go, cmd/sops/common/common.go (DiffKeyGroups, PrettyPrintDiffs).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from secrettool.cli import batch, options, output
from secrettool.cli.keydiff import GroupDiff, diff_groups, shown
from secrettool.cli.session import Session, about
from secrettool.errors import ConfigError, ExitCode, OutputError, SecrettoolError, UsageError
from secrettool.sops import rekeying

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command(
    "updatekeys",
    cls=options.Command,
    examples=(
        "secrettool updatekeys secrets.yaml",
        "secrettool updatekeys -y --recursive .",
        "secrettool updatekeys --dry-run --report json --recursive . | jq -r '.files[] | select(.status != \"up to date\") | .path'",
    ),
)
@options.files_argument
@click.option("-y", "--yes", is_flag=True, help="Ask nothing.")
@options.input_type
@options.recursive
@options.dry_run
@options.report
@options.key_access
@click.pass_context
def command(ctx: click.Context, /, files: tuple[str, ...], **given: Any) -> int:
    """Give each FILE the master keys that the creation rule for it names. Values, MAC and time stay; keys that stay keep their entry.

    Shows the changes on stdout and asks, unless -y is given. Of the rule only its keys count. Who could open the file before may have kept
    its data key: `rotate` makes a new one.
    """
    session = Session.start(ctx, given)
    if session.config is None:
        raise ConfigError("config file not found", hint="write a .sops.yaml, or name one with `secrettool --config FILE updatekeys ...`")
    options.need_file(files[0] if files else None)
    if given["report"] == "json" and not (given["yes"] or given["dry_run"]):
        raise UsageError("a report cannot be mixed with questions", hint="add --yes or --dry-run", code=ExitCode.CONFLICTING_PARAMETERS)

    if batch.is_batch(files, given):
        code = batch.run(
            session, files, given, lambda target: _update(session, target.path, given), command="updatekeys", quiet=("skipped", "up to date")
        )
        return min(code, int(ExitCode.GENERIC))  # sops: 1 for several files, whatever went wrong
    done = _update(session, files[0], given)
    output.note(f"{files[0]}: {done.status}")
    return 0


def _update(session: Session, path: str, given: dict[str, Any]) -> batch.Done:
    from secrettool.config import groups_for_update

    assert session.config is not None
    store = session.store(path, given["input_type"])
    source, file = session.load(path, store, missing=ExitCode.GENERIC)
    groups = groups_for_update(session.config, session.absolute(path))
    old = file.metadata.shamir_threshold
    threshold = min(old, len(groups))
    diffs = diff_groups(file.metadata.groups, groups)
    if old == threshold and not any(diff.changed for diff in diffs):
        return batch.Done("up to date", "already up to date")
    if given["report"] == "text":
        _print(diffs, old, threshold, None if given["dry_run"] else path)
    if given["dry_run"]:
        return batch.Done("would be updated", shown(diffs))
    if not given["yes"] and not _agreed():
        return batch.Done("left unchanged")
    with about(path):
        data = rekeying.change_groups(file, file.unlock(session.runtime), groups, threshold, session.runtime)
        try:
            session.write(data, source, in_place=True)
        except OutputError as error:
            error.code = ExitCode.GENERIC
            raise
    return batch.Done("updated", shown(diffs))


def _print(diffs: Sequence[GroupDiff], old: int, new: int, path: str | None) -> None:
    """The changes as sops prints them."""
    lines = ["The following changes will be made to the file's groups:" if path else "These changes would be made to the file's groups:"]
    if old > 0 and old == new:
        lines.append(f"shamir_threshold: {new}")
    else:
        if new > 0:
            lines.append(click.style(f"+++ shamir_threshold: {new}", fg="green"))
        if old > 0:
            lines.append(click.style(f"--- shamir_threshold: {old}", fg="red"))
    for number, diff in enumerate(diffs, 1):
        lines.append(click.style(f"Group {number}", underline=True))
        lines += [f"    {text}" for text in diff.common]
        lines += [click.style(f"+++ {text}", fg="green") for text in diff.added]
        lines += [click.style(f"--- {text}", fg="red") for text in diff.removed]
    click.echo("\n".join(lines))


def _agreed() -> bool:
    """Ask until the answer is y or n.

    Raises:
        SecrettoolError: There is no answer.
    """
    while True:
        sys.stdout.write("Is this okay? (y/n):")
        sys.stdout.flush()
        answer = sys.stdin.readline()
        if not answer.strip():
            raise SecrettoolError("no answer" if answer else "no answer: EOF on stdin", hint="-y approves the changes without a question")
        if answer.strip() in ("y", "n"):
            return answer.strip() == "y"

"""`secrettool verify`: would these files open, are they as they were encrypted, and do they have the keys they should have."""

from __future__ import annotations

from typing import Any

import click

from secrettool.cli import batch, options
from secrettool.cli.keydiff import diff_groups, shown
from secrettool.cli.session import Session, about
from secrettool.cli.targets import Target
from secrettool.errors import ConfigError, MetadataNotFound
from secrettool.sops.document import SealedFile


@click.command(
    "verify",
    cls=options.Command,
    examples=(
        "secrettool verify secrets.yaml",
        "secrettool verify --recursive .",
        "secrettool verify --recursive --report json clusters/ > report.json",
    ),
)
@options.files_argument
@options.input_type
@options.recursive
@options.report
@options.key_access
@click.pass_context
def command(ctx: click.Context, /, files: tuple[str, ...], **given: Any) -> int:
    """Open each FILE in memory, check its MAC, and compare its master keys with the creation rule for it. Writes nothing.

    In a folder, a file that a rule names and that is not encrypted is an error. The exit code is that of the failures if they agree, else 1.
    """
    session = Session.start(ctx, given)
    options.need_file(files[0] if files else None)

    def one(target: Target) -> batch.Done:
        try:
            warnings = _verify(session, target.path, given["input_type"])
        except MetadataNotFound as error:
            if target.found and not target.rule:
                return batch.Done("skipped", "not encrypted")
            error.hint = error.hint or "encrypt it with `secrettool encrypt -i`, or take it out of the creation rule"
            raise
        return batch.Done("ok", warnings=warnings)

    quiet = ("skipped",) if not given["recursive"] else ("skipped", "ok")
    return batch.run(session, files, given, one, command="verify", quiet=quiet, skip=None)


def _verify(session: Session, path: str, kind: str | None) -> tuple[str, ...]:
    """Check one file; what is no failure comes back as warnings."""
    _, file = session.load(path, session.store(path, kind))
    with about(path):
        opened = file.open(session.runtime)
        warnings = _check_rule(session, path, file)
    if opened.unencrypted_comments:
        warnings += (f"{opened.unencrypted_comments} comments stand in clear that would be encrypted today",)
    return warnings


def _check_rule(session: Session, path: str, file: SealedFile) -> tuple[str, ...]:
    """Compare keys and selection with the rule for the file.

    Raises:
        ConfigError: The keys differ.
    """
    from secrettool.config import rule_groups

    match = None if session.config is None else session.config.rule_for(session.absolute(path))
    if session.config is None or match is None:
        return ()
    if match.rule is None:
        return ("no creation rule matches: its keys were not compared",)
    diffs = diff_groups(file.metadata.groups, rule_groups(session.config, match.rule))
    if any(diff.changed for diff in diffs):
        raise ConfigError(
            f"the master keys are not those of {match.rule.where}: {shown(diffs)}", hint="`secrettool updatekeys` gives it those of the rule"
        )
    wanted, has = match.rule.selector(), file.metadata.selector
    if wanted is not None and has is not None and wanted != has:
        return (f"it was encrypted by {has.kind}, but {match.rule.where} says {wanted.kind}: encrypt it anew to follow the rule",)
    return ()

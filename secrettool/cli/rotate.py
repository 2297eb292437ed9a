"""`secrettool rotate`.

Source: sops 3.13 cmd/sops/main.go (rotate, getRotateOpts), cmd/sops/rotate.go.
"""

from __future__ import annotations

import os
from typing import Any

import click

from secrettool.cli import batch, options
from secrettool.cli.session import Session, Source, about, master_keys
from secrettool.errors import ExitCode, UsageError
from secrettool.sops import rekeying


@click.command(
    "rotate",
    cls=options.Command,
    examples=(
        "secrettool rotate -i secrets.yaml",
        "secrettool rotate -i --add-age age1new... --rm-age age1old... secrets.yaml",
        "secrettool rotate -i --recursive clusters/",
    ),
)
@options.files_argument
@options.in_place
@options.output_file
@options.types
@options.filename_override
@options.add_and_remove
@options.encryption_context
@options.recursive
@options.dry_run
@options.report
@options.key_access
@click.pass_context
def command(ctx: click.Context, /, files: tuple[str, ...], **given: Any) -> int:
    """Encrypt FILE under a new data key and print the result.

    Keys of --add options join the first key group, keys of --rm options leave every group. Who could open the old file can still open copies
    of it: change the secrets too.
    """
    session = Session.start(ctx, given)
    return rotate_files(session, files, given)


def rotate_files(session: Session, files: tuple[str, ...], given: dict[str, Any]) -> int:
    """Rotate what the command line names.

    Args:
        session: The run.
        files: The FILE arguments.
        given: The command's parameters.
    """
    options.need_file(files[0] if files else None)
    batch.check_output(files, given)
    return batch.rewrite(session, files, given, lambda path: _rotate(session, path or files[0], given), command="rotate", done="rotated")


def changes_keys(given: dict[str, Any]) -> bool:
    """Whether the command line adds or removes keys."""
    return any(given[prefix + name] for prefix in ("add_", "rm_") for name in options.KEY_OPTIONS)


def check_changed_file(path: str, given: dict[str, Any]) -> None:
    """Refuse to change the keys of a file that is not there.

    Raises:
        UsageError: 49.
    """
    if changes_keys(given) and not os.path.exists(path):
        error = UsageError(
            "cannot add or remove keys on non-existent file",
            code=ExitCode.CHANGE_KEYS_OF_MISSING_FILE,
            hint="make it with `edit`, or with `encrypt` and the keys it shall have",
        )
        error.file = path
        raise error


def _rotate(session: Session, path: str, given: dict[str, Any]) -> tuple[Source, bytes]:
    check_changed_file(path, given)
    name = given["filename_override"] or path
    store = session.store(name, given["input_type"])
    target = session.store(name, given["output_type"])
    add, remove = master_keys(given, "add_"), master_keys(given, "rm_")
    source, file = session.load(path, store)
    with about(path):
        opened = file.open(session.runtime, ignore_mac=given.get("ignore_mac", False))
        data = rekeying.rotate(file, opened, session.runtime, add=add, remove=remove)
        return source, session.converted(data, store, target)

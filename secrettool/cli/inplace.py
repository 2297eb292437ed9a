"""Writing a changed encrypted file back, for the commands that change one file in place."""

from __future__ import annotations

import click

from secrettool.cli import output
from secrettool.cli.session import Session, Source
from secrettool.sops.store import Store

unused_threshold = click.option(
    "--shamir-secret-sharing-threshold", type=int, hidden=True, expose_value=False, help="Accepted for sops' sake, where it has no effect either."
)


def write_changed(session: Session, source: Source, data: bytes, store: Store, target: Store, *, dry_run: bool = False) -> None:
    """Write what a change gave, in another format when the output type says so. A file that would stay the same is not written.

    Args:
        session: The run.
        source: The file that was read.
        data: Its new bytes, in the format of `store`.
        store: The format that was read.
        target: The format to write.
        dry_run: Only say whether the file would change.

    Raises:
        EmitError: The output format cannot express the tree.
        OutputError: The file cannot be written.
    """
    data = session.converted(data, store, target)
    if dry_run:
        output.note(f"{source.path}: {'would be changed' if data != source.data else 'would stay as it is'}; nothing was written")
    else:
        session.write(data, source, in_place=True)

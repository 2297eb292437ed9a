"""`secrettool unset`.

Source: sops 3.13 cmd/sops/main.go (unset), cmd/sops/unset.go.
"""

from __future__ import annotations

from typing import Any

import click

from secrettool.cli import options, output
from secrettool.cli.inplace import unused_threshold, write_changed
from secrettool.cli.session import Session, about
from secrettool.cli.set_value import read_path
from secrettool.errors import ExitCode, UsageError
from secrettool.sops import changing
from secrettool.sops.editing import EntryNotFound


@click.command(
    "unset",
    cls=options.Command,
    context_settings={"allow_extra_args": True},
    examples=(
        'secrettool unset secrets.yaml \'["data"]["password"]\'',
        "secrettool unset --idempotent secrets.yaml '[\"hosts\"][0]'",
    ),
)
@click.argument("file", type=click.Path(), required=False)
@click.argument("path", required=False)
@options.types
@options.ignore_mac
@click.option("--idempotent", is_flag=True, help="Do nothing when there is no such entry.")
@options.dry_run
@unused_threshold
@options.key_access
@click.pass_context
def command(ctx: click.Context, /, file: str | None, path: str | None, **given: Any) -> None:
    """Remove the entry at PATH from an encrypted FILE. All other values keep their ciphertext.

    PATH names keys and positions in lists, such as ["data"]["password"] or ["hosts"][0]; in lists comments count.
    """
    if file is None or path is None or ctx.args:
        raise UsageError("Error: no file specified, or index is missing", code=ExitCode.NO_FILE_SPECIFIED, hint="secrettool unset FILE '[\"key\"]'")
    steps = read_path(path, "unset")
    session = Session.start(ctx, given)
    store, target = session.store(file, given["input_type"]), session.store(file, given["output_type"])
    source, sealed = session.load(file, store)
    with about(file):
        opened = sealed.open(session.runtime, ignore_mac=given["ignore_mac"])
        try:
            data = changing.unset_value(sealed, opened, steps, session.runtime)
        except EntryNotFound:
            if not given["idempotent"]:
                raise
            if given["dry_run"]:
                output.note(f"{file}: would stay as it is; nothing was written")
            return
        write_changed(session, source, data, store, target, dry_run=given["dry_run"])

"""`secrettool edit`.

Source: sops 3.13 cmd/sops/main.go (edit), cmd/sops/edit.go.
"""

from __future__ import annotations

import os
from typing import Any

import click

from secrettool.cli import options, output
from secrettool.cli.editor import edit_text
from secrettool.cli.example import example
from secrettool.cli.inplace import write_changed
from secrettool.cli.session import Session, Source, about
from secrettool.sops import changing, document, showing
from secrettool.sops.document import SealedFile
from secrettool.sops.opening import OpenedFile
from secrettool.sops.store import Store


@click.command(
    "edit",
    cls=options.Command,
    context_settings={"allow_extra_args": True},
    examples=(
        "secrettool edit secrets.yaml",
        "SOPS_EDITOR='code --wait' secrettool edit secrets.yaml",
        "secrettool edit --age age1... new.yaml",
        "secrettool edit --show-master-keys secrets.yaml",
    ),
)
@options.file_argument
@options.types
@options.keys
@options.selectors
@options.threshold
@click.option("-s", "--show-master-keys", is_flag=True, help="Show the metadata in the editor too; what is changed there counts.")
@options.ignore_mac
@click.option("--allow-disk", is_flag=True, help="Where there is no memory file system, keep the plain text in a private folder on the disk.")
@options.key_access
@click.pass_context
def command(ctx: click.Context, /, file: str | None, **given: Any) -> None:
    """Open the plain text of FILE in an editor and encrypt it again. Values that stay keep their ciphertext.

    The editor is SOPS_EDITOR or EDITOR, else vim, nano or vi. The plain text lies in memory (/dev/shm), where only you can read it, and is
    removed at the end, also when the command is interrupted. Text that cannot be encrypted comes back to the editor with the place of the error.

    When FILE does not exist, an example is opened, and keys are found as `encrypt` finds them. Exit code 200 says that nothing was changed, 201
    that the editor failed.
    """
    path = options.need_file(file)
    if ctx.args:
        output.warning("More than one positional argument provided. Only the first one will be used!")
    session = Session.start(ctx, given)
    store, target = session.store(path, given["input_type"]), session.store(path, given["output_type"])
    if os.path.exists(path):
        source, sealed = session.load(path, store)
        with about(path):
            opened = sealed.open(session.runtime, ignore_mac=given["ignore_mac"])
    else:
        source = Source(path, b"", None)
        sealed, opened = _new_file(session, path, store, given)
    show = given["show_master_keys"]
    with about(path):
        text = showing.with_section(sealed, opened) if show else document.plain_bytes(sealed, opened)

    def accept(edited: bytes) -> None:
        with about(path):
            write_changed(session, source, _sealed_again(session, sealed, opened, edited, show), store, target)

    edit_text(os.path.basename(path), text, accept, session.environ, allow_disk=given["allow_disk"])


def _new_file(session: Session, path: str, store: Store, given: dict[str, Any]) -> tuple[SealedFile, OpenedFile]:
    plan = session.encryption_plan(path, store, given)
    with about(path):
        return changing.draft(store, example(store, session.indent(store)), plan, session.runtime)


def _sealed_again(session: Session, sealed: SealedFile, opened: OpenedFile, edited: bytes, show: bool) -> bytes:
    if not show:
        return changing.replace_text(sealed, opened, edited, session.runtime)
    plain, metadata = showing.without_section(sealed.store, edited)
    if metadata.selector is not None:
        metadata.selector.check()
    return changing.replace_text(sealed, opened, plain, session.runtime, metadata=metadata)

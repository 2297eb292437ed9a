"""`secrettool decrypt`.

Source: sops 3.13 cmd/sops/main.go (decrypt), cmd/sops/decrypt.go.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from secrettool.cli import batch, options
from secrettool.cli.session import Session, Source, about, not_there
from secrettool.errors import EmitError, ExitCode, TreePathError, UsageError
from secrettool.sops import document, editing
from secrettool.sops.tree import Branch, Leaf

if TYPE_CHECKING:
    from secrettool.sops.editing import Steps
    from secrettool.sops.opening import OpenedFile
    from secrettool.sops.store import Store


@click.command(
    "decrypt",
    cls=options.Command,
    examples=(
        "secrettool decrypt secrets.yaml",
        'secrettool decrypt --extract \'["data"]["password"]\' secrets.yaml',
        "secrettool decrypt --output-type json secrets.yaml | jq .data",
        "secrettool decrypt -i --recursive clusters/",
        "secrettool decrypt --filename-override x.yaml < secrets.yaml",
    ),
)
@options.files_argument
@options.in_place
@options.output_file
@click.option("--extract", default="", metavar="PATH", help="Print one value or part, such as '[\"list\"][0]'; text comes out raw.")
@options.types
@options.filename_override
@options.ignore_mac
@options.recursive
@options.dry_run
@options.report
@options.key_access
@click.pass_context
def command(ctx: click.Context, /, files: tuple[str, ...], **given: Any) -> int:
    """Decrypt FILE, or stdin when there is none, and print the result: the text that was encrypted, byte for byte.

    Nothing is printed or written unless every value opens and the MAC fits.
    """
    session = Session.start(ctx, given)
    return decrypt_files(session, files, given)


def decrypt_files(session: Session, files: tuple[str, ...], given: dict[str, Any]) -> int:
    """Decrypt what the command line names.

    Args:
        session: The run.
        files: The FILE arguments; none for stdin.
        given: The command's parameters.
    """
    if not files and given["in_place"]:
        raise UsageError("cannot use --in-place when reading from stdin", code=ExitCode.CONFLICTING_PARAMETERS)
    batch.check_output(files, given)
    if given["extract"] and batch.is_batch(files, given):
        raise UsageError("--extract takes a part of one file", code=ExitCode.CONFLICTING_PARAMETERS)
    return batch.rewrite(session, files, given, lambda path: _decrypt(session, path, given), command="decrypt", done="decrypted")


def _decrypt(session: Session, path: str | None, given: dict[str, Any]) -> tuple[Source, bytes]:
    if path is not None and not os.path.exists(path):
        raise not_there(path, ExitCode.NO_FILE_SPECIFIED)
    name = given["filename_override"] or path or ""
    store = session.store(name, given["input_type"])
    target = session.store(name, given["output_type"])
    steps = _steps(given["extract"])
    source, file = session.load(path, store, missing=ExitCode.NO_FILE_SPECIFIED)
    with about(path):
        opened = file.open(session.runtime, ignore_mac=given["ignore_mac"])
        try:
            if steps:
                return source, extracted(opened, steps, target, session.indent(target))
            return source, document.plain_bytes(file, opened, target=target, indent=session.indent(target))
        except EmitError as error:
            error.message = f"Error dumping file: {error.message}"
            raise


def _steps(text: str) -> Steps:
    try:
        return editing.parse_steps(text)
    except TreePathError as error:
        error.message = f"error parsing --extract path: {error.message}"
        raise


def extracted(opened: OpenedFile, steps: Steps, target: Store, indent: int | None) -> bytes:
    """One value or part of an opened file's first document, as `--extract` prints it.

    Args:
        opened: The opened file.
        steps: Where it stands.
        target: The store that prints it.
        indent: Indentation of a mapping.

    Raises:
        TreePathError: There is nothing.
        EmitError: The format cannot express it.
    """
    node = editing.find(opened.tree[0], steps)
    if isinstance(node, Branch):
        return target.emit([node, *opened.tree[1:]], indent=indent)
    if isinstance(node, Leaf) and isinstance(node.value, str):
        return node.value.encode("utf-8", "surrogateescape")
    return target.emit_value(node)

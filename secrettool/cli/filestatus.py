"""`secrettool filestatus`.

Source: sops 3.13 cmd/sops/subcommand/filestatus/filestatus.go.
"""

from __future__ import annotations

import json
from typing import Any

import click

from secrettool.cli import batch, options
from secrettool.cli.session import Session
from secrettool.cli.targets import Target
from secrettool.errors import ExitCode, FormatError, MetadataNotFound, SecrettoolError


@click.command(
    "filestatus",
    cls=options.Command,
    examples=(
        "secrettool filestatus secrets.yaml",
        "secrettool filestatus --recursive . | grep false",
    ),
)
@options.files_argument
@options.input_type
@options.recursive
@options.report
@click.pass_context
def command(ctx: click.Context, /, files: tuple[str, ...], **given: Any) -> int:
    """Print whether FILE is encrypted, as {"encrypted":true} or {"encrypted":false}. No key is needed.

    For several files there is one such line for each, with its path. A file with a damaged section is an error.
    """
    session = Session.start(ctx, given)
    options.need_file(files[0] if files else None)

    def one(target: Target) -> batch.Done:
        encrypted = _encrypted(session, target.path, given["input_type"])
        if given["report"] == "text":
            click.echo(json.dumps({"path": target.path, "encrypted": encrypted}))
        return batch.Done("encrypted" if encrypted else "not encrypted")

    if batch.is_batch(files, given):
        return batch.run(session, files, given, one, command="filestatus", quiet=("encrypted", "not encrypted"))
    click.echo(json.dumps({"encrypted": _encrypted(session, files[0], given["input_type"])}, separators=(",", ":")))
    return 0


def _encrypted(session: Session, path: str, kind: str | None) -> bool:
    store = session.store(path, kind)
    try:
        _, file = session.load(path, store)
    except MetadataNotFound:
        return False
    except FormatError as error:
        if store.name == "yaml" and not session.read(path).data.strip():
            return False  # nothing at all is YAML too
        raise _unknown(error) from None
    except SecrettoolError as error:
        raise _unknown(error) from None
    return bool(file.metadata.version and file.metadata.mac)


def _unknown(error: SecrettoolError) -> SecrettoolError:
    error.message = f"cannot check file status: {error.message}"
    error.code = ExitCode.GENERIC
    return error

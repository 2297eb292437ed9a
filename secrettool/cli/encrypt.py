"""`secrettool encrypt`.

Source: sops 3.13 cmd/sops/main.go (encrypt), cmd/sops/encrypt.go.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from secrettool.cli import batch, options, output
from secrettool.cli.session import Session, Source, about, not_there
from secrettool.cli.targets import Target
from secrettool.errors import AlreadyEncryptedError, ExitCode, FormatError, MetadataError, MetadataNotFound, UsageError
from secrettool.sops import document

if TYPE_CHECKING:
    from secrettool.sops.document import Encrypted, SealedFile
    from secrettool.sops.store import Store

REVISION = "git:"
"""What makes a revision out of the argument of `--reuse`."""


@click.command(
    "encrypt",
    cls=options.Command,
    examples=(
        "secrettool encrypt --age age1... secrets.yaml > secrets.enc.yaml",
        "secrettool encrypt -i secrets.yaml",
        "secrettool encrypt -i --recursive --strict clusters/",
        "secrettool encrypt -i --reuse git:HEAD secrets.yaml",
        "kubectl get secret db -o yaml | secrettool encrypt --filename-override db.yaml",
    ),
)
@options.files_argument
@options.in_place
@options.output_file
@options.types
@options.filename_override
@options.keys
@options.selectors
@options.threshold
@click.option("--strict", is_flag=True, help="Fail when there are values but the selection matches none of them.")
@click.option(
    "--reuse", metavar="OLD|git:REV", help="Keep data key and ciphertext of what is unchanged since this encrypted file, or since a revision of FILE."
)
@options.recursive
@options.dry_run
@options.report
@options.key_access
@click.pass_context
def command(ctx: click.Context, /, files: tuple[str, ...], **given: Any) -> int:
    """Encrypt FILE, or stdin when there is none, and print the result.

    Only secret values change and the `sops` section is added; every other byte stays. Which keys and which values is said by options, or else by
    the creation rule for the file in .sops.yaml.
    """
    session = Session.start(ctx, given)
    return encrypt_files(session, files, given)


def encrypt_files(session: Session, files: tuple[str, ...], given: dict[str, Any], *, old_form: bool = False) -> int:
    """Encrypt what the command line names.

    Args:
        session: The run.
        files: The FILE arguments; none for stdin.
        given: The command's parameters.
        old_form: Whether this is the form without a command.
    """
    _check_arguments(files, given)
    dry_run = given.get("dry_run", False)

    def one(path: str | None, found: bool = False) -> Encrypted:
        source, done = _encrypt(session, path, given, old_form, found)
        if not dry_run:
            session.write(done.data, source, in_place=given["in_place"], output_file=given["output"])
        return done

    def reported(target: Target) -> batch.Done:
        done = one(target.path, target.found)
        if not done.changed:
            return batch.Done("unchanged")
        return batch.Done("would be encrypted" if dry_run else "encrypted", f"{done.matched} of {done.visited} values", done.warnings)

    if batch.is_batch(files, given):
        return batch.run(session, files, given, reported, command="encrypt", skip=(AlreadyEncryptedError, "encrypted already"))
    done = one(files[0] if files else None)
    name = files[0] if files else "stdin"
    for text in done.warnings:
        output.warning(f"{name}: {text}")
    if dry_run:
        output.note(f"{name}: would be encrypted: {done.matched} of {done.visited} values")
    return 0


def _check_arguments(files: tuple[str, ...], given: dict[str, Any]) -> None:
    if not files and given["in_place"]:
        raise UsageError("cannot use --in-place when reading from stdin", code=ExitCode.CONFLICTING_PARAMETERS)
    if not files and not given["filename_override"]:
        raise UsageError(
            "must specify --filename-override when reading from stdin",
            code=ExitCode.CONFLICTING_PARAMETERS,
            hint="the name says which format it has and which creation rule it gets",
        )
    batch.check_output(files, given)
    reuse = given.get("reuse")
    if reuse and not reuse.startswith(REVISION) and (len(files) > 1 or given["recursive"]):
        raise UsageError("--reuse OLD is for one file", hint="use --reuse git:REV for several", code=ExitCode.CONFLICTING_PARAMETERS)


def _encrypt(session: Session, path: str | None, given: dict[str, Any], old_form: bool, found: bool) -> tuple[Source, Encrypted]:
    if path is not None and not os.path.exists(path):
        raise not_there(path, ExitCode.NO_FILE_SPECIFIED)
    name = given["filename_override"] or path or ""
    store = session.store(name, given["input_type"])
    target = session.store(name, given["output_type"])
    plan = session.encryption_plan(name, store, given, old_form=old_form)
    source = session.read(path, missing=ExitCode.NO_FILE_SPECIFIED)
    with about(path):
        if store.name == "binary":
            _check_binary(source, store, found)
        old = _older(given.get("reuse"), path or name, target)
        done = document.encrypt(
            store,
            source.data,
            plan,
            session.runtime,
            target=target,
            indent=session.indent(target),
            old=old,
            strict=given.get("strict", False),
        )
    return source, done


def _check_binary(source: Source, store: Store, found: bool) -> None:
    """Tell when a binary file is encrypted already: no key is reserved in it, so sops encrypts it a second time without a word.

    Raises:
        AlreadyEncryptedError: It is, and it was found in a folder.
    """
    if not source.data.startswith(b"{"):
        return
    try:
        document.load(store, source.data)
    except (FormatError, MetadataError):
        return
    if found:
        raise AlreadyEncryptedError("the file is encrypted already")
    output.warning(f"{source.path or 'stdin'}: it was encrypted already and is now encrypted twice")


def _older(reuse: str | None, path: str, store: Store) -> SealedFile | None:
    """The encrypted version whose ciphertext may stay; None when there is none, which is said."""
    if not reuse:
        return None
    if reuse.startswith(REVISION):
        from secrettool.cli.git import file_at

        data = file_at(reuse.removeprefix(REVISION), path)
    else:
        from secrettool import fs

        data = fs.read(reuse)[0]
    if data is None:
        output.note(f"{path}: not in {reuse}: nothing to reuse")
        return None
    try:
        return document.load(store, data)
    except MetadataNotFound:
        if not reuse.startswith(REVISION):
            with about(reuse):
                raise
        output.note(f"{path}: not encrypted in {reuse}: nothing to reuse")
        return None
    except FormatError:
        with about(reuse):
            raise

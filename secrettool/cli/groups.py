"""`secrettool groups add` and `secrettool groups delete`.

Source: sops 3.13 cmd/sops/main.go (groups), cmd/sops/subcommand/groups.
"""

from __future__ import annotations

from typing import Any

import click

from secrettool.cli import options, output
from secrettool.cli.session import Session, Source, about
from secrettool.errors import ConfigError, InputError, SecrettoolError, UsageError
from secrettool.sops import rekeying
from secrettool.sops.document import SealedFile
from secrettool.sops.keygroups import KeyGroup

_FLAGS = {name: f"--{name.replace('_', '-')}" for name in options.KEY_OPTIONS} | {"hc_vault": "--hc-vault-transit"}


def _key_options(function: options.F) -> options.F:
    for name, flag in reversed(_FLAGS.items()):
        function = click.option(flag, name, multiple=True, metavar="KEY", help="Key of the new group; may be given several times.")(function)
    return function


_file = click.option("-f", "--file", type=click.Path(), metavar="FILE", help="The encrypted file.")


@click.group(
    "groups",
    cls=options.Group,
    examples=("secrettool groups add -f secrets.yaml -i --age age1...", "secrettool groups delete -f secrets.yaml -i 1"),
)
def command() -> None:
    """Add and remove key groups of an encrypted file.

    With several groups each holds one share of the data key, and as many groups as the threshold says are needed to open the file. Values stay as
    they are; who could open the file before can still open copies of it: use `rotate` then.
    """


@command.command(
    "add",
    cls=options.Command,
    examples=(
        "secrettool groups add -f secrets.yaml -i --age age1...",
        "secrettool groups add -f secrets.yaml -i --age age1... --pgp FINGERPRINT --shamir-secret-sharing-threshold 2",
    ),
)
@_file
@options.in_place
@_key_options
@click.option("--aws-profile", default="", metavar="NAME", help="Profile for AWS KMS.")
@options.encryption_context
@options.threshold
@options.dry_run
@options.key_access
@click.pass_context
def add(ctx: click.Context, /, **given: Any) -> None:
    """Add a key group and print the result, or write it back with -i. Without a threshold all groups are needed to open the file."""
    group = _new_group(given)
    session = Session.start(ctx, given)
    source, sealed = _load(session, given["file"])
    _change(session, source, sealed, (*sealed.metadata.groups, group), given)


@command.command(
    "delete",
    cls=options.Command,
    examples=("secrettool groups delete -f secrets.yaml -i 1",),
)
@click.argument("index", nargs=-1)
@_file
@options.in_place
@options.threshold
@options.dry_run
@options.key_access
@click.pass_context
def delete(ctx: click.Context, /, index: tuple[str, ...], **given: Any) -> None:
    """Remove the key group with this INDEX, counted from 0, and print the result, or write it back with -i."""
    if len(index) != 1:
        raise UsageError("error: exactly one positional argument (index) required", hint="secrettool groups delete -f FILE INDEX")
    if not (index[0].isascii() and index[0].isdecimal()):
        raise UsageError("failed to parse [index] argument: not a number", hint="groups are counted from 0")
    session = Session.start(ctx, given)
    source, sealed = _load(session, given["file"])
    groups, number = sealed.metadata.groups, int(index[0])
    if number >= len(groups):
        raise UsageError(f"there is no key group {number}: the file has {len(groups)}", hint="groups are counted from 0")
    _change(session, source, sealed, (*groups[:number], *groups[number + 1 :]), given)


def _new_group(given: dict[str, Any]) -> KeyGroup:
    """The keys of the options.

    Raises:
        ConfigError: There is none, or one is malformed.
    """
    from secrettool import masterkeys

    named = {name: ",".join(given[name]) for name in masterkeys.KEY_VARIABLES}
    context = given["encryption_context"]
    groups = masterkeys.explicit_groups(masterkeys.explicit_keys(named, {}, aws_profile=given["aws_profile"], encryption_context=context))
    if not groups or not groups[0]:
        raise ConfigError("the new key group has no key", hint="give at least one, for instance --age age1...")
    return groups[0]


def _load(session: Session, path: str | None) -> tuple[Source, SealedFile]:
    if not path:
        raise InputError("Error reading file: no file specified", hint="name it with -f")
    return session.load(path, session.store(path))


def _change(session: Session, source: Source, sealed: SealedFile, groups: tuple[KeyGroup, ...], given: dict[str, Any]) -> None:
    threshold = given["shamir_threshold"] or sealed.metadata.shamir_threshold
    with about(source.path):
        data_key = sealed.unlock(session.runtime)
        if len(groups) < threshold:
            raise SecrettoolError(
                "removing this key group will make the Shamir threshold impossible to satisfy: "
                f"Shamir threshold is {threshold}, but we only have {len(groups)} key groups",
                hint="lower it with --shamir-secret-sharing-threshold",
            )
        if len(groups) > 1 and not threshold:
            threshold = len(groups)  # the reference writes it down when a file gets several groups
        data = rekeying.change_groups(sealed, data_key, groups, threshold, session.runtime)
    if given["dry_run"]:
        output.note(f"{source.path}: would have {len(groups)} key groups, {max(threshold, 1)} of them needed; nothing was written")
    else:
        session.write(data, source, in_place=given["in_place"])

"""`secrettool keys rotate-recipient`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from secrettool import fs
from secrettool.cli import batch, options, output
from secrettool.cli.session import Session, about
from secrettool.cli.targets import Target, files_below
from secrettool.errors import FormatError, UsageError
from secrettool.sops import rekeying

if TYPE_CHECKING:
    from secrettool.sops.keygroups import KeyGroup, MasterKey

_FORMS = {
    "age": re.compile(r"age1|ssh-"),
    "pgp": re.compile(r"[0-9A-Fa-f ]{40,}!?\Z"),
    "hc_vault": re.compile(r"https?://[^/]+/v[0-9]+/"),
}
"""How the keys begin that this command can tell from each other, by the names of `masterkeys.KEY_VARIABLES`."""


@click.command(
    "rotate-recipient",
    cls=options.Command,
    examples=(
        "secrettool keys rotate-recipient age1old... age1new... .",
        "secrettool keys rotate-recipient --dry-run age1old... age1new... clusters/ .sops.yaml",
        "secrettool keys rotate-recipient --new-data-key age1stolen... age1new... .",
    ),
)
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.argument("paths", metavar="PATH...", type=click.Path(), nargs=-1, required=True)
@click.option("--new-data-key", is_flag=True, help="Encrypt every value of these files anew: whoever has OLD may have kept the data keys.")
@options.dry_run
@options.report
@options.key_access
@click.pass_context
def command(ctx: click.Context, /, old: str, new: str, paths: tuple[str, ...], **given: Any) -> int:
    """Replace the recipient OLD by NEW in every encrypted file that names it, and in the .sops.yaml files among PATH.

    OLD and NEW are age recipients, PGP fingerprints or URIs of Vault transit keys. Folders are searched. Of an encrypted file only the entry of the
    key changes, unless --new-data-key is given. What was committed before stays readable for OLD: change the secrets too when it was stolen.
    """
    replaced, replacing = _key(old, "OLD"), _key(new, "NEW")
    session = Session.start(ctx, given)

    def one(target: Target) -> batch.Done:
        return _config(target.path, old, new, given) if _is_config(target.path) else _file(session, target, replaced, replacing, given)

    chosen = list(_naming(old, paths))
    if not chosen:
        output.warning("no file names OLD: is it written as in the files?")
    return batch.over(session, chosen, given["report"], one, command="keys rotate-recipient", quiet=("skipped", "unchanged"))


def _naming(old: str, paths: tuple[str, ...]) -> Iterator[Target]:
    """The files that are named, and those in folders whose bytes hold OLD."""
    for path in paths:
        if not os.path.isdir(path):
            yield Target(path)
            continue
        for inner in files_below(path):
            if old.encode() in fs.read(inner)[0]:
                yield Target(inner, True)


def _key(text: str, what: str) -> MasterKey:
    from secrettool import masterkeys

    for kind, form in _FORMS.items():
        if form.match(text):
            groups = masterkeys.explicit_groups(masterkeys.explicit_keys({kind: text}, dict.fromkeys(masterkeys.KEY_VARIABLES.values(), "")))
            if groups is not None and len(groups[0]) == 1:
                return groups[0][0]
    raise UsageError(f"{what} is not one key", hint="give an age recipient (age1..., ssh-...), a PGP fingerprint, or the URI of a Vault transit key")


def _is_config(path: str) -> bool:
    from secrettool.config import CONFIG_NAME, OTHER_NAME

    return path.rpartition("/")[2] in (CONFIG_NAME, OTHER_NAME)


def _config(path: str, old: str, new: str, given: dict[str, Any]) -> batch.Done:
    """Replace the text of a recipient in a config file; all other bytes stay."""
    data, stamp = fs.read(path)
    changed = re.sub(rb"(?<![0-9A-Za-z])" + re.escape(old.encode()) + rb"(?![0-9A-Za-z])", lambda _: new.encode(), data)
    if changed == data:
        return batch.Done("unchanged", "does not name OLD")
    if given["dry_run"]:
        return batch.Done("would be changed")
    fs.replace(path, changed, expected=stamp)
    return batch.Done("changed")


def _file(session: Session, target: Target, old: MasterKey, new: MasterKey, given: dict[str, Any]) -> batch.Done:
    path = target.path
    store = session.store(path)
    try:
        source, file = session.load(path, store)
    except FormatError:
        if target.found and store.name == "binary":  # any other file that mentions the recipient
            return batch.Done("skipped", "not encrypted")
        raise
    groups = tuple(_replaced(group, old, new) for group in file.metadata.groups)
    if groups == file.metadata.groups:
        return batch.Done("unchanged", "not encrypted for OLD")
    if given["dry_run"]:
        return batch.Done("would be changed")
    with about(path):
        if given["new_data_key"]:
            moved = file._replace(metadata=file.metadata._replace(groups=groups))
            data = rekeying.rotate(moved, file.open(session.runtime), session.runtime)
        else:
            data = rekeying.change_groups(file, file.unlock(session.runtime), groups, file.metadata.shamir_threshold, session.runtime)
        session.write(data, source, in_place=True)
    return batch.Done("changed")


def _replaced(group: KeyGroup, old: MasterKey, new: MasterKey) -> KeyGroup:
    """The group with a key in the place of another one, once."""
    there = any((key.kind, key.text) == (new.kind, new.text) for key in group)
    keys: list[MasterKey] = []
    for key in group:
        if (key.kind, key.text) != (old.kind, old.text):
            keys.append(key)
        elif not there:
            keys.append(new)
            there = True
    return tuple(keys)

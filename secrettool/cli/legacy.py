"""The form without a command, as sops had it before it had commands: `secrettool [-e|-d|-r|--set 'PATH VALUE'] [OPTIONS] FILE`.

Options count only before FILE. Each form does what the command of today does, but for the creation rule: encrypting, rotating, setting and editing
need one that matches once there is a config file with rules.

Source: sops 3.13 cmd/sops/main.go (app.Action, extractSetArguments).
"""

from __future__ import annotations

import os
from typing import Any

import click

from secrettool.cli import options, output
from secrettool.cli.session import Session, not_there
from secrettool.errors import ExitCode, UsageError


class LegacyCommand(options.Command):
    """Reads options up to the first argument; the rest are arguments, whatever they look like."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The root has put the words in order already."""
        return click.Command.parse_args(self, ctx, args)


@click.command("secrettool", cls=LegacyCommand, hidden=True)
@click.argument("words", nargs=-1)
@click.option("-d", "--decrypt", "decrypting", is_flag=True, help="Decrypt FILE.")
@click.option("-e", "--encrypt", "encrypting", is_flag=True, help="Encrypt FILE.")
@click.option("-r", "--rotate", "rotating", is_flag=True, help="Encrypt FILE under a new data key.")
@click.option("--set", "setting", default="", metavar="'PATH VALUE'", help="Set one value of FILE.")
@options.in_place
@options.output_file
@click.option("--extract", default="", metavar="PATH", help="With -d: print one value or part.")
@options.types
@options.filename_override
@click.option("-s", "--show-master-keys", is_flag=True, help="Show the metadata in the editor.")
@options.ignore_mac
@options.keys
@options.selectors
@options.comment_selectors
@options.threshold
@options.add_and_remove
@options.key_access
@click.pass_context
def command(ctx: click.Context, /, words: tuple[str, ...], **given: Any) -> int:
    """Work on FILE."""
    file = options.need_file(words[0] if words else None)
    _warn_of_more(words)
    options.check_outputs(given["in_place"], given["output"])
    decrypting, encrypting, rotating, setting = given["decrypting"], given["encrypting"], given["rotating"], given["setting"]
    _check_there(file, given, bool(encrypting or decrypting or rotating))
    session = Session.start(ctx, given)
    several = sum(map(bool, (decrypting, encrypting, rotating, setting))) > 1
    if several:
        output.warning("more than one of --encrypt, --decrypt, --rotate and --set: only the last of them in this order is done")
    if several or not (decrypting or encrypting):
        _check_rule(session, given["filename_override"] or file, bool(encrypting), given)
    if setting:
        return _set(ctx, file, given)
    if rotating:
        from secrettool.cli.rotate import rotate_files

        return rotate_files(session, (file,), given)
    if decrypting:
        from secrettool.cli.decrypt import decrypt_files

        return decrypt_files(session, (file,), given)
    if encrypting:
        from secrettool.cli.encrypt import encrypt_files

        return encrypt_files(session, (file,), given, old_form=True)
    return _run(ctx, "edit", given, file)


def _warn_of_more(words: tuple[str, ...]) -> None:
    if len(words) > 1:
        output.warning("More than one positional argument provided. Only the first one will be used!")
        ignored = [word for word in words[1:] if word.startswith("-")]
        if ignored:
            output.warning(f"{ignored[-1].partition('=')[0]} is ignored: without a command, options come before the file")


def _check_there(file: str, given: dict[str, Any], needed: bool) -> None:
    if os.path.exists(file):
        return
    from secrettool.cli.rotate import check_changed_file

    check_changed_file(file, given)
    if needed:
        raise not_there(file, ExitCode.NO_FILE_SPECIFIED)


def _check_rule(session: Session, name: str, encrypting: bool, given: dict[str, Any]) -> None:
    """Fail when there are creation rules and none matches; explicit keys do without one."""
    if encrypting:
        session.encryption_plan(name, session.store(name, given["input_type"]), given, old_form=True)
        return
    if session.config is None:
        return
    from secrettool.config import groups_for_update

    path = session.absolute(name)
    if session.config.rule_for(path) is not None and not any(given[key] for key in options.KEY_OPTIONS):
        groups_for_update(session.config, path)


def _set(ctx: click.Context, /, file: str, given: dict[str, Any]) -> int:
    path, found, value = given["setting"].partition("] ")
    if not found:
        raise UsageError("Invalid --set format", hint="""write it as --set '["key"] "value"'""", code=ExitCode.INVALID_SET_FORMAT)
    return _run(ctx, "set", given, file, path + "]", value)


def _run(ctx: click.Context, name: str, given: dict[str, Any], *arguments: str) -> int:
    """Run a command of today with those of the given options that it has."""
    root = ctx.find_root()
    assert isinstance(root.command, click.Group)
    chosen = root.command.get_command(root, name)
    assert chosen is not None
    words: list[str] = []
    for param in chosen.params:
        if not isinstance(param, click.Option) or param.name not in given:
            continue
        value, long = given[param.name], max(param.opts, key=len)
        if isinstance(value, bool):
            words += [f"{long}={'true' if value else 'false'}"]
        elif isinstance(value, tuple):
            words += [f"{long}={one}" for one in value]
        elif value not in (None, "", 0):
            words += [f"{long}={value}"]
    with chosen.make_context(name, [*words, "--", *arguments], parent=root) as inner:
        return int(chosen.invoke(inner) or 0)

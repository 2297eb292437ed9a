"""`secrettool exec-env`.

Source: sops 3.13 cmd/sops/main.go (exec-env), cmd/sops/subcommand/exec/exec.go (ExecWithEnv).
"""

from __future__ import annotations

import os
from typing import Any

import click

from secrettool.cli import child, options
from secrettool.cli.session import Session, about
from secrettool.errors import SecrettoolError
from secrettool.sops.tree import Branch, Comment, Leaf
from secrettool.stores.scalars import scalar_text


@click.command(
    "exec-env",
    cls=options.Command,
    context_settings={"allow_extra_args": True},
    examples=(
        "secrettool exec-env secrets.env ./server",
        "secrettool exec-env secrets.yaml 'psql \"$DATABASE_URL\"'",
        "exec secrettool exec-env --same-process --pristine --user app secrets.env ./server",
    ),
)
@child.command_options
@click.option("--pristine", is_flag=True, help="Give the command only the values, and nothing of the own environment.")
@click.option("--same-process", is_flag=True, help="Replace this process by the command.")
@options.key_access
@click.pass_context
def command(ctx: click.Context, /, file: str | None, shell_command: str | None, **given: Any) -> int:
    """Run COMMAND in a shell, with every top-level value of FILE as a variable of its environment. The exit status is the one of COMMAND.

    Signals go to the command. Variables can be read by all processes of the same user; exec-file shows less.
    """
    path, shell = child.check_arguments(ctx, file, shell_command)
    background = given["background"]
    child.warn_of_background(ctx.info_name, given)
    if background and given["same_process"]:
        raise child.conflicting("Error: The --same-process flag cannot be used with --background")
    session = Session.start(ctx, given)
    _, sealed = session.load(path, session.store(path))
    with about(path):
        values = environment(sealed.open(session.runtime).tree[0])
    own = {} if given["pristine"] else dict(os.environb)
    if given["user"]:
        own |= child.switch_user(given["user"])
    if background and not child.go_to_background():
        return 0
    if background or given["same_process"]:
        child.become_command(shell, own | values)
    return child.run_command(shell, own | values)


def environment(branch: Branch) -> child.Environment:
    """The values of a document as variables; of equal names the last one counts.

    Raises:
        SecrettoolError: A value is a collection, or a name or value cannot stand in an environment.
    """
    variables: child.Environment = {}
    for item in branch.items:
        if isinstance(item, Comment):
            continue
        key, value = item.key, item.value
        if not isinstance(value, Leaf):
            raise SecrettoolError(
                f"cannot use complex value in environment; offending key {key}", hint="exec-file hands over files with lists and mappings"
            )
        if not isinstance(key, str):
            raise SecrettoolError(f"cannot use non-string keys in environment, got {type(key).__name__}")
        if "=" in key:
            raise SecrettoolError(f"cannot use keys with '=' in environment: {key}")
        text = scalar_text(value.value)
        if "\0" in key or "\0" in text:
            raise SecrettoolError("cannot use a NUL character in environment", where=key.replace("\0", "\\0"))
        variables[key.encode("utf-8", "surrogateescape")] = text.encode("utf-8", "surrogateescape")
    return variables

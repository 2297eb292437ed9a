"""`secrettool exec-file`.

Source: sops 3.13 cmd/sops/main.go (exec-file), cmd/sops/subcommand/exec/exec.go (ExecWithFile).
"""

from __future__ import annotations

import os
import threading
from typing import Any

import click

from secrettool import fs
from secrettool.cli import child, options
from secrettool.cli.editor import write_private
from secrettool.cli.session import Session, about
from secrettool.errors import ExitCode, OutputError, UsageError
from secrettool.sops import document

FALLBACK_NAME = "tmp-file"


@click.command(
    "exec-file",
    cls=options.Command,
    context_settings={"allow_extra_args": True},
    examples=(
        "secrettool exec-file secrets.yaml 'kubectl apply -f {}'",
        "secrettool exec-file --output-type json secrets.yaml 'jq .data {}'",
        "secrettool exec-file --no-fifo --filename values.yaml secrets.yaml 'helm upgrade app ./chart -f {}'",
    ),
)
@child.command_options
@click.option("--no-fifo", is_flag=True, help="Use a file instead of a pipe, for commands that read it twice or jump about in it.")
@click.option("--filename", default="", metavar="NAME", help=f"Name of the pipe or file ({FALLBACK_NAME}).")
@click.option("--allow-disk", is_flag=True, help="With --no-fifo, where there is no memory file system: use a private folder on the disk.")
@options.types
@options.key_access
@click.pass_context
def command(ctx: click.Context, /, file: str | None, shell_command: str | None, **given: Any) -> int:
    """Run COMMAND in a shell, with {} replaced by the path of the plain text of FILE. The exit status is the one of COMMAND.

    The plain text comes through a pipe, which can be read once. With --no-fifo it is a file in memory (/dev/shm) that only the user of the
    command can read; it is removed when the command ends. Signals go to the command.
    """
    path, shell = child.check_arguments(ctx, file, shell_command)
    child.warn_of_background(ctx.info_name, given)
    name = _local_name(given["filename"])
    session = Session.start(ctx, given)
    store, target = session.store(path, given["input_type"]), session.store(path, given["output_type"])
    _, sealed = session.load(path, store)
    with about(path):
        plain = document.plain_bytes(sealed, sealed.open(session.runtime), target=target, indent=session.indent(target))
    env = dict(os.environb)
    if given["user"]:
        env |= child.switch_user(given["user"])
    if given["background"] and not child.go_to_background():
        return 0
    fifo = not given["no_fifo"]
    # Nothing that goes through a pipe is ever written to a disk, wherever its name stands.
    with fs.memory_directory(allow_disk=fifo or given["allow_disk"]) as folder:
        place = os.path.join(folder, name)
        _offer(place, plain, fifo)
        return child.run_command(shell.replace("{}", place), env)


def _local_name(text: str) -> str:
    """The name of the pipe or file.

    Raises:
        UsageError: It leads out of the folder.
    """
    name = os.path.normpath(text) if text else FALLBACK_NAME
    if os.path.isabs(name) or name.split(os.sep)[0] == os.pardir or "\0" in name:
        raise UsageError("The provided filename is not a local path.", hint="give a name without folders, such as --filename values.yaml")
    return name


def _offer(place: str, plain: bytes, fifo: bool) -> None:
    """Make the pipe or file.

    Raises:
        OutputError: 1 when it cannot be made under this name.
    """
    try:
        if fifo:
            os.mkfifo(place, fs.PRIVATE_MODE)
        else:
            write_private(place, plain)
    except OSError as error:
        refused = OutputError(f"cannot be made: {(error.strerror or 'unknown error').lower()}", code=ExitCode.GENERIC)
        refused.file = os.path.basename(place)
        raise refused from error
    if fifo:
        # Opening waits for a reader, who may never come: the thread must not keep the process.
        threading.Thread(target=_feed, args=(place, plain), daemon=True).start()


def _feed(place: str, plain: bytes) -> None:
    try:
        with open(place, "wb", buffering=0) as pipe:
            rest = memoryview(plain)
            while rest:
                rest = rest[pipe.write(rest) or 0 :]
    except OSError:
        return  # the reader has gone, or the command has ended without reading

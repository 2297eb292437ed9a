"""`secrettool patch init`."""

from __future__ import annotations

import os
import shlex

import click

from secrettool import fs
from secrettool.cli import options, output, patchoptions
from secrettool.errors import Outcome, OutputError, UsageError


@click.command(
    "init",
    cls=options.Command,
    examples=(
        "secrettool patch init                        # looks through the working directory",
        "secrettool patch init --manifests k3s",
        "secrettool patch init --manifests apps --manifests infrastructure --token CHANGE_ME --print",
    ),
)
@patchoptions.map_file
@patchoptions.manifests
@click.option("--name", help="What the map calls itself; the name of the repository's folder by default.")
@click.option("--token", "tokens", metavar="TOKEN", multiple=True, help="What a placeholder begins with; may be repeated. REPLACE_ME by default.")
@click.option("--force", is_flag=True, help="Replace a map that is there.")
@click.option("--print", "printed", is_flag=True, help="Print the map instead of writing it.")
def command(*, map_file: str, manifests: tuple[str, ...], name: str | None, tokens: tuple[str, ...], force: bool, printed: bool) -> int:
    """Write a map with a target for every object that holds placeholders, and a value for every placeholder.

    Values are read from environment variables until you give them another source in the map. Objects that Flux never creates get `create`.
    """
    from secrettool.cli import manifestfiles
    from secrettool.patcher.skeleton import skeleton
    from secrettool.placeholders import DEFAULT_TOKENS, TOKEN

    if not all(TOKEN.fullmatch(token) for token in tokens):
        raise UsageError("a token has 4 to 64 of the characters A-Z, 0-9, _, <, > and -", code=Outcome.CONFIGURATION)
    if not printed and not force and os.path.lexists(map_file):
        raise UsageError(f"{map_file} is there already", hint="--force replaces it, --print shows the new one", code=Outcome.CONFIGURATION)
    folders = manifests or (os.curdir,)
    chosen = name or os.path.basename(manifestfiles.root_of(folders[0])) or "repository"
    run = _run(map_file, folders)
    text = skeleton(manifestfiles.read(folders), name=chosen, tokens=tokens or DEFAULT_TOKENS, command=run)
    if printed:
        click.echo(text, nl=False)
        return Outcome.DONE
    _write(map_file, text)
    output.note(f"wrote {map_file}; `{run} --plan --all` shows what a run would do")
    return Outcome.DONE


def _write(path: str, text: str) -> None:
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder or os.curdir, mode=0o777, exist_ok=True)
    except OSError as error:
        failure = OutputError(f"cannot be made: {(error.strerror or 'unknown error').lower()}")
        failure.file = folder
        raise failure from error
    fs.replace(path, text.encode("utf-8", "surrogateescape"))


def _run(map_file: str, folders: tuple[str, ...]) -> str:
    """How a run over the same map and folders begins."""
    words = ["secrettool", "patch"]
    words += ["--map", map_file] if map_file != patchoptions.MAP else []
    for folder in folders:
        words += ["--manifests", folder]
    return shlex.join(words)

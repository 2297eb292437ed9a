"""`secrettool krm`: a function that `kustomize build` calls, and an exec plugin of its old kind."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from secrettool import fs
from secrettool.cli import hookkeys, hookoutput
from secrettool.cli.git import repository_above
from secrettool.cli.lazy import Row
from secrettool.cli.options import split_words
from secrettool.cli.streams import asker, read_stdin, write_stdout
from secrettool.errors import ConfigError, FormatError, HookError, SecrettoolError, UsageError

if TYPE_CHECKING:
    from secrettool.findings import Finding
    from secrettool.hook.krm import Answer
    from secrettool.hook.resourcelist import ResourceList

TABLE = {"install": Row("krm_install", "Put launchers where kustomize looks for exec plugins.")}

FAILED = 1
"""The only exit code of a failure: callers of functions know no other."""

_FILES = "FILES"
"""Name that the words behind the options get inside."""

_LIMIT = 64 << 20  # bytes of a configuration


class FunctionGroup(hookoutput.HookGroup):
    """A command that takes a file, or the name of a command in its table."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options, wherever they stand, when the first word is no command: kustomize puts them behind the file."""
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        flags, words = split_words(self.get_params(ctx), args, ctx)
        if words and words[0] in TABLE:
            return super().parse_args(ctx, args)
        ctx.meta[_FILES] = words
        return super().parse_args(ctx, flags)


@click.group(
    "krm",
    cls=FunctionGroup,
    table=TABLE,
    invoke_without_command=True,
    subcommand_metavar="[FILE] | COMMAND [ARGS]...",
    examples=(
        "kustomize build --enable-alpha-plugins --enable-exec . | secrettool hook guard --print | kubectl apply -f -",
        "secrettool krm < resource-list.yaml > answer.yaml",
        "secrettool krm --show secret-generator.yaml   # what the generator makes",
        "secrettool krm install ~/.config/kustomize/plugin",
    ),
)
@click.option("--root", metavar="FOLDER", type=click.Path(), help="Root of the repository; nothing outside is read. Else the nearest with .git.")
@hookkeys.strictness
@hookkeys.show
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> int:
    """Read a ResourceList from stdin, do what its functionConfig says, and print the ResourceList that comes out of it.

    A SecretGenerator (secrettool.dev/v1alpha1) or a ksops (viaduct.ai) makes objects of encrypted files; a Decrypt (secrettool.dev/v1alpha1) opens
    the objects that there are. With FILE, which holds such a configuration, it is an exec plugin of kustomize: objects go in and out without a list
    around them. Keys come from the environment, as for `decrypt`. Every failure ends with 1, and then no object is printed.
    """
    if ctx.invoked_subcommand is not None:
        return 0
    files: list[str] = ctx.meta.get(_FILES, [])
    return _plugin(files, given) if files else _function(given)


# ---- a function ----------------------------------------------------------------------------------------------------------------------------------


def _function(given: Mapping[str, Any]) -> int:
    """Answer a resource list; what went wrong is in the answer too."""
    from secrettool.hook.resourcelist import API_VERSIONS, Result, dump_list

    version = API_VERSIONS[0]
    try:
        hookoutput.check_stdout(given["show"])
        source = _read_list()
        version = source.api_version
        answer = _run(source, given)
    except SecrettoolError as error:
        finding = _finding(error)
        _tell([finding])
        write_stdout(_encode(dump_list(version, (), [Result(finding)])))
        return FAILED
    _tell(result.finding for result in answer.results)
    write_stdout(_encode(dump_list(version, answer.items, answer.results)))
    return FAILED if answer.failed else 0


def _read_list() -> ResourceList:
    from secrettool.hook.resourcelist import BAD_LIST, read_list

    if sys.stdin.isatty():
        raise UsageError("it reads a ResourceList from stdin, and stdin is a terminal", hint="kustomize calls it; `secrettool krm --help` says how")
    try:
        return read_list(read_stdin().decode("utf-8"))
    except UnicodeDecodeError:
        raise HookError(BAD_LIST, "not UTF-8 text", subject="stdin") from None


# ---- an exec plugin ------------------------------------------------------------------------------------------------------------------------------


def _plugin(files: list[str], given: Mapping[str, Any]) -> int:
    """Do what a configuration says, with plain manifests in and out; nothing is printed when it fails."""
    from secrettool.manifests import dump

    try:
        hookoutput.check_stdout(given["show"])
        answer = _run(_plugin_source(files), given)
    except SecrettoolError as error:
        _tell([_finding(error)])
        return FAILED
    _tell(result.finding for result in answer.results)
    if answer.failed:
        return FAILED
    write_stdout(_encode(dump(answer.items)))
    return 0


def _plugin_source(files: list[str]) -> ResourceList:
    """The configuration of an exec plugin, and for a transformer the objects on stdin. A generator does not touch stdin."""
    from secrettool.hook.krm import role_of
    from secrettool.hook.resourcelist import API_VERSIONS, ResourceList, is_resource_list

    if len(files) > 1:
        raise UsageError(f"it takes one file, and {len(files)} words were given")
    found = _manifests(fs.read(files[0], limit=_LIMIT)[0], files[0])
    if len(found) != 1:
        raise _config_error(files[0], f"{len(found) or 'no'} objects in it, and there should be one, the configuration")
    items = _manifests(read_stdin(), "stdin") if role_of(found[0]) == "transformer" and not sys.stdin.isatty() else []
    if any(map(is_resource_list, items)):
        raise _config_error("stdin", "a ResourceList, and a file with a configuration was given too", hint="leave the file out of the arguments")
    return ResourceList(API_VERSIONS[0], tuple(items), found[0])


def _manifests(data: bytes, name: str) -> list[dict[str, Any]]:
    from secrettool.manifests import read

    try:
        return [manifest.obj for manifest in read(data.decode("utf-8"), file=name, old_booleans=False)]
    except UnicodeDecodeError:
        error = FormatError("not UTF-8 text")
        error.file = name
        raise error from None


# ---- both ----------------------------------------------------------------------------------------------------------------------------------------


def _run(source: ResourceList, given: Mapping[str, Any]) -> Answer:
    from secrettool.fs.saferoot import SafeRoot
    from secrettool.hook.keyset import KeySet
    from secrettool.hook.krm import Place, run

    folder = os.path.realpath(".")
    root = os.path.realpath(given["root"]) if given["root"] is not None else (repository_above(folder) or folder)
    if folder != root and not folder.startswith(root.rstrip("/") + "/"):
        raise _config_error(root, "the working directory lies outside of the root", hint="name a root above it with --root")
    config = hookkeys.config({**given, "env_keys": True})
    with SafeRoot(root) as safe, KeySet(environ=os.environ, prompt=asker()) as keys:
        return run(source, Place(safe, os.path.relpath(folder, root)), config, keys)


def _finding(error: SecrettoolError) -> Finding:
    """An error as a finding; those that are none of the hook are about how the function is called."""
    from secrettool.findings import Finding
    from secrettool.hook.ksopsconfig import BAD_CONFIGURATION

    if isinstance(error, HookError):
        return Finding.of(error)
    return Finding(BAD_CONFIGURATION, "error", error.message, subject=error.file, key=error.where, hint=error.hint)


def _tell(findings: Iterable[Finding]) -> None:
    """Print errors and warnings on stderr, which is all that a user of kustomize gets to see."""
    from secrettool.findings import render

    listed = list(findings)
    hookoutput.tell_findings(finding for finding in listed if finding.severity != "error")
    click.echo(render([finding for finding in listed if finding.severity == "error"], "text"), nl=False, err=True)


def _config_error(place: str, message: str, *, hint: str | None = None) -> ConfigError:
    error = ConfigError(message, hint=hint)
    error.file = place
    return error


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")

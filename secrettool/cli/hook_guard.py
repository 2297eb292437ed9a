"""`secrettool hook guard`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from secrettool import fs
from secrettool.cli import hookkeys, hookoutput, options
from secrettool.cli.streams import read_stdin, write_stdout
from secrettool.cli.textfiles import text_of
from secrettool.errors import Outcome, UsageError

if TYPE_CHECKING:
    from secrettool.findings import Finding, Form
    from secrettool.hook.model import HookConfig

_STDIN = "-"


@click.command(
    "guard",
    cls=options.Command,
    examples=(
        "secrettool hook build overlays/production | secrettool hook guard --print | kubectl apply -f -",
        "kustomize build --enable-alpha-plugins --enable-exec . | secrettool hook guard",
        "secrettool hook guard --output sarif rendered.yaml > guard.sarif",
        "secrettool hook guard --allow-placeholders rendered.yaml   # the live objects are filled by something else",
    ),
)
@click.argument("file", metavar="[FILE]", default=_STDIN, type=click.Path())
@click.option("--print", "printed", is_flag=True, help="Print what was read, byte for byte, when all of it passed; otherwise nothing.")
@click.option(
    "--output",
    "form",
    type=click.Choice(["text", "json", "github", "sarif"]),
    default="text",
    help="Form of the findings. Text goes to stderr; the others go to stdout, with --print to stderr too.",
)
@click.option("--allow-placeholders", is_flag=True, help="Let placeholders pass.")
@click.option("--token", "tokens", metavar="TOKEN", multiple=True, help="What a placeholder begins with; may be repeated. REPLACE_ME by default.")
@hookkeys.show
def command(file: str, printed: bool, form: Form, **given: Any) -> int:
    """Read rendered manifests from FILE, or from stdin, and refuse them (exit code 5) when something in them must not reach a cluster.

    That is ciphertext of sops, a `sops` section, a placeholder such as REPLACE_ME, a generator that did not run, or a Secret that is too large. Each
    finding is a line with a code, the object and the key, never a value. Make it the last step of every pipeline: kustomize passes over functions
    that it may not run without a word, and Flux notices only a part of what stayed encrypted.
    """
    config = _config(given)
    if printed:
        hookoutput.check_stdout(given["show"])
    data = read_stdin() if file == _STDIN else fs.read(file)[0]
    found = _findings(data, None if file == _STDIN else file, config)
    _report(found, form, err=printed or form == "text")
    if found:
        return Outcome.REFUSED
    if printed:
        write_stdout(data)
    return Outcome.DONE


def _config(given: Mapping[str, Any]) -> HookConfig:
    from secrettool.hook.model import HookConfig
    from secrettool.placeholders import DEFAULT_TOKENS, TOKEN, PlaceholderPolicy

    tokens = given["tokens"] or DEFAULT_TOKENS
    if not all(TOKEN.fullmatch(token) for token in tokens):
        raise UsageError("a token has 4 to 64 of the characters A-Z, 0-9, _, <, > and -", code=Outcome.CONFIGURATION)
    return HookConfig(placeholders=PlaceholderPolicy(not given["allow_placeholders"], tokens))


def _findings(data: bytes, file: str | None, config: HookConfig) -> list[Finding]:
    """All findings of a stream, each with the line at which its object begins.

    Raises:
        FormatError: It cannot be read as manifests.
    """
    from secrettool.findings import Finding
    from secrettool.hook.guard import guard
    from secrettool.manifests import read

    name = file or "stdin"
    manifests = read(text_of(data, name), file=name)
    return [Finding.of(error, file=file, line=manifest.line) for manifest in manifests for error in guard([manifest.obj], config)]


def _report(found: list[Finding], form: Form, *, err: bool) -> None:
    from secrettool.findings import render

    click.echo(render(found, form), nl=False, err=err)

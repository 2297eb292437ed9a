"""`secrettool config`."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from secrettool.cli import options
from secrettool.cli.session import Session
from secrettool.cli.streams import write_stdout

SCHEMA = "sops-config.schema.json"


@click.group(
    "config", cls=options.Group, examples=("secrettool config explain clusters/prod/db.yaml", "secrettool config schema > sops-config.schema.json")
)
def command() -> None:
    """Look into .sops.yaml."""


@command.command(
    "explain",
    cls=options.Command,
    examples=(
        "secrettool config explain clusters/prod/db.yaml",
        "secrettool config explain --report json db.yaml | jq -r .keys_from",
    ),
)
@options.file_argument
@options.input_type
@options.keys
@options.selectors
@options.comment_selectors
@options.threshold
@click.option("--report", type=click.Choice(["text", "json"]), default="text", help="Form of the answer.")
@click.pass_context
def explain_path(ctx: click.Context, /, file: str | None, **given: Any) -> int:
    """Say which creation rule PATH gets and why, and how it would be encrypted. The file need not exist.

    The exit code is the one that `encrypt` would end with.
    """
    from secrettool import explain, masterkeys
    from secrettool.sops.selection import SELECTOR_KINDS

    session = Session.start(ctx, given)
    path = options.need_file(file)
    store = session.store(path, given["input_type"])
    keys = masterkeys.explicit_keys(given, session.environ, aws_profile=given["aws_profile"], encryption_context=given["encryption_context"])
    explanation = explain.explain(
        session.config,
        session.absolute(path),
        keys,
        selectors={kind: given[kind] for kind in SELECTOR_KINDS},
        shamir_threshold=given["shamir_threshold"],
        mac_only_encrypted=session.settings.mac_only_encrypted,
        single_value_store=store.name if store.name == "binary" else None,
    )
    if given["report"] == "json":
        click.echo(json.dumps(explain.as_mapping(explanation), indent=2))
    else:
        click.echo(explain.as_text(explanation), nl=False)
    return 0 if explanation.error is None else int(explanation.error.code)


@command.command("schema", cls=options.Command, examples=("secrettool config schema > sops-config.schema.json",))
def schema() -> None:
    """Print the JSON Schema of .sops.yaml, for editors and for checks."""
    from secrettool import fs

    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    write_stdout(fs.read(os.path.join(package, "schemas", SCHEMA))[0])

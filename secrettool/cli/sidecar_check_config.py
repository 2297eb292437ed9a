"""`secrettool sidecar check-config`."""

from __future__ import annotations

import click

from secrettool.cli import options
from secrettool.cli.streams import write_stdout
from secrettool.errors import Outcome, UsageError


@click.command(
    "check-config",
    cls=options.Command,
    examples=(
        "secrettool sidecar check-config sidecar.yaml",
        "secrettool sidecar check-config --schema > sidecar.schema.json",
        "# yaml-language-server: $schema=sidecar.schema.json   (first line of the configuration, for editors)",
    ),
)
@click.argument("file", metavar="[FILE]", type=click.Path(), required=False)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of configurations instead.")
def command(file: str | None, schema: bool) -> int:
    """Check the configuration in FILE without starting anything: no key, no source and no cluster is looked at.

    Everything that is wrong is told at once, with line, column and field. Exit codes: 0 it can be used, 2 it cannot.
    """
    from secrettool.sidecar.loading import SCHEMA

    if schema:
        write_stdout(SCHEMA.text().encode("utf-8"))
        return Outcome.DONE
    if file is None:
        raise UsageError("which file?", hint="secrettool sidecar check-config FILE", code=Outcome.CONFIGURATION)
    from secrettool.cli.sidecar_options import load_file

    for source in load_file(file).sources:
        click.echo(f"{source.id}: {source.kind}, {source.mode}, every {source.interval:g} s")
    return Outcome.DONE

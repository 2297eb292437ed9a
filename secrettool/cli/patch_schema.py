"""`secrettool patch schema`."""

from __future__ import annotations

import click

from secrettool.cli import options
from secrettool.cli.streams import write_stdout
from secrettool.errors import Outcome


@click.command(
    "schema",
    cls=options.Command,
    examples=(
        "secrettool patch schema > patchmap.schema.json",
        "# yaml-language-server: $schema=patchmap.schema.json   (first line of the map, for editors)",
    ),
)
def command() -> int:
    """Print the JSON Schema of the map, which a run checks the map against; editors complete and check with it."""
    from secrettool.patcher.validation import schema_text

    write_stdout(schema_text().encode("utf-8"))
    return Outcome.DONE

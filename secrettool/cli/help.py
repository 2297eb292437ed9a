"""`secrettool help`."""

from __future__ import annotations

import click

from secrettool.cli import options


@click.command("help", cls=options.Command, examples=("secrettool help", "secrettool help encrypt", "secrettool help groups add"))
@click.argument("names", metavar="[COMMAND]...", nargs=-1)
@click.pass_context
def command(ctx: click.Context, /, names: tuple[str, ...]) -> None:
    """Show the help of COMMAND, or of secrettool as a whole."""
    place = ctx.find_root()
    for name in names:
        group = place.command
        found = group.get_command(place, name) if isinstance(group, click.Group) else None
        if found is None:
            raise click.UsageError(f"there is no command {name!r}", ctx=place)
        place = click.Context(found, info_name=name, parent=place)
    click.echo(place.get_help())

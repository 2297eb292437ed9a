"""A group of commands whose modules are imported when they run; help and completion of names need its table alone."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import click

from secrettool.cli.options import Group


class Row(NamedTuple):
    """A command of a group.

    Attributes:
        module: Module below `secrettool.cli`; its `command` is the click command.
        help: One line.
    """

    module: str
    help: str


class LazyGroup(Group):
    """A group that finds its commands in a table.

    Args:
        table: The commands, by name, in the order of the help.
    """

    def __init__(self, *args: Any, table: dict[str, Row], **more: Any) -> None:
        super().__init__(*args, **more)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the table."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command and return its `command`."""
        row = self._table.get(cmd_name)
        if row is None:
            return None
        command: click.Command = import_module(f"secrettool.cli.{row.module}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.help) for name, row in self._table.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[click.shell_completion.CompletionItem]:
        """Names of the table; click's own way would import every command for its help."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=row.help) for name, row in self._table.items() if name.startswith(incomplete)]
        return found + (click.Command.shell_complete(self, ctx, incomplete) if incomplete.startswith("-") else [])

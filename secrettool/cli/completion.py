"""`secrettool completion`."""

from __future__ import annotations

import click

from secrettool.cli import options

VARIABLE = "_SECRETTOOL_COMPLETE"


@click.command(
    "completion",
    cls=options.Command,
    no_args_is_help=True,
    examples=(
        'eval "$(secrettool completion bash)"        # in ~/.bashrc; bash 4.4 or later',
        'eval "$(secrettool completion zsh)"         # in ~/.zshrc',
        "secrettool completion fish > ~/.config/fish/completions/secrettool.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, /, shell: str) -> None:
    """Print a script that makes SHELL complete the commands, options and files of secrettool."""
    from click.shell_completion import ShellComplete, get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    # The template alone: bash's own `source` starts a shell to ask for its version, which may be another than the one the script is for.
    click.echo(ShellComplete.source(kind(ctx.find_root().command, {}, "secrettool", VARIABLE)))

"""The root of the command line: the table of commands, the options that every command reads, and how failures end.

A command's module is imported when the command runs; `--help` and completion of names need the table alone.

Source: sops 3.13 cmd/sops/main.go (the root command and how it finds subcommands).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

import click

from secrettool import __version__
from secrettool.cli import output
from secrettool.cli.options import Group, Settings, split_words
from secrettool.errors import ExitCode, SecrettoolError

FORMAT = "3.13.2"  # sops.metadata.FORMAT_VERSION, repeated here because --version must not load the format
INTERRUPTED = 130


class Entry(NamedTuple):
    """A row of the table of commands.

    Attributes:
        module: Module below `secrettool.cli`; its `command` is the click command.
        help: One line.
        usage_code: Exit code when the arguments cannot be understood: 1 for the commands of sops, where 2 means something else.
    """

    module: str
    help: str
    usage_code: int = 1


COMMANDS: dict[str, Entry] = {
    "encrypt": Entry("encrypt", "Encrypt the values of a file and leave the rest of its text alone."),
    "decrypt": Entry("decrypt", "Decrypt a file, or one value of it."),
    "edit": Entry("edit", "Open a decrypted file in an editor and encrypt what was changed."),
    "set": Entry("set_value", "Set one value of an encrypted file."),
    "unset": Entry("unset", "Remove one entry of an encrypted file."),
    "rotate": Entry("rotate", "Encrypt a file under a new data key; add and remove master keys."),
    "updatekeys": Entry("updatekeys", "Give files the master keys that .sops.yaml names for them."),
    "groups": Entry("groups", "Add and remove key groups."),
    "exec-env": Entry("exec_env", "Run a command with the values in its environment."),
    "exec-file": Entry("exec_file", "Run a command that reads the decrypted file."),
    "filestatus": Entry("filestatus", "Say whether a file is encrypted."),
    "verify": Entry("verify", "Check that encrypted files open, are unchanged, and have the right keys."),
    "config": Entry("config", "Show which creation rule a path gets, and the schema of .sops.yaml."),
    "keys": Entry("keys", "Make the key Secret of a cluster; replace a recipient in a whole repository."),
    "hook": Entry("hook", "Decrypt manifests on their way into a cluster, as Flux does it.", 2),
    "patch": Entry("patch", "Fill placeholders in a cluster from Vault, the environment and other places.", 2),
    "check": Entry("check", "Find placeholders, ciphertext and literals in a repository that will not end as they should.", 2),
    "sidecar": Entry("sidecar", "Run in a cluster: watch sources, decrypt in memory, apply or write files.", 2),
    "krm": Entry("krm", "Serve kustomize as a function or plugin that opens secrets during a build."),
    "cmp": Entry("cmp", "Serve Argo CD as a config management plugin.", 2),
    "completion": Entry("completion", "Print a script that completes commands and files in a shell."),
    "help": Entry("help", "Show the help of a command."),
}

_LEGACY = "FILE"
"""Name that the old form without a command gets inside; no word of the command line can be taken for it."""


class Root(Group):
    """Finds commands in the table; words that name none are the old form of sops, `-d FILE`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command and return its `command`."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = import_module(f"secrettool.cli.{entry.module}").command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the root's options up to the first other word; then comes a command, or a file in the old form."""
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        own = self.get_params(ctx)
        try:
            flags, words = split_words(own, args, ctx, interspersed=False)
        except click.NoSuchOption:
            flags, words, old = self._old_options(ctx, own, args)
        else:
            old = []
        if words and words[0] in COMMANDS:
            return super().parse_args(ctx, [*flags, *words])
        ctx.meta[_LEGACY] = [*old, "--", *words]
        return super().parse_args(ctx, flags)

    def _old_options(self, ctx: click.Context, own: Sequence[click.Parameter], args: list[str]) -> tuple[list[str], list[str], list[str]]:
        """Split words among which are options of the old form: those of the root, the rest, and the old ones.

        Before a command the old ones are read and forgotten, as in sops.
        """
        from secrettool.cli.legacy import command

        others = [param for param in command.get_params(ctx) if not set(param.opts) & {name for mine in own for name in mine.opts}]
        flags, words = split_words([*own, *others], args, ctx, interspersed=False)
        names = {name for param in own for name in (*param.opts, *param.secondary_opts)}
        mine = [flag for flag in flags if flag.partition("=")[0] in names]
        return mine, words, [flag for flag in flags if flag not in mine]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[click.shell_completion.CompletionItem]:
        """Names of the table; click's own way would import every command for its help."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=entry.help) for name, entry in COMMANDS.items() if name.startswith(incomplete)]
        if incomplete.startswith("-"):
            found.extend(click.Command.shell_complete(self, ctx, incomplete))
        if not found:
            found.append(CompletionItem(incomplete, type="file"))
        return found


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"secrettool {__version__} (format of sops {FORMAT})")
        ctx.exit()


@click.group(
    "secrettool",
    cls=Root,
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]...",
    examples=(
        "secrettool encrypt -i --age age1... secrets.yaml",
        "secrettool decrypt secrets.yaml",
        "secrettool edit secrets.yaml",
        "secrettool verify --recursive .",
    ),
)
@click.option("--config", metavar="FILE", envvar="SOPS_CONFIG", type=click.Path(), help="Read this file instead of looking for .sops.yaml.")
@click.option("--indent", type=int, metavar="N", help="Indentation of text that is printed anew; text that stays keeps its own.")
@click.option("--mac-only-encrypted", is_flag=True, help="Leave values in clear out of the MAC.")
@click.option("--verbose", is_flag=True, help="Say more: what is done, and where an error comes from. Never shows values.")
@click.option("-v", "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version.")
@click.option("--disable-version-check", is_flag=True, hidden=True, expose_value=False, help="Accepted for sops' sake: nothing is ever looked up.")
@click.option("--check-for-updates", is_flag=True, hidden=True, expose_value=False, help="Accepted for sops' sake: nothing is ever looked up.")
@click.pass_context
def root(ctx: click.Context, config: str | None, indent: int | None, mac_only_encrypted: bool, verbose: bool) -> None:
    """Encrypt, decrypt and edit the secrets of a GitOps repository. Reads and writes the files of sops and changes nothing else in them.

    The old form without a command works too: `secrettool -d FILE`, `-e FILE`, `-r FILE`, `--set 'PATH VALUE' FILE`, or `secrettool FILE`
    to edit; options come before the file.
    """
    ctx.obj = Settings(config, indent, mac_only_encrypted, verbose)
    ctx.color = None if output.colour() else False
    if ctx.invoked_subcommand is None:
        from secrettool.cli.legacy import command

        with command.make_context(None, ctx.meta.pop(_LEGACY, ["--"]), parent=ctx) as inner:
            ctx.exit(command.invoke(inner) or 0)


# ---- how a run ends ------------------------------------------------------------------------------------------------------------------------------


def _usage_code(ctx: click.Context | None) -> int:
    while ctx is not None:
        if ctx.parent is not None and ctx.parent.parent is None and ctx.info_name in COMMANDS:
            return COMMANDS[ctx.info_name].usage_code
        ctx = ctx.parent
    return ExitCode.GENERIC


def _usage(error: click.UsageError) -> int:
    context = error.ctx
    if context is not None:
        click.echo(context.get_usage(), err=True)
    output.error(error.format_message(), f"`{context.command_path} --help` shows what there is" if context is not None else None)
    return _usage_code(context)


def _quiet_pipe() -> int:
    """The reader is gone: keep the interpreter from complaining about it when it flushes at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return ExitCode.GENERIC


def run(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        argv: The words after the program's name; those of the process when None.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = root.main(args=words, prog_name="secrettool", standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except SecrettoolError as error:
        output.failure(error)
        output.trace(error, words)
        return error.code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return ExitCode.OK
    except click.UsageError as error:
        return _usage(error)
    except click.ClickException as error:
        output.error(error.format_message())
        return ExitCode.GENERIC
    except (click.Abort, KeyboardInterrupt):
        output.error("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        return _quiet_pipe()
    except MemoryError:
        output.error("there is not enough memory for this input")
        return ExitCode.GENERIC
    except RecursionError as error:
        output.error("the input is nested too deeply")
        output.trace(error, words)
        return ExitCode.GENERIC
    except OSError as error:
        output.error(f"{error.strerror or 'input or output failed'}{': ' + str(error.filename) if error.filename else ''}")
        output.trace(error, words)
        return ExitCode.GENERIC
    except Exception as error:  # a defect: its text may quote the file, so only its kind and place are shown
        output.error(
            f"internal error: {output.place(error)}", "this is a defect of secrettool; the file was not changed. Please report it with this line"
        )
        output.trace(error, words)
        return ExitCode.GENERIC

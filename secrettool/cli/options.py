"""Options that several commands share, and how words are read: as sops reads them.

Flags may stand before or after arguments, with one dash or two, and a flag may be given a truth value (`--enable-local-keyservice=false`).
Words that look like flags but are none are arguments once an argument was there, where the number of arguments is fixed (`set FILE PATH -5`).

Source: sops 3.13 cmd/sops/main.go; urfave/cli 1.22 (reorderArgs); Go's flag package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import click

from secrettool.errors import ExitCode, UsageError

F = TypeVar("F", bound=Callable[..., Any])

TRUE_WORDS = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE_WORDS = frozenset({"0", "f", "F", "FALSE", "false", "False"})
STORE_NAMES = "yaml, json, dotenv, ini or binary"


class Settings(NamedTuple):
    """The root's options, which every command may read from `ctx.obj`.

    Attributes:
        config: `--config`; None when it was not given.
        indent: `--indent`; None when it was not given.
        mac_only_encrypted: `--mac-only-encrypted`.
        verbose: `--verbose`.
    """

    config: str | None = None
    indent: int | None = None
    mac_only_encrypted: bool = False
    verbose: bool = False


# ---- words ---------------------------------------------------------------------------------------------------------------------------------------


def _long_name(names: Iterable[str]) -> str:
    listed = list(names)
    return next((name for name in listed if name.startswith("--")), listed[0])


def _flag_word(option: click.Option, name: str, value: str | None, ctx: click.Context) -> list[str]:
    """A flag as click reads it: its name, or the name of its opposite, or nothing when it is switched off."""
    said = value is None or value in TRUE_WORDS
    if value is not None and not said and value not in FALSE_WORDS:
        raise click.BadOptionUsage(name, f"{name} takes true or false", ctx)
    positive = name in (word.lstrip("-") for word in option.opts)
    chosen = option.opts if said == positive else option.secondary_opts
    return [_long_name(chosen)] if chosen else []


def split_words(
    params: Sequence[click.Parameter], words: Sequence[str], ctx: click.Context, *, interspersed: bool = True
) -> tuple[list[str], list[str]]:
    """Tell options from arguments.

    Args:
        params: Parameters of the command; its options are known by any of their names.
        words: The words after the command's name.
        ctx: Context for errors.
        interspersed: Whether options may follow arguments; otherwise everything behind the first argument is one.

    Returns:
        The options in the form `--name` or `--name=value`, and the arguments.

    Raises:
        click.UsageError: An unknown option, or one without its value.
    """
    options = {name.lstrip("-"): param for param in params if isinstance(param, click.Option) for name in (*param.opts, *param.secondary_opts)}
    many = any(isinstance(param, click.Argument) and param.nargs == -1 for param in params)
    flags: list[str] = []
    arguments: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            arguments.extend(rest)
            break
        if word == "-" or not word.startswith("-"):
            arguments.append(word)
            if not interspersed:
                arguments.extend(rest)
                break
            continue
        name, equals, value = word.removeprefix("-").removeprefix("-").partition("=")
        option = options.get(name)
        if option is None:
            if not arguments or many:
                raise click.NoSuchOption(word.partition("=")[0], possibilities=_alike(name, options), ctx=ctx)
            arguments.append(word)
        elif option.is_flag:
            flags.extend(_flag_word(option, name, value if equals else None, ctx))
        else:
            given = value if equals else next(rest, None)
            if given is None:
                raise click.BadOptionUsage(name, f"option {word} needs a value", ctx)
            flags.append(f"{_long_name(option.opts)}={given}")
    return flags, arguments


def _alike(name: str, options: Iterable[str]) -> list[str]:
    from difflib import get_close_matches

    return [f"--{match}" for match in get_close_matches(name, [option for option in options if len(option) > 1])]


def _with_examples(more: dict[str, Any], examples: Sequence[str]) -> dict[str, Any]:
    """What all commands have in common, and the section Examples."""
    settings = {"help_option_names": ["-h", "--help"], "max_content_width": 110, **more.get("context_settings", {})}
    epilog = "\n".join(("\b", "Examples:", *(f"  {line}" for line in examples))) if examples else None
    return {**more, "context_settings": settings, "epilog": epilog}


class Command(click.Command):
    """A command that reads its words as sops does. Give it `examples`, which stand at the end of its help.

    Args:
        examples: Lines of the section Examples, without indentation.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **more: Any) -> None:
        super().__init__(*args, **_with_examples(more, examples))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put options before arguments, then let click read them."""
        if not ctx.resilient_parsing:
            flags, arguments = split_words(self.get_params(ctx), args, ctx)
            args = [*flags, *(["--", *arguments] if arguments else [])]
        return super().parse_args(ctx, args)


class Group(click.Group):
    """A command that has commands of its own; `examples` as for `Command`."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **more: Any) -> None:
        super().__init__(*args, **_with_examples(more, examples))


# ---- groups of options ---------------------------------------------------------------------------------------------------------------------------


def _all(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    def apply(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


input_type = click.option("--input-type", metavar="TYPE", help=f"Read the file as {STORE_NAMES}; the end of its name decides otherwise.")
output_type = click.option("--output-type", metavar="TYPE", help=f"Print {STORE_NAMES}; the end of the file's name decides otherwise.")
types = _all(input_type, output_type)
in_place = click.option("-i", "--in-place", is_flag=True, help="Write the result back to the file.")
output_file = click.option("--output", type=click.Path(), metavar="FILE", help="Write the result to this file.")
filename_override = click.option(
    "--filename-override", type=click.Path(), metavar="NAME", help="Choose formats and creation rule by this name; needed to encrypt stdin."
)
ignore_mac = click.option("--ignore-mac", is_flag=True, help="Open the file although its MAC does not fit.")
threshold = click.option(
    "--shamir-secret-sharing-threshold", "shamir_threshold", type=int, default=0, metavar="N", help="Key groups that are needed to open the file."
)
encryption_context = click.option("--encryption-context", default="", metavar="K:V,...", help="Encryption context for AWS KMS.")
key_access = _all(
    click.option("--decryption-order", envvar="SOPS_DECRYPTION_ORDER", default="", metavar="KINDS", help="Kinds of keys to try first: age,pgp,..."),
    click.option(
        "--enable-local-keyservice/--disable-local-keyservice",
        "local_keys",
        envvar="SOPS_ENABLE_LOCAL_KEYSERVICE",
        default=True,
        hidden=True,
        help="Use the keys of this machine.",
    ),
    click.option(
        "--keyservice", "key_services", envvar="SOPS_KEYSERVICE", multiple=True, metavar="URI", hidden=True, help="Ask this key service too."
    ),
)
"""Parameters `decryption_order`, `local_keys` and `key_services`, for `Session.start`."""
recursive = click.option("-R", "--recursive", is_flag=True, help="Take folders too: their files that a creation rule covers and Git does not ignore.")
dry_run = click.option("-n", "--dry-run", is_flag=True, help="Do everything but write.")
report = click.option("--report", type=click.Choice(["text", "json"]), default="text", help="Say what was done on stderr, or as JSON on stdout.")

KEY_OPTIONS = ("age", "pgp", "kms", "gcp_kms", "hckms", "azure_kv", "hc_vault")
"""Parameters of the options that name master keys; the names are those of `masterkeys.KEY_VARIABLES`."""

_KEY_FLAGS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "age": (("-a", "--age"), "RECIPIENTS", "age recipients, with commas between"),
    "pgp": (("-p", "--pgp"), "FINGERPRINTS", "PGP fingerprints"),
    "kms": (("-k", "--kms"), "ARNS", "keys of AWS KMS"),
    "gcp_kms": (("--gcp-kms",), "IDS", "keys of Google Cloud KMS"),
    "hckms": (("--hckms",), "IDS", "keys of Huawei Cloud KMS"),
    "azure_kv": (("--azure-kv",), "URLS", "keys of Azure Key Vault"),
    "hc_vault": (("--hc-vault-transit",), "URIS", "keys of HashiCorp Vault's transit engine"),
}

# The environment variables are read by masterkeys.explicit_keys, which has to tell an empty option from one that is not given.
keys = _all(
    *(click.option(*names, name, metavar=metavar, help=f"Encrypt for {what}.") for name, (names, metavar, what) in _KEY_FLAGS.items()),
    click.option("--aws-profile", default="", metavar="NAME", help="Profile for AWS KMS."),
    encryption_context,
)
"""One parameter for each of `KEY_OPTIONS`, and `aws_profile` and `encryption_context`."""

selectors = _all(
    click.option("--unencrypted-suffix", default="", metavar="TEXT", help="Leave values under keys with this end in clear (_unencrypted)."),
    click.option("--encrypted-suffix", default="", metavar="TEXT", help="Encrypt only values under keys with this end."),
    click.option("--unencrypted-regex", default="", metavar="RE2", help="Leave values under matching keys in clear."),
    click.option("--encrypted-regex", default="", metavar="RE2", help="Encrypt only values under matching keys."),
)
comment_selectors = _all(
    click.option("--unencrypted-comment-regex", default="", metavar="RE2", help="Leave values beside matching comments in clear."),
    click.option("--encrypted-comment-regex", default="", metavar="RE2", help="Encrypt only values beside matching comments."),
)


def add_and_remove(function: F) -> F:
    """`--add-X` and `--rm-X` for every kind of master key: parameters `add_age`, `rm_age`, ..."""
    for name, (names, metavar, what) in reversed(_KEY_FLAGS.items()):
        flag = names[-1].removeprefix("--")
        function = click.option(f"--rm-{flag}", f"rm_{name}", default="", metavar=metavar, help=f"Take away {what}.")(function)
        function = click.option(f"--add-{flag}", f"add_{name}", default="", metavar=metavar, help=f"Add {what}.")(function)
    return function


file_argument = click.argument("file", metavar="FILE", type=click.Path(), required=False)
files_argument = click.argument("files", metavar="[FILE]...", type=click.Path(), nargs=-1)


def check_outputs(in_place: bool, output: str | None) -> None:
    """Refuse `--in-place` together with `--output`.

    Raises:
        UsageError: 8.
    """
    if in_place and output:
        raise UsageError("cannot operate on both --output and --in-place", code=ExitCode.CONFLICTING_PARAMETERS)


def need_file(file: str | None) -> str:
    """The FILE argument.

    Raises:
        UsageError: 100 when it is missing.
    """
    if not file:
        raise UsageError("no file specified", code=ExitCode.NO_FILE_SPECIFIED)
    return file

"""`secrettool patch`: placeholders in a cluster get their values."""

from __future__ import annotations

import click

from secrettool.cli.hookoutput import HookGroup
from secrettool.cli.lazy import Row

DEFAULT = "run"

TABLE = {
    "run": Row("patch_run", "Fill the placeholders; what `patch` does when no command is named."),
    "drift": Row("patch_drift", "Show what is not as a run would leave it. Nothing is written."),
    "init": Row("patch_init", "Write a map for the placeholders of a repository."),
    "set": Row("patch_set", "Set one key of one Secret, without a map."),
    "release": Row("patch_release", "Give an object back to Flux."),
    "rotate": Row("patch_rotate", "Replace generated values everywhere, or leave everything as it was."),
    "role": Row("patch_role", "Print the Kubernetes roles that a run needs."),
    "schema": Row("patch_schema", "Print the JSON Schema of the map."),
    "vault-setup": Row("patch_vault_setup", "Print what an administrator of Vault sets up for the map."),
}


class PatchGroup(HookGroup):
    """A group with a command that need not be named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command in front of words that begin with another option than those of the group."""
        if args and args[0].startswith("-") and args[0] not in ctx.help_option_names and not ctx.resilient_parsing:
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args or [DEFAULT])


@click.group(
    "patch",
    cls=PatchGroup,
    table=TABLE,
    examples=(
        "secrettool patch init --manifests k3s        # write a map",
        "secrettool patch --manifests k3s --plan      # show what would be done",
        "secrettool patch --manifests k3s --all       # do it",
        "secrettool patch drift --all --no-values     # what has been undone since?",
        "secrettool patch run --help                  # all options of a run",
    ),
)
def command() -> None:
    """Fill placeholders such as REPLACE_ME in a cluster with values from Vault, the environment, files or programs, so that Flux leaves them alone.

    Without a command it is `patch run`. Exit codes: 0 done or nothing to do, 1 unexpected, 2 usage or map, 3 some targets failed or were refused,
    4 no target could be done because a login failed, 5 every target was refused, 6 drift or changes were found, 7 a secret does not open, 8 the
    cluster is not there or forbids every target.
    """

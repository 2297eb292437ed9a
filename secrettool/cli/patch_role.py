"""`secrettool patch role`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from secrettool.cli import options, patchoptions, patchsession
from secrettool.errors import Outcome, UsageError

if TYPE_CHECKING:
    from secrettool.patcher.roles import Account


@click.command(
    "role",
    cls=options.Command,
    examples=(
        "secrettool patch role > roles.yaml",
        "secrettool patch role --service-account ci/patch-secrets | kubectl apply -f -",
        "secrettool patch role --group bootstrap --name bootstrap-secrets",
    ),
)
@patchoptions.map_file
@patchoptions.selection
@click.option("--name", default="secrettool-patch", show_default=True, help="Name of the roles and their bindings.")
@click.option("--service-account", metavar="NAMESPACE/NAME", help="Bind the roles to this account.")
@click.option("--recreate", is_flag=True, help="With the rights that --recreate of a run needs.")
def command(
    *, map_file: str, targets: tuple[str, ...], groups: tuple[str, ...], everything: bool, name: str, service_account: str | None, recreate: bool
) -> int:
    """Print the roles that give a run of the map its rights, and no others: a Role for each namespace, a ClusterRole for what lies in none.

    All targets are meant unless some are named. Objects are named in the rules; nothing may be listed, but for targets with `restart: auto`.
    """
    from secrettool.manifests import dump
    from secrettool.patcher.roles import roles

    given = {"map_file": map_file, "targets": targets, "groups": groups, "everything": everything}
    _, chosen = patchsession.selected(given, by_default=True)
    click.echo(dump(roles(chosen, name, _account(service_account), recreate=recreate)), nl=False)
    return Outcome.DONE


def _account(text: str | None) -> Account | None:
    from secrettool.patcher.roles import Account

    if text is None:
        return None
    namespace, _, name = text.partition("/")
    if not namespace or not name or "/" in name:
        raise UsageError("an account is written as NAMESPACE/NAME", where="--service-account", code=Outcome.CONFIGURATION)
    return Account(namespace, name)

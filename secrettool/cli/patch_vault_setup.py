"""`secrettool patch vault-setup`."""

from __future__ import annotations

import click

from secrettool.cli import options, patchoptions, patchsession
from secrettool.errors import Outcome, UsageError


@click.command(
    "vault-setup",
    cls=options.Command,
    examples=(
        "secrettool patch vault-setup --claim repository=me/homelab --claim ref=refs/heads/main",
        "secrettool patch vault-setup --service-account ci/patch-secrets",
        "secrettool patch vault-setup --claim repository=me/homelab --claim environment=production | sh",
    ),
)
@patchoptions.map_file
@patchoptions.selection
@click.option("--name", default="secrettool-patch", show_default=True, help="Name of the policy, and of the role if the map names none.")
@click.option("--claim", "claims", metavar="NAME=VALUE", multiple=True, help="Claim that a JWT must have; may be repeated. * stands for any text.")
@click.option("--service-account", metavar="NAMESPACE/NAME", help="Account that may log in, for the method kubernetes.")
def command(
    *,
    map_file: str,
    targets: tuple[str, ...],
    groups: tuple[str, ...],
    everything: bool,
    name: str,
    claims: tuple[str, ...],
    service_account: str | None,
) -> int:
    """Print a script for an administrator of Vault: a policy that reads the secrets of the map and nothing else, and the role of the login.

    All targets are meant unless some are named. Values that are generated and stored need the right to write, which their paths get.
    """
    from secrettool.patcher.vaultsetup import ACCOUNT, Admitted, script, setups

    given = {"map_file": map_file, "targets": targets, "groups": groups, "everything": everything}
    patch_map, chosen = patchsession.selected(given, by_default=True)
    found = setups(patch_map, chosen, name, Admitted(_claims(claims), service_account or ACCOUNT))
    if not found:
        raise UsageError("no value of the map comes from a Vault", hint="a provider of type vault does", code=Outcome.CONFIGURATION)
    click.echo(script(found), nl=False)
    return Outcome.DONE


def _claims(given: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for claim in given:
        name, equals, value = claim.partition("=")
        if not name or not equals or not value:
            raise UsageError("a claim is written as NAME=VALUE", where="--claim", code=Outcome.CONFIGURATION)
        found[name] = value
    return found

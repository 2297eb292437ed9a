"""`secrettool hook`: decryption on the way into a cluster, as Flux does it."""

from __future__ import annotations

import click

from secrettool.cli.hookoutput import HookGroup
from secrettool.cli.lazy import Row

TABLE = {
    "build": Row("hook_build", "Build a folder or a Flux Kustomization and print its objects, decrypted."),
    "decrypt": Row("hook_decrypt", "Decrypt the objects of a stream of manifests."),
    "diff": Row("hook_diff", "Show what applying a folder would change; values are masked."),
    "apply": Row("hook_apply", "Build, decrypt and apply a folder."),
    "guard": Row("hook_guard", "Refuse a stream of manifests that holds ciphertext or placeholders."),
}


@click.group(
    "hook",
    cls=HookGroup,
    table=TABLE,
    examples=(
        "secrettool hook build clusters/production --show",
        "kustomize build overlays/production | secrettool hook decrypt --key-file age.agekey | kubectl apply -f -",
        "secrettool hook build overlays/production | secrettool hook guard > /dev/null",
    ),
)
def command() -> None:
    """Open secrets while they are applied: what Flux does between git and the cluster, on this machine, in memory.

    Errors are one line each, `CODE subject: key: text`, and never hold a value. Exit codes: 0 done, 1 unexpected, 2 usage or configuration, 5 refused
    by a guard, 7 a secret does not open, 8 the cluster refused or is not there.
    """

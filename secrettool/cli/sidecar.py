"""`secrettool sidecar`: the program that runs in a cluster."""

from __future__ import annotations

import click

from secrettool.cli.hookoutput import HookGroup
from secrettool.cli.lazy import Row

TABLE = {
    "run": Row("sidecar_run", "Watch sources, decrypt them in memory, and apply them or write them into a memory volume."),
    "check-config": Row("sidecar_check_config", "Check a configuration; with --schema print what it is checked against."),
}


@click.group(
    "sidecar",
    cls=HookGroup,
    table=TABLE,
    examples=(
        "secrettool sidecar run --config /etc/secrettool/sidecar.yaml",
        "secrettool sidecar run --once --mode render --source . --path overlays/production --target /run/secrets/app --age-key-file age.agekey",
        "secrettool sidecar check-config sidecar.yaml",
    ),
)
def command() -> None:
    """Decrypt inside a cluster: one program that applies Secrets, or writes them as files for the containers of its pod.

    It logs a line of JSON on stderr for each thing that happens, never with a value. Exit codes: 0 done, 1 unexpected, 2 usage or configuration, 5
    refused by the guard, 7 a secret does not open, 8 the cluster refused or is not there.
    """

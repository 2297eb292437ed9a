"""`secrettool keys`: keys of a cluster and of a whole repository."""

from __future__ import annotations

import click

from secrettool.cli.lazy import LazyGroup, Row

TABLE = {
    "create-secret": Row("keys_create_secret", "Make the Secret that Flux decrypts with, from an identity on stdin."),
    "rotate-recipient": Row("keys_rotate_recipient", "Replace a recipient by another one in a whole repository."),
}


@click.group(
    "keys",
    cls=LazyGroup,
    table=TABLE,
    examples=(
        "age-keygen | secrettool keys create-secret | kubectl apply -f -",
        "secrettool keys rotate-recipient age1old... age1new... .",
    ),
)
def command() -> None:
    """Keys of a cluster and of a whole repository. Private keys come from stdin and go to no disk."""

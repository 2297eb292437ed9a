"""`secrettool keys create-secret`."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

import click

from secrettool.cli import hookoutput, options
from secrettool.cli.streams import read_stdin, write_stdout
from secrettool.errors import ConfigError, UsageError

_SUFFIX = ".agekey"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\Z")
_ENTRY = re.compile(r"[-._a-zA-Z0-9]{1,253}\Z")


@click.command(
    "create-secret",
    cls=options.Command,
    examples=(
        "age-keygen | secrettool keys create-secret | kubectl apply -f -",
        "secrettool keys create-secret --namespace flux-system < /dev/shm/age.agekey | kubectl apply -f -",
        "pass show cluster/age | secrettool keys create-secret --watch --name sops-age | kubectl apply -f -",
    ),
)
@click.option("--name", default="sops-age", show_default=True, help="Name of the Secret.")
@click.option("--namespace", default="flux-system", show_default=True, help="Its namespace: that of the Flux Kustomization.")
@click.option("--entry", default="age.agekey", show_default=True, help="Name of the entry; Flux reads those that end in .agekey.")
@click.option("--watch", is_flag=True, help="Label it, so that a new key makes Flux reconcile at once.")
@click.option("--show", is_flag=True, help="Print it on a terminal too.")
def command(*, name: str, namespace: str, entry: str, watch: bool, show: bool) -> int:
    """Read age identities from stdin and print the Secret that Flux decrypts with.

    Every line has to be an identity that Flux takes, empty, or a comment; comments are left out. The private key goes from stdin to stdout and
    nowhere else: send it to kubectl, not to a file.
    """
    hookoutput.check_stdout(show)
    for text, what, form in ((name, "--name", _NAME), (namespace, "--namespace", _NAME), (entry, "--entry", _ENTRY)):
        if not form.match(text):
            raise UsageError(f"{what} is not a name that Kubernetes takes")
    if not entry.endswith(_SUFFIX):
        raise UsageError(f"Flux passes over the entry {entry}", hint=f"it reads entries whose name ends in {_SUFFIX}")
    write_stdout(_manifest(name, namespace, entry, _identities(read_stdin()), watch).encode("ascii"))
    return 0


def _identities(data: bytes) -> str:
    """The identities of a text, one on a line.

    Raises:
        ConfigError: A line is something else, or there is none.
    """
    from secrettool.keys.identity_text import parse_identities

    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        raise _refused("the text is not ASCII, as age identities are") from None
    lines = [line.strip() for line in text.splitlines()]
    try:
        found = parse_identities("\n".join(lines).encode("ascii"), "stdin", words=False, prompt=None)
    except ValueError as error:
        raise _refused(str(error)) from None
    if not found:
        raise _refused("there is no age identity in it")
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("#"))


def _refused(cause: str) -> ConfigError:
    error = ConfigError(cause, hint="give the text that age-keygen prints; Flux takes neither SSH keys nor files sealed with a passphrase")
    error.file = "stdin"
    return error


def _manifest(name: str, namespace: str, entry: str, identities: str, watch: bool) -> str:
    from secrettool.manifests import dump

    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    if watch:
        metadata["labels"] = {"reconcile.fluxcd.io/watch": "Enabled"}
    data = {entry: b64encode(identities.encode("ascii")).decode("ascii")}
    return dump([{"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}])

"""`secrettool hook decrypt`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from secrettool.cli import hookkeys, hookoutput, options, output
from secrettool.cli.streams import read_stdin, write_stdout
from secrettool.cli.textfiles import text_of
from secrettool.errors import Outcome

if TYPE_CHECKING:
    from secrettool.manifests import Manifest

_NAME = "stdin"


@click.command(
    "decrypt",
    cls=options.Command,
    examples=(
        "kustomize build overlays/production | secrettool hook decrypt | kubectl apply -f -",
        "secrettool hook decrypt --key-secret sops-age.yaml < manifests.yaml > plain.yaml",
        "secrettool hook decrypt --flux-kustomization apps.yaml --key-file age.agekey --no-env-keys --show < manifests.yaml",
        "secrettool hook decrypt --strict-flux --mac=skip < build.yaml   # what Flux does, and nothing more",
    ),
)
@hookkeys.keys
@hookkeys.strictness
@hookkeys.show
def command(**given: Any) -> int:
    """Read manifests (YAML documents or JSON objects) from stdin, decrypt them, and print them in the same order.

    Objects that hold nothing encrypted are printed as they were written. Nothing is printed when one object cannot be decrypted; all that cannot be
    are named. Lists are taken apart. Without --key-file, --key-secret and --age-secret the keys are those of the environment, as for `decrypt`.
    """
    hookoutput.check_stdout(given["show"])
    config = hookkeys.config(given)
    flux = hookkeys.flux_kustomization(given)
    found = list(_flattened(_read()))
    from secrettool.hook.keysecret import is_decrypting
    from secrettool.manifests import dump_stream

    if flux is not None and not is_decrypting(flux):
        output.warning(f"{flux} does not ask for decryption by sops: nothing is decrypted")
        write_stdout(dump_stream(found).encode("utf-8", "surrogateescape"))
        return Outcome.DONE
    from secrettool.hook.decryptor import Decryptor
    from secrettool.hook.integrity import verified_macs

    with hookkeys.open_keys(given) as keys:
        hookoutput.tell_findings(keys.warnings)
        macs = frozenset() if config.mac == "skip" else verified_macs(found, keys)
        report = Decryptor(config, keys, macs=macs).run(manifest.obj for manifest in found)
    hookoutput.tell_findings(report.warnings)
    if report.errors:
        return hookoutput.tell_errors(report.errors)
    plain = (manifest.having(outcome.obj) for manifest, outcome in zip(found, report.outcomes, strict=True))
    write_stdout(dump_stream(plain).encode("utf-8", "surrogateescape"))
    return Outcome.DONE


def _read() -> list[Manifest]:
    from secrettool.manifests import read

    return read(text_of(read_stdin(), _NAME), file=_NAME)


def _flattened(manifests: list[Manifest]) -> Iterator[Manifest]:
    """The manifests with the items of every List in its place."""
    from secrettool.manifests import flatten_lists

    for manifest in manifests:
        for obj in flatten_lists([manifest.obj]):
            yield manifest.having(obj)

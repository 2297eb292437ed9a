"""`secrettool krm install`."""

from __future__ import annotations

import os
import sys

import click

from secrettool import fs
from secrettool.cli import options, output
from secrettool.errors import OutputError, UsageError

_MODE = 0o755
_LONGEST = 120  # bytes of the interpreter's path; kernels read 127 of the line

_MARK = b"# secrettool krm: launcher"

_SCRIPT = b"""#!%(python)s -P
%(mark)s
import sys

from secrettool.__main__ import main

sys.exit(main(["krm", *sys.argv[1:]]))
"""

_PLACES = ("viaduct.ai/v1/ksops/ksops", "secrettool.dev/v1alpha1/secretgenerator/SecretGenerator", "secrettool.dev/v1alpha1/decrypt/Decrypt")
"""`<group>/<version>/<kind in lower case>/<kind>`, which is where kustomize looks."""


@click.command(
    "install",
    cls=options.Command,
    examples=(
        "secrettool krm install ~/.config/kustomize/plugin",
        "secrettool krm install --force /plugins   # in an init container; then KUSTOMIZE_PLUGIN_HOME=/plugins",
    ),
)
@click.argument("folder", metavar="DIR", type=click.Path())
@click.option("--force", is_flag=True, help="Replace files that are no launchers of secrettool, such as the program ksops.")
def command(folder: str, force: bool) -> int:
    """Write a launcher for each kind of configuration below DIR, the plugin home of kustomize, so that they work as exec plugins.

    A launcher is a file of a few lines that calls this installation of secrettool; no shell is needed to write or to run it. With
    `kustomize build --enable-alpha-plugins` and without the annotation for functions, configurations are then given to it.
    """
    python = os.fsencode(sys.executable)
    if not python or len(python) > _LONGEST or set(python) & set(b" \t\n"):
        hint = "install secrettool into an environment with a short path without blanks"
        raise UsageError("the path of this Python cannot stand in the first line of a script", hint=hint)
    script = _SCRIPT % {b"python": python, b"mark": _MARK}
    paths = [os.path.join(folder, *place.split("/")) for place in _PLACES]
    for path in paths:
        _check(path, force)
    for path in paths:
        _write(path, script)
        output.note(f"wrote {path}")
    return 0


def _check(path: str, force: bool) -> None:
    if os.path.lexists(path) and not force and (not os.path.isfile(path) or _MARK not in fs.read(path)[0]):
        refused = OutputError("there is a file that is no launcher of secrettool", hint="--force replaces it")
        refused.file = path
        raise refused


def _write(path: str, script: bytes) -> None:
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.islink(path):
            os.unlink(path)  # what it points to, such as a program that others use, is not ours to replace
        fs.replace(path, script)
        os.chmod(path, _MODE)
    except OSError as error:
        refused = OutputError(f"cannot be written: {(error.strerror or 'unknown error').lower()}")
        refused.file = path
        raise refused from None

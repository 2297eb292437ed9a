"""`secrettool cmp discover`."""

from __future__ import annotations

import os
import re

import click

from secrettool import fs
from secrettool.cli import options
from secrettool.errors import InputError, Outcome

_MAX_BYTES = 5 * 1024 * 1024
_SEALED = re.compile(rb"ENC\[AES256_GCM,data:")
_SECTION = re.compile(rb'(?m)^\s*sops\s*:|"sops"\s*:|^\[sops\]|^sops_mac=')
_GENERATOR = re.compile(rb"(?m)^apiVersion:\s*[\"']?(viaduct\.ai|secrettool\.dev)/")


@click.command("discover", cls=options.Command, examples=("cd apps/web && secrettool cmp discover",))
def command() -> int:
    """Print one line when the current folder holds a SOPS document, or the configuration of a generator that secrettool is; print nothing otherwise.

    Argo CD takes the plugin for applications for which this prints something. No key is used, and nothing is parsed: it looks for marks.
    """
    for folder, folders, names in os.walk("."):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(names):
            path = os.path.normpath(os.path.join(folder, name))
            if os.path.isfile(path) and not os.path.islink(path) and _opens(path):
                click.echo(path)
                return Outcome.DONE
    return Outcome.DONE


def _opens(path: str) -> bool:
    try:
        data, _ = fs.read(path, limit=_MAX_BYTES)
    except InputError:
        return False
    return _GENERATOR.search(data) is not None or (_SEALED.search(data) is not None and _SECTION.search(data) is not None)

"""`secrettool cmp discover`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import click

from secrettool import fs
from secrettool.cli import options
from secrettool.errors import InputError, Outcome, SecrettoolError
from secrettool.hook.kustomization import NAMES, read_kustomization

_MAX_BYTES = 5 * 1024 * 1024
_SEALED = re.compile(rb"ENC\[AES256_GCM,data:")
_SECTION = re.compile(rb'(?m)^\s*sops\s*:|"sops"\s*:|^\[sops\]|^sops_mac=')
_GENERATOR = re.compile(rb"(?m)^apiVersion:\s*[\"']?(viaduct\.ai|secrettool\.dev)/")


@click.command("discover", cls=options.Command, examples=("cd apps/web && secrettool cmp discover",))
def command() -> int:
    """Print one line when the current folder holds a SOPS document, or the configuration of a generator that secrettool is; nothing otherwise.

    Folders that its kustomization files name count, too.

    Argo CD takes the plugin for applications for which this prints something. No key is used: it looks for marks.
    """
    for path in _files():
        if _opens(path):
            click.echo(os.path.relpath(path))
            break
    return Outcome.DONE


def _files() -> Iterator[str]:
    """The files below the current folder, then those below the folders that kustomization files name."""
    waiting = [os.path.realpath(".")]
    seen: set[str] = set()
    while waiting:
        for folder, folders, names in os.walk(waiting.pop(0)):
            if folder in seen:
                folders.clear()
                continue
            seen.add(folder)
            folders[:] = sorted(name for name in folders if name != ".git")
            for name in sorted(names):
                path = os.path.join(folder, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    yield path
                if name in NAMES:
                    waiting += _named(path)


def _named(path: str) -> list[str]:
    """The folders that a kustomization file names and that are there; a broken file names none."""
    try:
        found = read_kustomization(fs.read(path, limit=_MAX_BYTES)[0], path)
    except SecrettoolError:
        return []
    folder = os.path.dirname(path)
    places = (os.path.realpath(os.path.join(folder, name)) for name in (*found.resources, *found.components))
    return [place for place in places if os.path.isdir(place)]


def _opens(path: str) -> bool:
    try:
        data, _ = fs.read(path, limit=_MAX_BYTES)
    except InputError:
        return False
    return _GENERATOR.search(data) is not None or (_SEALED.search(data) is not None and _SECTION.search(data) is not None)

"""MACs of a stream of manifests, checked on its text before the objects are opened one by one.

An object alone often cannot show that its MAC fits: the MAC of a file goes over all its documents in order, and dates and comments look different
once the text is gone. What is checked here need not be checked there.

Source: sops 3.13 sops.go (Tree.Decrypt: the MAC of all documents); stores/yaml/store.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from secrettool.errors import HookError
from secrettool.hook.entry import load, open_document
from secrettool.hook.marker import StoreName
from secrettool.manifests import Manifest, dump_stream
from secrettool.objects import section

if TYPE_CHECKING:
    from secrettool.hook.model import KeyRing


def verified_macs(manifests: Iterable[Manifest], keys: KeyRing) -> frozenset[str]:
    """The `sops.mac` texts that fit; documents with the same one are one file. What does not open is left to whoever opens it for good."""
    return frozenset(mac for mac, file in sealed_together(manifests).items() if _fits(file, keys))


def sealed_together(manifests: Iterable[Manifest]) -> dict[str, list[Manifest]]:
    """The encrypted documents by their `sops.mac` text: those with the same one were encrypted as one file."""
    files: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        mac = section(manifest.obj, "sops").get("mac")
        if isinstance(mac, str) and mac:
            files.setdefault(mac, []).append(manifest)
    return files


def _fits(file: list[Manifest], keys: KeyRing) -> bool:
    text = dump_stream(file)
    store: StoreName = "json" if len(file) == 1 and text.lstrip().startswith("{") else "yaml"
    try:
        document, metadata = load(text.encode("utf-8", "surrogateescape"), store)
        return open_document(document, metadata, keys, mac="try")[1]
    except HookError:
        return False

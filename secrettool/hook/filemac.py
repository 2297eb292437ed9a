"""The MACs of encrypted files that the build reads as they are: manifests among the resources, and files that no reference opens.

After the build an object's own MAC cannot fit any more, since transformers have changed it. So each file is checked before, as the whole that was
encrypted; what is opened later is looked up by its `sops.mac` text.

Source: decisions are ours (Flux checks no MAC).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from secrettool import manifests
from secrettool.errors import FormatError, HookError, KeyUnavailable
from secrettool.flux import NEWEST
from secrettool.flux.selectors import DECRYPT, is_decryption_disabled
from secrettool.hook.entry import load, open_document
from secrettool.hook.integrity import sealed_together
from secrettool.hook.marker import marked_formats

if TYPE_CHECKING:
    from secrettool.hook.marker import StoreName
    from secrettool.hook.model import KeyRing


def macs_of_manifest(path: str, data: bytes, keys: KeyRing, *, open_disabled: bool = False) -> set[str]:
    """Check the encrypted documents of a manifest.

    Documents with the same `sops.mac` were encrypted together and are checked together, in their order; a file may hold several such sets, and
    plain documents beside them. What no key opens is passed over, as is what is no SOPS document after all: the resource stage meets it again, if it
    survives the build. Objects that are not to be decrypted are not opened here either.

    Args:
        path: The name of the file, which tells JSON from YAML.
        data: Its content.
        keys: What opens data keys.
        open_disabled: As in `HookConfig`.

    Returns:
        The `sops.mac` texts that were verified.

    Raises:
        IntegrityError: `HK114`: something was changed, removed, added or moved.
        HookError: `HK112`, `HK113`: a value does not open.
    """
    if b"sops" not in data or b"ENC[" not in data:
        return set()
    store: StoreName = "json" if path.endswith(".json") else "yaml"
    if b"\n---" not in data and (open_disabled or DECRYPT.encode() not in data):
        return _verified(data, store, keys)
    verified: set[str] = set()
    for text in _sealed_together(data, open_disabled=open_disabled):
        verified |= _verified(text, store, keys)
    return verified


def macs_of_text(data: bytes, keys: KeyRing) -> set[str]:
    """Check a file that was left as it is because its reference asks for another format than it has.

    Raises:
        IntegrityError: As `macs_of_manifest`.
        HookError: As `macs_of_manifest`.
    """
    for store in marked_formats(data):
        verified = _verified(data, store, keys)
        if verified:
            return verified
    return set()


def _verified(data: bytes, store: StoreName, keys: KeyRing) -> set[str]:
    try:
        document, metadata = load(data, store)
    except HookError:
        return set()
    try:
        open_document(document, metadata, keys, mac="require")
    except KeyUnavailable:
        return set()
    return {metadata.mac}


def _sealed_together(data: bytes, *, open_disabled: bool) -> list[bytes]:
    """The documents of a manifest that are to be decrypted, those that were encrypted together in one text."""
    try:
        found = manifests.read(data.decode("utf-8", "surrogateescape"), file=None)
    except FormatError:
        return []
    return [
        "---\n".join(manifest.text for manifest in sealed).encode("utf-8", "surrogateescape")
        for sealed in sealed_together(found).values()
        if open_disabled or not all(is_decryption_disabled(manifest.obj, NEWEST) for manifest in sealed)
    ]

"""Changing keys: a new data key for the same values, or other master keys for the same data key.

Source: sops 3.13 cmd/sops/rotate.go, cmd/sops/subcommand/{updatekeys,groups}.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Seq

from secrettool.errors import ConfigError
from secrettool.sops.document import Runtime, SealedFile, rewrap
from secrettool.sops.envelope import DATA_KEY_SIZE, NONCE_SIZE, Cipher, DataKey, additional_data, nonce_of
from secrettool.sops.keygroups import KeyGroup, MasterKey, stated_threshold, wrap_data_key
from secrettool.sops.metadata import Metadata, section_of
from secrettool.sops.notation import NONCE_SIZE as NOTATION_NONCE_SIZE
from secrettool.sops.notation import seal_notation
from secrettool.sops.opening import OpenedFile
from secrettool.sops.tree import Comment, TreePath, walk
from secrettool.sops.values import plain_text


class _Rekeying:
    """The `Resealer` for a change that leaves text and values alone: another data key, or only another section."""

    def __init__(
        self, file: SealedFile, metadata: Metadata, envelopes: list[str | None], notation: str | None, extra: Callable[[str, TreePath], str | None]
    ) -> None:
        self.envelopes = envelopes
        self.section = section_of(metadata)
        self.notation = notation
        self.extra = extra


def change_groups(file: SealedFile, data_key: DataKey, groups: tuple[KeyGroup, ...], threshold: int, runtime: Runtime) -> bytes:
    """Seal the same data key for other key groups; values, MAC and time stay.

    Raises:
        ConfigError: An empty group, or a threshold that does not fit.
    """
    if not groups or any(not group for group in groups):
        raise ConfigError("empty key group provided", hint="give at least one recipient, for instance --age age1...")
    wrapped = rewrap(file.metadata, groups, threshold, data_key, runtime)
    metadata = file.metadata._replace(groups=wrapped, shamir_threshold=stated_threshold(threshold, len(groups)))
    envelopes: list[str | None] = [None for _ in walk(file.document.tree)]
    return file.store.reseal(file.document, _Rekeying(file, metadata, envelopes, file.document.notation, lambda envelope, path: None))


def rotate(file: SealedFile, opened: OpenedFile, runtime: Runtime, *, add: Seq[MasterKey] = (), remove: Seq[MasterKey] = ()) -> bytes:
    """Encrypt every value under a new data key; keys may be added to the first group and removed from all.

    The nonces stay, as in the reference: they are fresh under the new key.

    Raises:
        ConfigError: No master key is left in a group.
    """
    gone = {(key.kind, key.text) for key in remove}
    groups = [*file.metadata.groups]
    groups[0] = (*groups[0], *add)
    groups = [tuple(key for key in group if (key.kind, key.text) not in gone) for group in groups]
    data_key = DataKey(runtime.entropy(DATA_KEY_SIZE))
    cipher = Cipher(data_key)
    wrapped = wrap_data_key(groups, file.metadata.shamir_threshold, data_key, runtime.keyring, runtime.entropy)
    envelopes: list[str | None] = []
    for (node, path, _), was in zip(walk(file.document.tree), opened.opened, strict=True):
        if was is None:
            envelopes.append(None)
            continue
        nonce = nonce_of(node.text if isinstance(node, Comment) else plain_text(node.value))
        fresh = nonce if len(nonce) == NONCE_SIZE else runtime.entropy(NONCE_SIZE)
        kind = "str" if was.kind == "bytes" else was.kind
        envelopes.append(cipher.seal(was.text, kind, aad=additional_data(path), nonce=fresh))
    lastmodified = runtime.now()
    digest = opened.mac_text
    mac = cipher.seal(digest, "str", aad=lastmodified.encode("ascii"), nonce=runtime.entropy(NONCE_SIZE))
    threshold = stated_threshold(file.metadata.shamir_threshold, len(groups))
    metadata = file.metadata._replace(groups=wrapped, shamir_threshold=threshold, lastmodified=lastmodified, mac=mac)
    notation = seal_notation(opened.notation.items(), cipher, mac, runtime.entropy(NOTATION_NONCE_SIZE))

    def reseal(envelope: str, path: TreePath) -> str | None:
        text = opened.extra(envelope, path)
        if text is None:
            return None
        return cipher.seal(text, envelope[envelope.rindex("type:") + 5 : -1], aad=additional_data(path), nonce=runtime.entropy(NONCE_SIZE))

    return file.store.reseal(file.document, _Rekeying(file, metadata, envelopes, notation, reseal))

"""Sealing a tree: every selected leaf and comment becomes an envelope, and the MAC is taken on the way.

Source: sops 3.13 sops.go (Tree.Encrypt), cmd/sops/common/common.go (EncryptTree).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from secrettool.errors import TreeEncryptError
from secrettool.sops.envelope import NONCE_SIZE, Cipher, additional_data
from secrettool.sops.mac import Mac
from secrettool.sops.metadata import Metadata, section_of
from secrettool.sops.notation import NONCE_SIZE as NOTATION_NONCE_SIZE
from secrettool.sops.notation import seal_notation
from secrettool.sops.reuse import Reuse
from secrettool.sops.selection import DEFAULT_SELECTOR, Selection
from secrettool.sops.store import Document, NotationEntry, Sealed
from secrettool.sops.tree import Branch, Comment, Leaf, Tree, TreePath, Visit, dotted, substitute, walk
from secrettool.sops.values import Kind, Time, kind_of, plain_text

Entropy = Callable[[int], bytes]
"""Returns that many random bytes, fit for keys."""

_new = tuple.__new__  # what `Sealed(...)` comes down to, at half the time

NONCE_BLOCK = 128 * NONCE_SIZE  # bytes


def _check_zone(text: str, path: TreePath) -> None:
    """Refuse a zone of 24 hours in a value that is encrypted or hashed: YAML takes it, the format cannot print it (Go: Time.MarshalText)."""
    if text[-6] in "+-" and int(text[-5:-3]) > 23:
        raise TreeEncryptError("timezone hour outside of range [0,23]", where=dotted(path), hint="write the time in UTC, or as a string in quotes")


def _nonces(entropy: Entropy) -> Iterator[bytes]:
    """Fresh nonces, drawn by the hundred: a system call for each would cost a third of the encryption."""
    while True:
        block = entropy(NONCE_BLOCK)
        for start in range(0, NONCE_BLOCK, NONCE_SIZE):
            yield block[start : start + NONCE_SIZE]


class TreeSealer:
    """Seals the tree of one document; afterwards it is the `Sealer` that the store writes the text with.

    Args:
        document: Parsed plain text.
        metadata: What the section will say, but for `mac`, which is computed here over `lastmodified`.
        cipher: Cipher of the file's data key.
        entropy: Source of nonces.
        reuse: Envelopes that may stay.

    Raises:
        TreeEncryptError: The tree holds something that the format cannot encrypt.
    """

    def __init__(self, document: Document, metadata: Metadata, cipher: Cipher, entropy: Entropy, reuse: Reuse | None = None) -> None:
        self._document = document
        self._cipher = cipher
        self._entropy = entropy
        self._nonces = _nonces(entropy)
        self._reuse = reuse
        # Binary files have no selector: everything is encrypted, which is what the default does to the one key `data`.
        self._selection = Selection(metadata.selector or DEFAULT_SELECTOR)
        self.matched = 0
        """Leaves that were encrypted."""
        self.visited = 0
        """Leaves that could have been."""
        self.seals: list[Sealed | None] = []
        """See `Sealer`."""
        mac = Mac(metadata.mac_only_encrypted)
        self._seal_all(mac)
        sealed_mac = cipher.seal(mac.text(), "str", aad=metadata.lastmodified.encode("ascii"), nonce=entropy(NONCE_SIZE))
        self.metadata = metadata._replace(mac=sealed_mac)
        self.section: Branch = section_of(self.metadata)

    def selects(self, path: TreePath) -> bool:
        """See `Sealer`."""
        return self._selection.by_path(path)

    def selects_visit(self, visit: Visit) -> bool:
        """See `Sealer`."""
        return self._selection.by_visit(visit)

    def extra(self, text: str, kind: Kind, path: TreePath) -> str:
        """See `Sealer`."""
        kept = self._reuse.extra(text, path) if self._reuse is not None else None
        return kept if kept is not None else self._seal(text, kind, path)

    def notation(self, entries: list[NotationEntry]) -> str | None:
        """See `Sealer`."""
        return seal_notation(entries, self._cipher, self.metadata.mac, self._entropy(NOTATION_NONCE_SIZE))

    def sealed_tree(self) -> Tree:
        """The tree with envelopes for leaves and comments, for a store that prints it."""
        nodes: list[Leaf | Comment | None] = []
        for visit, sealed in zip(walk(self._document.tree), self.seals, strict=True):
            if sealed is None:
                nodes.append(None)
            elif isinstance(visit.node, Comment):
                nodes.append(Comment(sealed.envelope, visit.node.inline))
            else:
                nodes.append(Leaf(sealed.envelope))
        return substitute(self._document.tree, nodes)

    def _seal_all(self, mac: Mac) -> None:
        """Visit the tree once. Files have tens of thousands of values: what this loop does not need, it does not do."""
        selects, count, add = self._selection.by_visit, mac.add, self.seals.append
        seal, nonces, fresh = self._cipher.seal, self._nonces, self._reuse is None
        visited = matched = 0
        for visit in walk(self._document.tree):
            node, path, _ = visit
            selected = selects(visit)
            if isinstance(node, Comment):
                add(self._comment(node, path) if selected and node.text else None)
                continue
            visited += 1
            value = node.value
            if not selected or value == "":
                if isinstance(value, Time) and not mac.only_encrypted:
                    _check_zone(value.text, path)
                add(None)
            else:
                matched += 1
                if fresh and isinstance(value, str):
                    envelope = seal(value, "str", aad=additional_data(path), nonce=next(nonces))
                    add(_new(Sealed, (envelope, "str", value, False)))
                else:
                    add(self._leaf(node, path))
            count(node.value, selected)
        self.visited, self.matched = visited, matched

    def _leaf(self, leaf: Leaf, path: TreePath) -> Sealed:
        if self._reuse is not None:
            kept = self._reuse.leaf(self._document, leaf, path)
            if kept is not None:
                leaf.value = kept.value  # the type that the envelope says; the canonical text is the same
                return kept.sealed
        value = leaf.value
        if isinstance(value, Time):
            _check_zone(value.text, path)
        kind, text = kind_of(value), leaf.plain if leaf.plain is not None else plain_text(value)
        return Sealed(self._seal(text, kind, path), kind, text)

    def _comment(self, comment: Comment, path: TreePath) -> Sealed:
        kept = self._reuse.comment(self._document, comment, path) if self._reuse is not None else None
        sealed = kept or Sealed(self._seal(comment.text, "comment", path), "comment", comment.text)
        if self._selection.refuses(sealed.envelope):
            raise TreeEncryptError(
                "Encrypted comment matches UnencryptedCommentRegex! The file could not be decrypted again",
                where=dotted(path) or None,
                hint="write the expression so that it cannot match an encrypted comment, for instance with ^ and $",
            )
        return sealed

    def _seal(self, text: str, kind: Kind, path: TreePath) -> str:
        return self._cipher.seal(text, kind, aad=additional_data(path), nonce=next(self._nonces))

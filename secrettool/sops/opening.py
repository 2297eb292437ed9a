"""Opening a tree: every selected envelope becomes a value again, and the MAC says whether anything was changed.

Source: sops 3.13 sops.go (Tree.Decrypt), cmd/sops/common/common.go (DecryptTree).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from secrettool.errors import MacError, NotSealedError, TreeDecryptError
from secrettool.sops.envelope import Cipher, DataKey, EnvelopeError, NoEnvelopeError, Opened, additional_data, looks_sealed
from secrettool.sops.mac import Mac
from secrettool.sops.metadata import Metadata
from secrettool.sops.notation import open_notation
from secrettool.sops.selection import DEFAULT_SELECTOR, Selection
from secrettool.sops.store import Document
from secrettool.sops.tree import NOWHERE, Comment, Leaf, Tree, TreePath, dotted, substitute, walk
from secrettool.sops.values import parse_plain


class OpenedFile:
    """An encrypted document whose values are known. It is the `Opener` that its store writes the plain text with.

    Args:
        document: The parsed encrypted text.
        metadata: Its metadata.
        data_key: The data key.
        ignore_mac: Skip the comparison of the MAC; the values are authenticated all the same, each under its path.

    Raises:
        TreeDecryptError: A value does not open; `where` is its key path.
        MacError: The MAC is missing, does not open, or differs.

    Attributes:
        opened: One entry per visit: what was in the envelope, or None where the text is clear.
        nodes: One entry per visit: the plain leaf or comment, or None where the text is clear.
        unencrypted_comments: How many comments stand in clear where the selector would have them encrypted.
        extras: Envelopes outside the walk that were opened on the way, by plaintext and path; for reuse.
    """

    def __init__(self, document: Document, metadata: Metadata, data_key: DataKey, *, ignore_mac: bool = False) -> None:
        self.document = document
        self.metadata = metadata
        self.data_key = data_key
        self.cipher = Cipher(data_key)
        self.unencrypted_comments = 0
        self.extras: dict[tuple[str, TreePath], str] = {}
        self.opened: list[Opened | None] = []
        self.nodes: list[Leaf | Comment | None] = []
        self._selection = Selection(metadata.selector or DEFAULT_SELECTOR)
        mac = Mac(metadata.mac_only_encrypted)
        self._open_all(mac)
        self.mac_text = mac.text()
        """Digest of the values; an unkeyed hash of secrets, only ever to be sealed."""
        if not ignore_mac:
            self.check_mac()
        self.notation: Mapping[int, str | None] = open_notation(document.notation, self.cipher, metadata.mac)

    @property
    def tree(self) -> Tree:
        """The plain tree, with the types that the envelopes say; its nodes stand in no text."""
        return substitute(self.document.tree, self.nodes)

    def extra(self, envelope: str, path: TreePath) -> str | None:
        """See `Opener`."""
        if not looks_sealed(envelope):
            return None
        try:
            text = self.cipher.open(envelope, aad=additional_data(path)).text
        except EnvelopeError:
            return None
        self.extras[text, path] = envelope
        return text

    def _open_all(self, mac: Mac) -> None:
        """Visit the tree once. Files have tens of thousands of values: what this loop does not need, it does not do."""
        selects, open_leaf, count, refuse = self._selection.by_visit, self.cipher.open, mac.add, self._refuse
        opened_of_all, nodes = self.opened.append, self.nodes.append
        for visit in walk(self.document.tree):
            node, path, _ = visit
            selected = selects(visit)
            if isinstance(node, Comment):
                self._comment(node, path, selected)
            elif not selected or node.value == "":
                count(node.value, selected)
                opened_of_all(None)
                nodes(None)
            else:
                envelope = node.value
                if not isinstance(envelope, str):
                    raise TreeDecryptError(f"Expected encrypted value as string, but got {type(envelope).__name__}", where=dotted(path))
                try:
                    opened = open_leaf(envelope, aad=additional_data(path))
                    kind, text = opened
                    value = text if kind == "str" else parse_plain(kind, text)
                except ValueError as error:
                    refuse(error, path)
                opened_of_all(opened)
                if kind == "comment":
                    # sops writes comments inside lists as elements. They are no values: the MAC leaves them out.
                    nodes(Comment(text))
                else:
                    count(value, True)
                    nodes(Leaf(value, NOWHERE, NOWHERE, text))

    def _refuse(self, error: ValueError, path: TreePath) -> NoReturn:
        failure = NotSealedError if isinstance(error, NoEnvelopeError) else TreeDecryptError
        raise failure(
            f"Could not decrypt value: {error}",
            where=dotted(path),
            hint="the value or one of the keys above it was changed by hand, or it comes from another file",
        ) from None

    def _comment(self, comment: Comment, path: TreePath, selected: bool) -> None:
        opened = None
        if looks_sealed(comment.text):
            try:
                opened = self.cipher.open(comment.text, aad=additional_data(path))
            except EnvelopeError:
                opened = None
        if opened is None and selected and comment.text:
            self.unencrypted_comments += 1
        self.opened.append(opened)
        # sops forgets that it stood behind a value, so that printing the tree anew gives the comment a line of its own.
        self.nodes.append(None if opened is None else Comment(opened.text))

    def check_mac(self) -> None:
        """Compare the MAC with the values.

        Raises:
            MacError: It is missing, does not open, or differs.
        """
        stored = self.metadata.mac
        hint = "someone changed the file after it was encrypted; if that is fine, look at it with --ignore-mac and encrypt it again"
        if not stored:
            raise MacError("MAC mismatch: File has no MAC", where="sops.mac", hint=hint)
        try:
            opened = self.cipher.open(stored, aad=self.metadata.lastmodified.encode("ascii"))
        except EnvelopeError as error:
            raise MacError(
                f"Cannot decrypt MAC: {error}", where="sops.mac", hint="mac and lastmodified belong together: one of them was changed"
            ) from None
        if opened.text != self.mac_text:
            raise MacError("MAC mismatch: the values are not those that were encrypted", where="sops.mac", hint=hint)

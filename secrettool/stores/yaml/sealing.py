"""From plain text to encrypted text: spans of values become envelopes in the same style, everything else stays."""

from __future__ import annotations

import re

from secrettool.sops.store import NotationEntry, Sealed, Sealer
from secrettool.sops.tree import Comment, Leaf, TreePath, walk
from secrettool.stores.splice import Edit
from secrettool.stores.yaml import emit
from secrettool.stores.yaml.anchors import WAS_ALIAS, WAS_ALIAS_ABOVE
from secrettool.stores.yaml.blocks import block_of
from secrettool.stores.yaml.expand import clear_text, expand
from secrettool.stores.yaml.nodes import Alias, YamlBranch, YamlDocument, YamlLeaf, YamlSequence
from secrettool.stores.yaml.restore import DROPPED_TAGS, block_text, scalar_text
from secrettool.stores.yaml.scan import column_of
from secrettool.stores.yaml.styles import flow_scalar, is_simple
from secrettool.stores.yaml.visits import Copy, Visits, selected_bare

_TAG_OR_ANCHOR = re.compile(r"[!&]\S*")
_BESIDE = re.compile(r"[ \t]+(#[^\n\r\x85\u2028\u2029]*)")


class Sealing:
    """The edits that make a document's text the encrypted one, without the metadata block.

    Args:
        document: The plain document.
        sealer: What seals it.

    Attributes:
        edits: Spans to replace.
        entries: Notation that the styles of the envelopes cannot carry.
        expansions: Numbers of the edits that write a collection for an alias, each with the comments in it, in order.
        comments: The comments that stand in the text themselves, by their number of the visit.
        bare: Numbers of the empty comments in lists that are to be encrypted.
    """

    def __init__(self, document: YamlDocument, sealer: Sealer) -> None:
        self.document = document
        self.text = document.text
        self.sealer = sealer
        self.newline = document.newline
        self.edits: list[Edit] = []
        self.entries: list[NotationEntry] = []
        self.comments: dict[int, Comment] = {}
        self.expansions: list[tuple[int, list[tuple[Comment, TreePath]]]] = []
        targets = frozenset(id(node.alias.target) for node in document.aliases if node.alias is not None)
        self.visits = Visits(document.tree, targets)
        self.bare = selected_bare(self.visits, document.tree, sealer)
        self._paths: list[TreePath] | None = None
        self._run()

    @property
    def paths(self) -> list[TreePath]:
        """The path of every visit."""
        if self._paths is None:
            self._paths = [visit.path for visit in walk(self.document.tree)]
        return self._paths

    def _run(self) -> None:
        text, seals, nodes = self.text, self.sealer.seals, self.visits.nodes
        behind_aliases: set[int] = set()
        for copy in self.visits.copies:
            behind_aliases.update(range(copy.first, copy.end))
        append = self.edits.append
        for number, node in enumerate(nodes):
            if behind_aliases and number in behind_aliases:
                continue
            sealed = seals[number]
            if isinstance(node, Comment):
                self._comment(number, node, sealed)
            elif sealed is not None:
                start, end = node.start, node.end
                value = node.value
                simple = not node.style and not node.flow and node.properties is None
                if simple and isinstance(value, str) and text[start:end] == value and is_simple(value):
                    append((start, end, sealed.envelope))
                else:
                    self._leaf(number, node, sealed)
        for copy in self.visits.copies:
            if not self._may_stay(copy):
                self._expand(copy)
        if self.document.alias_keys:
            self._alias_keys()
        for comment, path in self.document.dropped:
            if comment.text and self.sealer.selects(path):
                append((comment.start + 1, comment.end, self.sealer.extra(comment.text, "comment", ())))

    # ---- comments -----------------------------------------------------------------------------------------------------------------------------

    def _comment(self, number: int, comment: Comment, sealed: Sealed | None) -> None:
        self.comments[number] = comment
        if sealed is not None:
            self.edits.append((comment.start + 1, comment.end, sealed.envelope))
        elif number in self.bare:
            # sops takes the empty comment of a list for "" and adds an element.
            self.edits.append((comment.start + 1, comment.end, self.sealer.extra(" ", "comment", self.paths[number])))
            self.entries.append((number, "#"))

    # ---- leaves -------------------------------------------------------------------------------------------------------------------------------

    def _leaf(self, number: int, leaf: YamlLeaf, sealed: Sealed) -> None:
        if sealed.bare and self._bare(leaf, sealed):
            return
        start, original = leaf.start, ""
        properties = leaf.properties
        if properties is not None and properties.tag in DROPPED_TAGS:
            if self._without_tag(number, leaf, sealed):
                return
            start = leaf.start
        if leaf.style in ("|", ">"):
            self._block(number, leaf, sealed)
            return
        text, end = self.text, leaf.end
        original = text[start:end]
        quote = leaf.style or ("'" if leaf.flow else "")
        self.edits.append((start, end, f"{quote}{sealed.envelope}{quote}"))
        self._note(number, leaf, sealed, quote, original)

    def _note(self, number: int, leaf: YamlLeaf, sealed: Sealed, style: str, original: str) -> None:
        """Keep the original where opening would print something else."""
        there = YamlLeaf(None, style=style, flow=leaf.flow, column=leaf.column, item=leaf.item)
        if scalar_text(there, leaf.value, sealed.plain, self.newline, one_line=self._beside(leaf.end)) != original:
            self.entries.append((number, original))

    def _beside(self, end: int) -> bool:
        return _BESIDE.match(self.text, end) is not None

    def _bare(self, leaf: YamlLeaf, sealed: Sealed) -> bool:
        """Put an envelope back as sops wrote it, plain, where opening it there prints what stands here."""
        if leaf.flow or leaf.properties is not None or not isinstance(leaf.value, str):
            return False
        token = self.text[leaf.start : leaf.end]
        if leaf.style in ("|", ">"):
            token = token.removesuffix(self.newline)
        end = leaf.start + len(token)
        if emit.scalar(leaf.value, column=leaf.column, item=leaf.item).replace("\n", self.newline) != token:
            return False
        self.edits.append((leaf.start, end, sealed.envelope))
        return True

    def _block(self, number: int, leaf: YamlLeaf, sealed: Sealed) -> None:
        assert isinstance(leaf.value, str)
        block = block_of(self.text, leaf, leaf.value)
        blanks = " " * block.indent
        if block.empty:
            self.edits.append((block.header, block.header, blanks + sealed.envelope + self.newline))
            self.entries.append((number, None))
            return
        original = self.text[block.header : block.end]
        self.edits.append((block.header, block.end, blanks + sealed.envelope))
        if block_text(leaf.style, block.indent, leaf.value, self._line_ending(block.header), digit=block.digit) != original:
            self.entries.append((number, original))

    def _line_ending(self, header: int) -> str:
        """The break in front of an offset."""
        return "\r\n" if self.text[header - 2 : header] == "\r\n" else self.text[header - 1]

    def _without_tag(self, number: int, leaf: YamlLeaf, sealed: Sealed) -> bool:
        """Replace a leaf together with its tag; False when a comment stands between them: then only the tag goes, and does not come back."""
        properties = leaf.properties
        assert properties is not None
        written = self.text[properties.start : leaf.start]
        end = leaf.end
        if leaf.style in ("|", ">") and isinstance(leaf.value, str):
            end = block_of(self.text, leaf, leaf.value).end
        found = next(match for match in _TAG_OR_ANCHOR.finditer(written) if match[0][0] == "!")
        start = properties.start + found.start()
        if any("#" in part for part in (written, self.text[leaf.start : end].split("\n")[0] if leaf.style in ("|", ">") else "")):
            self.edits.append((start, start + len(found[0]), ""))
            return False
        anchor = f"&{properties.anchor} " if properties.anchor is not None and found.start() == 0 else ""
        quote = "'" if leaf.flow else ""
        self.edits.append((start, end, f"{anchor}{quote}{sealed.envelope}{quote}"))
        self.entries.append((number, self.text[start:end]))
        return True

    # ---- aliases ------------------------------------------------------------------------------------------------------------------------------

    def _may_stay(self, copy: Copy) -> bool:
        """Whether all behind an alias is the same at its anchor: the same selection and, if encrypted, the same path."""
        if copy.first == copy.end:
            return True
        alias: Alias = copy.node.alias  # type: ignore[union-attr]
        first, end = self.visits.ranges.get(id(alias.target), (0, 0))
        if end - first != copy.end - copy.first:
            return False
        seals = self.sealer.seals
        for here, there in zip(range(copy.first, copy.end), range(first, end), strict=True):
            if (seals[here] is None) is not (seals[there] is None) or (seals[here] is not None and self.paths[here] != self.paths[there]):
                return False
        return True

    def _expand(self, copy: Copy) -> None:
        """Write what an alias means in its place, marked by an anchor."""
        node, number = copy.node, copy.first
        alias: Alias = node.alias  # type: ignore[union-attr]
        seals, sealer = self.sealer.seals, self.sealer

        def next_text(visit: Leaf | Comment) -> str:
            nonlocal number
            sealed = seals[number]
            number += 1
            if isinstance(visit, Comment):
                if number - 1 in self.bare:
                    return sealer.extra(" ", "comment", self.paths[number - 1])
                return visit.text if sealed is None else sealed.envelope
            return clear_text(self.text, visit) if sealed is None else f"'{sealed.envelope}'"

        if isinstance(node, YamlLeaf):
            sealed = seals[number]
            text = clear_text(self.text, node) if sealed is None else f"'{sealed.envelope}'" if node.flow else sealed.envelope
            self.edits.append((alias.start, alias.end, f"&{WAS_ALIAS}{alias.name} {text}"))
            return
        assert isinstance(node, YamlBranch | YamlSequence)
        beside = _BESIDE.match(self.text, alias.end)
        blanks = " " * (node.column + 4 if beside is None else column_of(self.text, alias.start))
        text = expand(node, self.newline + blanks, next_text)
        if beside is None:
            self.edits.append((alias.start, alias.end, f"&{WAS_ALIAS}{alias.name} {text}"))
        else:
            # A comment behind a flow collection would land inside it.
            self.edits.append((alias.start, alias.end, ""))
            self.edits.append((beside.end(), beside.end(), f"{self.newline}{blanks}&{WAS_ALIAS_ABOVE}{alias.name} {text}"))
        if self.document.comments:
            behind = zip(self.visits.nodes[copy.first : copy.end], self.paths[copy.first : copy.end], strict=True)
            self.expansions.append((len(self.edits) - 1, [(visit, path) for visit, path in behind if isinstance(visit, Comment)]))

    def _alias_keys(self) -> None:
        """Write out the keys that are aliases of encrypted values."""
        sealed = {id(node) for node, seal in zip(self.visits.nodes, self.sealer.seals, strict=True) if seal is not None}
        for item in self.document.alias_keys:
            alias = item.alias
            assert alias is not None
            if id(alias.target) in sealed:
                self.edits.append((alias.start, alias.end, f"&{WAS_ALIAS}{alias.name} {flow_scalar(item.key)}"))

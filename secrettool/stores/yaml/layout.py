"""Where the metadata block goes, so that taking it out gives the text back and every comment keeps its container.

At the end of a document go-yaml attributes comments differently when a key follows, and `sops:` is one. So places are tried in turn: the encrypted
text is read again, and the first place counts where leaves and comments are where they were.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import NamedTuple

from secrettool.sops.store import NotationEntry, Sealer
from secrettool.sops.tree import Comment, Item, Leaf, TreePath, walk
from secrettool.stores.splice import Edit, splice
from secrettool.stores.yaml.blocks import block_of
from secrettool.stores.yaml.nodes import Part, YamlBranch, YamlDocument, YamlLeaf, node_end
from secrettool.stores.yaml.read import read, take_sections
from secrettool.stores.yaml.scan import BREAK, column_of
from secrettool.stores.yaml.sealing import Sealing
from secrettool.stores.yaml.section import CLIP, EMPTY, KEEP, NO_BLANK_LINE, ROOT, Notes, block, flow_block
from secrettool.stores.yaml.visits import Visits, last_leaf

_MOST_PLACES = 12
_SKIP = re.compile("(?:[ \t\n\r\x85\u2028\u2029]|#[^\n\r\x85\u2028\u2029]*)*")
_ANY = "any"  # the text of a comment that is not to be compared
_Shape = list[tuple[TreePath, str | None, bool | None]]
"""Per visit: its path; for a comment what the encrypted text has behind its `#`, and when that is clear whether it stands beside a value."""


class Candidate(NamedTuple):
    """A place for the block of one document.

    Attributes:
        position: Offset in the plain text.
        before: What is inserted in front of the block.
        after: What is inserted behind it.
        column: Column of its key.
        flow: Whether it is written in flow style.
        layout: The layout note.
        final: Whether its last line ends with a line ending.
        edits: What else changes.
    """

    position: int
    before: str = ""
    after: str = ""
    column: int = 0
    flow: bool = False
    layout: str = ""
    final: bool = True
    edits: tuple[Edit, ...] = ()


def candidates(document: YamlDocument, part: Part, sealed: frozenset[int]) -> list[Candidate]:
    """The places for the block of one document, the best first.

    Args:
        document: The plain document.
        part: Which of its documents.
        sealed: Offsets of the leaves that are encrypted.
    """
    node = part.node
    if isinstance(node, YamlBranch) and node.flow:
        return _in_flow(document, node)
    text, newline, end = document.text, document.newline, part.end
    edits: tuple[Edit, ...] = ()
    column, layout = 0, EMPTY
    last = part.start
    if isinstance(node, YamlBranch):
        column, layout, last = node.column, "", node_end(node)
    else:
        edits, layout = _without_root(text, part, node)
    final = True
    if end == len(text):
        line = end - column_of(text, end)
        if line >= last and not text[line:].strip(" \t"):
            end = line  # blanks without a line ending stay behind the block
        final = end < len(text) or not text or text[-1] in "\n\r\x85\u2028\u2029"
    if isinstance(node, YamlBranch) and not final and (header := _chomping(text, node, sealed)) is not None:
        edits, layout = (header,), KEEP if text[header[0] : header[1]] == "+" else CLIP
    words = [layout] if layout else []
    first = [
        Candidate(end, "" if final else newline, "", column, False, layout, final, edits),
        Candidate(end, newline if final else newline * 2, "", column, False, ", ".join([*words, NO_BLANK_LINE]), final, edits),
    ]
    if not document.comments:
        return first[:1]
    starts = [found.end() for found in BREAK.finditer(text, last, end)]
    for start in starts[: _MOST_PLACES // 2]:
        if start < end:
            first.append(Candidate(start, "", "", column, False, layout, True, edits))
            first.append(Candidate(start, newline, "", column, False, ", ".join([*words, NO_BLANK_LINE]), True, edits))
    return first


def _without_root(text: str, part: Part, node: object) -> tuple[tuple[Edit, ...], str]:
    """Take the null at a document's root away: edits and layout note."""
    assert isinstance(node, YamlLeaf)
    start = node.start if node.properties is None else node.properties.start
    if BREAK.search(text, start, node.end):
        start = node.start  # tag and anchor on lines of their own may stand in front of the block
    if start == node.end:
        return (), EMPTY
    end = node.end + len(text[node.end :]) - len(text[node.end :].lstrip(" \t"))  # a tab may not start a line
    line = len(BREAK.findall(text, part.start, start))
    return ((start, end, ""),), f"{ROOT} {text[start:end]} at line {line}, column {column_of(text, start)}"


def _chomping(text: str, root: YamlBranch, sealed: frozenset[int]) -> Edit | None:
    """The change of its header by which a clear block scalar at the very end does not gain the break in front of the block."""
    leaf = last_leaf(root)
    if leaf is None or leaf.style not in ("|", ">") or leaf.start in sealed or not isinstance(leaf.value, str):
        return None
    if leaf.end != len(text) or not leaf.value or leaf.value.endswith("\n"):
        return None
    parts = block_of(text, leaf, leaf.value)
    if parts.strips:
        return None
    if parts.keeps:
        plus = text.index("+", leaf.start)
        return plus, plus + 1, "-"
    return parts.indicator, parts.indicator, "-"


def _in_flow(document: YamlDocument, root: YamlBranch) -> list[Candidate]:
    """The places in a root in flow style: in front of its brace or behind its last value; after a trailing comma with one of its own."""
    text, brace = document.text, root.end - 1
    column = column_of(text, root.start)
    items = [item for item in root.items if isinstance(item, Item)]
    if not items:
        return [Candidate(brace, "", "", column, True)]
    last = node_end(items[-1].value)
    skipped = _SKIP.match(text, last)
    assert skipped is not None
    comma = skipped.end()
    if text[comma] == ",":
        return [Candidate(brace, "", ",", column, True), Candidate(comma + 1, "", ",", column, True)]
    return [Candidate(brace, ", ", "", column, True), Candidate(last, ", ", "", column, True)]


class Assembly:
    """The encrypted text of a document, with a place chosen for each block.

    Args:
        document: The plain document.
        sealer: What seals it.
    """

    def __init__(self, document: YamlDocument, sealer: Sealer) -> None:
        self.document = document
        self.sealer = sealer
        self.sealing = Sealing(document, sealer)
        sealed = frozenset(
            node.start for node, seal in zip(self.sealing.visits.nodes, sealer.seals, strict=True) if seal is not None and isinstance(node, Leaf)
        )
        self.places = [candidates(document, part, sealed) for part in document.parts]
        self.chosen = [0] * len(self.places)
        self.notation = sealer.notation(self.sealing.entries) if self.sealing.entries else None

    def run(self) -> str:
        """The encrypted text."""
        text = self.text()
        if not self.document.comments:
            return text
        wanted = self.wanted()
        failed: set[int] = set()
        while True:
            check = read(text)
            take_sections(check)
            bad = [number for number, shape in enumerate(wanted) if number not in failed and not _same(shape, check, number)]
            if not bad:
                break
            for number in bad:
                self.chosen[number] += 1
                if self.chosen[number] == len(self.places[number]):
                    self.chosen[number] = 0
                    failed.add(number)
            text = self.text()
        if failed:
            self.move_comments(check)
            text = self.text()
            self.document.fragile = True  # rare enough to be opened again before anybody relies on it
        return text

    def edits(self) -> list[Edit]:
        """All changes of the plain text."""
        edits = list(self.sealing.edits)
        for number, options in enumerate(self.places):
            place = options[self.chosen[number]]
            notes = Notes(self.notation if number == 0 else None, place.layout)
            write = flow_block if place.flow else block
            text = write(self.sealer.section, place.column, self.document.newline, notes)
            if not place.final:
                text = text.removesuffix(self.document.newline)
            edits += place.edits
            edits.append((place.position, place.position, place.before + text + place.after))
        return edits

    def text(self) -> str:
        """The encrypted text with the blocks at the chosen places."""
        return splice(self.document.text, self.edits())

    def wanted(self) -> list[_Shape]:
        """The shape of each document in the plain text."""
        shapes: list[_Shape] = []
        number = 0
        copied: set[int] = set()
        for copy in self.sealing.visits.copies:
            copied.update(range(copy.first, copy.end))
        for root in self.document.tree:
            shape: _Shape = []
            for visit in walk([root]):
                node, seal = visit.node, self.sealer.seals[number]
                text, inline = None, None
                if isinstance(node, Comment):
                    text = _ANY if number in self.sealing.visits.bare or number in copied else node.text if seal is None else seal.envelope
                    inline = node.inline if text == node.text else None
                shape.append((visit.path, text, inline))
                number += 1
            shapes.append(shape)
        return shapes

    def move_comments(self, check: YamlDocument) -> None:
        """Seal the comments that changed their container under the new one, and number the notation anew.

        Args:
            check: The encrypted text as it reads with the chosen places.
        """
        sealing, sealer = self.sealing, self.sealer
        moves = _Moves(self.edits(), check, sealer)
        # What an alias is written out as may be inserted at the same place, behind an empty comment.
        sealed = {edit[:2]: index for index, edit in enumerate(sealing.edits) if edit[2].startswith("ENC[")}
        comments: list[tuple[int | None, Comment, TreePath]]
        comments = [(number, comment, sealing.paths[number]) for number, comment in sealing.comments.items()]
        comments += [(None, comment, ()) for comment, _ in self.document.dropped]
        for number, comment, path in comments:
            place = moves.behind(comment.start)
            there = moves.paths.get(place)
            index = sealed.get((comment.start + 1, comment.end))
            if there is not None and index is None and place in moves.bare:
                # As in `Sealing`: sops takes the empty comment of a list for "".
                sealing.edits.append((comment.start + 1, comment.end, sealer.extra(" ", "comment", there)))
                sealing.entries += [] if number is None else [(number, "#")]
            elif there is None or there == path:
                continue
            elif index is not None:
                sealing.edits[index] = (comment.start + 1, comment.end, sealer.extra(comment.text or " ", "comment", there))
            elif comment.text and place in moves.selected:
                sealing.edits.append((comment.start + 1, comment.end, sealer.extra(comment.text, "comment", there)))
        for index, copies in sealing.expansions:
            self.move_copies(index, copies, moves)
        self.notation = sealer.notation(self.renumbered(moves)) if sealing.entries else None

    def move_copies(self, index: int, copies: list[tuple[Comment, TreePath]], moves: _Moves) -> None:
        """The same for the comments that were copied for an alias.

        Args:
            index: Which edit writes the copies.
            copies: The comments with their paths, in order.
            moves: Where they are now.
        """
        start, end, text = self.sealing.edits[index]
        inside = moves.within(moves.at(start, end), len(text))
        if len(inside) != len(copies):
            return
        for place, (comment, path) in zip(inside, copies, strict=True):
            there, written = moves.paths[place], moves.texts[place]
            if there != path and written != comment.text:
                text = text.replace(written, self.sealer.extra(comment.text or " ", "comment", there), 1)
        self.sealing.edits[index] = (start, end, text)

    def renumbered(self, moves: _Moves) -> list[NotationEntry]:
        """The notation under the numbers that the visits have in the encrypted text."""
        renumber: dict[int, int] = {}
        leaves = iter(moves.leaves)
        for number, node in enumerate(self.sealing.visits.nodes):
            there = next(leaves, None) if isinstance(node, Leaf) else moves.numbers.get(moves.behind(node.start))
            if there is not None:
                renumber[number] = there
        return [(renumber[number], original) for number, original in self.sealing.entries if number in renumber]


class _Moves:
    """Where the comments of the plain text are in the encrypted text.

    Args:
        edits: The changes that make the one the other.
        check: The encrypted text, parsed.
        sealer: What seals it.

    Attributes:
        paths: Path of the container of each comment, by its offset in the encrypted text.
        texts: What stands behind its `#`.
        numbers: Its number of the visit, when it is in the tree.
        leaves: The numbers of the leaves' visits.
        selected: Offsets of the comments that are encrypted where they are now.
        bare: Those of them that stand in lists and hold no text.
    """

    def __init__(self, edits: list[Edit], check: YamlDocument, sealer: Sealer) -> None:
        edits.sort(key=lambda edit: edit[:2])
        self._keys = [edit[:2] for edit in edits]
        self._ends = [edit[1] for edit in edits]
        self._shifts = [0, *accumulate(len(new) - (end - start) for start, end, new in edits)]
        self.paths: dict[int, TreePath] = {comment.start: () for comment, _ in check.dropped}
        self.texts: dict[int, str] = {comment.start: comment.text for comment, _ in check.dropped}
        self.numbers: dict[int, int] = {}
        self.leaves: list[int] = []
        self.selected: set[int] = set()
        for number, visit in enumerate(walk(check.tree)):
            if isinstance(visit.node, Comment):
                self.paths.setdefault(visit.node.start, visit.path)
                self.texts[visit.node.start] = visit.node.text
                self.numbers.setdefault(visit.node.start, number)
                if sealer.selects_visit(visit):
                    self.selected.add(visit.node.start)
            else:
                self.leaves.append(number)
        self._starts = sorted(self.paths)
        visits = Visits(check.tree)
        self.bare = {visits.nodes[number].start for number in visits.bare} & self.selected

    def behind(self, offset: int) -> int:
        """Where an offset of the plain text is in the encrypted text."""
        return offset + self._shifts[bisect_right(self._ends, offset)]

    def at(self, start: int, end: int) -> int:
        """Where the new text of an edit begins in the encrypted text."""
        return start + self._shifts[bisect_left(self._keys, (start, end))]

    def within(self, start: int, length: int) -> list[int]:
        """The comments in a part of the encrypted text."""
        return self._starts[bisect_left(self._starts, start) : bisect_left(self._starts, start + length)]


def _same(shape: _Shape, check: YamlDocument, number: int) -> bool:
    """Whether a document of the encrypted text has this shape."""
    if number >= len(check.tree):
        return False
    visits = [(visit.node, visit.path) for visit in walk([check.tree[number]])]
    if len(visits) != len(shape):
        return False
    bare = Visits([check.tree[number]]).bare
    for place, ((node, path), (wanted, text, inline)) in enumerate(zip(visits, shape, strict=True)):
        if path != wanted or isinstance(node, Comment) is (text is None):
            return False
        if text == "" and place in bare:
            return False
        if isinstance(node, Comment) and ((text != node.text and text is not _ANY) or (inline is not None and inline is not node.inline)):
            return False
    return True

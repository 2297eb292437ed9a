"""The smallest change of a YAML text that makes it hold another tree.

Two trees that share their unchanged nodes are walked side by side; every difference becomes an edit of the text. What cannot be changed locally, e.g.
a value inside the copy that an alias stands for, is refused, and the caller prints the whole tree. The caller also checks the result, so that the
placement of comments needs no foresight here.
"""

from __future__ import annotations

from typing import NamedTuple

from secrettool.errors import EmitError, FormatError, SecrettoolError
from secrettool.sops.editing import alike
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence, Tree
from secrettool.stores.splice import Edit, splice
from secrettool.stores.yaml.changes import Changes, Entry, compare
from secrettool.stores.yaml.emit import DEFAULT_INDENT, emit_element, emit_pair, flow
from secrettool.stores.yaml.nodes import YamlBranch, YamlDocument, YamlItem, YamlLeaf, YamlSequence
from secrettool.stores.yaml.read import read
from secrettool.stores.yaml.scan import encode
from secrettool.stores.yaml.spans import Spans, YamlNode
from secrettool.stores.yaml.styles import double_quoted, fits_literal, fits_single, flow_scalar, literal, scalar_text, single_quoted


class _Place(NamedTuple):
    """Where a node stands.

    Attributes:
        entry: The pair or the list item itself; None for the root of a document.
        column: Column of the key or of the dash.
        flow: Whether it stands in a flow collection.
        step: Blanks per level around it.
        comments: Comments of the collection it stands in: they stay whatever happens to the node.
    """

    entry: YamlItem | YamlNode | None
    column: int
    flow: bool
    step: int
    comments: list[Comment]


def amend(document: YamlDocument, tree: Tree) -> bytes:
    """Change the text of a document so that it holds another tree.

    Args:
        document: The parsed text.
        tree: The wanted tree; what stays is shared with the document's tree.

    Raises:
        EmitError: The change cannot be made in place.
    """
    if len(tree) != len(document.tree):
        raise EmitError("the number of documents changes")
    amender = _Amender(document)
    for number, root in enumerate(tree):
        amender.root(number, root)
    text = amender.text_with(amender.edits)
    if amender.near_comments and not _holds(text, tree):
        text = amender.text_with(
            [edit for edit in amender.edits if edit not in amender.near_comments]
            + [(start, end, document.newline + new) for start, end, new in amender.near_comments]
        )
    return encode(text, document.encoding, document.bom)


def _holds(text: str, tree: Tree) -> bool:
    try:
        found = read(text).tree
    except FormatError:
        return False
    return len(found) == len(tree) and all(alike(one, other, comments=True) for one, other in zip(found, tree, strict=True))


class _Amender:
    """Collects the edits for a document.

    Attributes:
        edits: What to replace in the text.
        near_comments: Those edits that bring lines next to comments: an empty line in front can keep these in the collection they were in.
    """

    def __init__(self, document: YamlDocument) -> None:
        self.document = document
        self.text = document.text
        self.newline = document.newline
        self.spans = Spans(document.text)
        self.edits: list[Edit] = []
        self.near_comments: list[Edit] = []
        self.stack: list[tuple[YamlNode, Node, _Place]] = []

    def text_with(self, edits: list[Edit]) -> str:
        """The text with edits; of insertions at one place the inner ones, which were found last, come first."""
        try:
            return splice(self.text, reversed(edits))
        except SecrettoolError:
            raise EmitError("changes of the text overlap") from None

    def root(self, number: int, new: Branch) -> None:
        """Change one document."""
        part = self.document.parts[number]
        old = part.root
        if old is new:
            return
        if not _has_entries(old) and not old.flow:
            self.fill_root(number, new)
            return
        self.stack.append((old, new, _Place(None, old.column, False, _step_below(old, DEFAULT_INDENT), [])))
        while self.stack:
            before, after, place = self.stack.pop()
            if before is after:
                continue
            if _alike(before, after) and (_has_entries(before) or before.flow) and before.alias is None:
                self.collection(before, after, place)  # type: ignore[arg-type]
            elif isinstance(before, YamlLeaf) and isinstance(after, Leaf) and self.scalar(before, after, place):
                continue
            else:
                self.replace(before, after, place)

    def fill_root(self, number: int, new: Branch) -> None:
        """Write entries into a document that holds nothing, null, or only comments."""
        part = self.document.parts[number]
        old = part.root
        changes = compare(old.items, new.items)
        lines = "".join(self.lines(old, entry, 0, DEFAULT_INDENT) for _, entries in changes.inserted for entry in entries)
        if part.node is not old and part.node.end > part.node.start:  # type: ignore[union-attr]
            start, end = part.node.start, part.node.end  # type: ignore[union-attr]
            ahead = "" if self.spans.line_start(start) == start else self.newline
            self.edits.append((start, end, ahead + lines.removesuffix(self.newline)))
        elif old.items:
            self.insert_lines(self.spans.after(old.items[-1]), lines)
        else:
            self.insert_lines(self.spans.next_line(part.start), lines)

    # ---- collections --------------------------------------------------------------------------------------------------------------------------

    def collection(self, old: YamlBranch | YamlSequence, new: Branch | Sequence, place: _Place) -> None:
        """Change entries of a collection that stays one of its kind."""
        changes = compare(old.items, new.items)
        comments = [entry for entry in new.items if isinstance(entry, Comment)]
        if changes.removed and len(comments) == len(new.items):
            self.empty(old, comments, place)
            return
        kept = len(new.items) - len(comments) - sum(len(entries) for _, entries in changes.inserted)
        if (changes.removed and not kept) or (not old.flow and any(after < 0 for after, _ in changes.inserted)):
            self.replace(old, new, place)
            return
        step = _step_below(old, place.step)
        for before, after in changes.pairs:
            inside = _Place(before, old.column, old.flow, step, comments)  # type: ignore[arg-type]
            if isinstance(before, YamlItem) and isinstance(after, Item):
                self.stack.append((before.value, after.value, inside))  # type: ignore[arg-type]
            else:
                self.stack.append((before, after, inside))  # type: ignore[arg-type]
        if old.flow:
            self.change_flow(old, changes)
            return
        for number in changes.removed:
            self.remove(old, number, comments)
        for after_number, entries in changes.inserted:
            lines = "".join(self.lines(old, entry, old.column, step) for entry in entries)
            self.insert_lines(self.spans.after(old.items[after_number]), lines)
            if self.document.comments:
                self.near_comments.append(self.edits[-1])

    def lines(self, old: Branch | Sequence, entry: Entry, column: int, step: int) -> str:
        """The lines of a new entry."""
        if isinstance(entry, Item):
            return emit_pair(entry, column=column, indent=step, newline=self.newline)
        if isinstance(entry, Comment):
            raise EmitError("a comment changes")
        return emit_element(entry, column=column, indent=step, newline=self.newline)

    def insert_lines(self, at: int, lines: str) -> None:
        """Insert whole lines at the start of a line, or at an end of the text that has no line ending."""
        if at == len(self.text) and self.spans.unfinished():
            header = self.spans.clipped_block_header(self.document)
            if header is not None:
                self.edits.append(header)
            lines = self.newline + self.unfinished(lines)
        self.edits.append((at, at, lines))

    def unfinished(self, lines: str) -> str:
        """The lines without their last line ending, unless a block scalar needs it."""
        if _ends_in_block(lines, self.newline):
            return lines
        return lines.removesuffix(self.newline)

    def remove(self, old: YamlBranch | YamlSequence, number: int, comments: list[Comment]) -> None:
        """Remove an entry of a block collection; comments on its lines that are not part of its value get lines of their own."""
        start = self.spans.entry_start(old, number)
        end = self.spans.after(old.items[number])
        kept = [comment for comment in comments if start <= comment.start < end]
        line = self.spans.line_start(start)
        if not self.text[line:start].strip(" \t"):
            pad = self.text[line:start]
            self.edits.append((line, end, "".join(f"{pad}#{comment.text}{self.newline}" for comment in kept)))
            if comments:
                self.near_comments.append(self.edits[-1])
            return
        following = number + 1
        if kept or following == len(old.items) or isinstance(old.items[following], Comment):
            raise EmitError("the entry shares its line with what holds it")
        self.edits.append((start, self.spans.entry_start(old, following), ""))

    def empty(self, old: YamlBranch | YamlSequence, comments: list[Comment], place: _Place) -> None:
        """Remove the last entries of a collection."""
        brackets = "{}" if isinstance(old, Branch) else "[]"
        if old.flow:
            if any(old.start < comment.start < old.end for comment in comments) or self.text[old.start] != brackets[0]:
                raise EmitError("an empty collection cannot hold comments")
            self.edits.append((old.start + 1, old.end - 1, ""))
        elif place.entry is None:
            entries = [number for number, entry in enumerate(old.items) if not isinstance(entry, Comment)]
            start, end = self.spans.entry_start(old, entries[0]), self.spans.after(old.items[entries[-1]])
            kept = "".join(f"#{comment.text}{self.newline}" for comment in comments if start <= comment.start < end)
            self.edits.append((self.spans.line_start(start), end, kept + brackets + self.newline))
        else:
            self.rewrite(old, Branch() if brackets == "{}" else Sequence(), place, comments)

    def change_flow(self, old: YamlBranch | YamlSequence, changes: Changes) -> None:
        """Insert and remove entries between brackets."""
        if self.text[old.start] not in "{[":
            raise EmitError("the pair has no braces")
        entries = [number for number, entry in enumerate(old.items) if not isinstance(entry, Comment)]
        gone = set(changes.removed)
        previous = -1
        for place, number in enumerate(entries):
            if number not in gone:
                previous = number
            elif previous >= 0:
                self.edits.append((self.spans.flow_end(old.items[entries[place - 1]]), self.spans.flow_end(old.items[number]), ""))
            else:
                self.edits.append((self.spans.entry_start(old, number), self.spans.entry_start(old, entries[place + 1]), ""))
        for after_number, new in changes.inserted:
            text = ", ".join(flow(Branch([entry]))[1:-1] if isinstance(entry, Item) else flow(_node(entry)) for entry in new)
            before = [number for number in entries if number <= after_number]
            if before:
                at = self.spans.flow_end(old.items[before[-1]])
                self.edits.append((at, at, ", " + text))
            else:
                at = old.start + 1
                self.edits.append((at, at, text + ", " if entries else text))

    # ---- values -------------------------------------------------------------------------------------------------------------------------------

    def scalar(self, old: YamlLeaf, new: Leaf, place: _Place) -> bool:
        """Write a scalar over a scalar in the same style; False where that takes more than the span of the old one."""
        start, end = self.spans.with_properties(old)
        properties, value = old.properties, new.value
        if old.alias is None and properties is not None:
            keeps_tag = properties.tag in (None, "!", "tag:yaml.org,2002:str") and (isinstance(value, str) or properties.tag is None)
            if keeps_tag:
                start = old.start
            elif properties.anchor is not None:
                raise EmitError("an anchored value changes its type")
        style = "" if old.alias is not None else old.style
        if style in ("|", ">"):
            return False
        text = _in_style(style, new, place)
        if text is None:
            return False
        if start == end:
            start = end = self.spans.empty_value_at(place.entry)
            if not place.flow or self.text[start : start + 1] != " ":
                text = " " + text
            else:
                start = end = start + 1
        self.edits.append((start, end, text))
        return True

    def replace(self, old: YamlNode, new: Node, place: _Place) -> None:
        """Write a value in the place of one that it has nothing in common with."""
        if place.entry is None:
            raise EmitError("the root of a document cannot be replaced")
        if place.flow or (isinstance(old, YamlBranch | YamlSequence) and old.flow and old.items and old.alias is None):
            self.edits.append((*self.spans.with_properties(old), flow(new)))
        else:
            self.rewrite(old, new, place)

    def rewrite(self, old: YamlNode, new: Node, place: _Place, own: list[Comment] | None = None) -> None:
        """Replace everything behind a key or a dash; comments there that are not part of the old value stay on the first line.

        Args:
            old: The old value.
            new: The new one.
            place: Where it stands.
            own: Comments of the old value that stay.
        """
        entry = place.entry
        assert entry is not None
        if old.properties is not None and old.alias is None:
            raise EmitError("a value with a tag or an anchor changes its kind")
        if isinstance(entry, YamlItem):
            start = self.spans.colon(entry)
            lines = emit_pair(Item("k", new), column=place.column, indent=place.step, newline=self.newline)[place.column + 2 :]
        else:
            start = self.spans.dash(place.column, entry) + 1
            lines = emit_element(new, column=place.column, indent=place.step, newline=self.newline)[place.column + 1 :]
        if isinstance(old, YamlLeaf) and isinstance(new, Leaf) and old.alias is None:
            lines = self.block(old, new, place) or lines
        end = self.spans.after(entry)
        if _ends_in_block(lines, self.newline) and lines.endswith(self.newline * 2) and isinstance(old, YamlLeaf) and old.style in ("|", ">"):
            end = old.end
        kept = [comment for comment in place.comments if start <= comment.start < end]
        if not isinstance(new, Leaf) and not new.items:
            # A comment behind an empty collection would be read as a part of it.
            self.lift(kept, entry, place)
            kept = own or []
        if len(kept) > 1:
            raise EmitError("more comments than one stand beside the value")
        if kept:
            first, _, rest = lines.partition(self.newline)
            lines = f"{first} #{kept[0].text}{self.newline}{rest}"
        if end == len(self.text) and self.spans.unfinished():
            lines = self.unfinished(lines)
        self.edits.append((start, end, lines))

    def lift(self, comments: list[Comment], entry: YamlItem | YamlNode, place: _Place) -> None:
        """Write comments on lines of their own above an entry."""
        if not comments:
            return
        start = self.spans.key_start(entry) if isinstance(entry, YamlItem) else self.spans.dash(place.column, entry)
        line = self.spans.line_start(start)
        pad = self.text[line:start]
        if pad.strip(" "):
            raise EmitError("there is no line above the entry for its comment")
        self.edits.append((line, line, "".join(f"{pad}#{comment.text}{self.newline}" for comment in comments)))

    def block(self, old: YamlLeaf, new: Leaf, place: _Place) -> str | None:
        """What follows the colon or the dash when the new value stays a block scalar; None when it cannot."""
        value = new.value
        if old.style not in ("|", ">") or not isinstance(value, str) or not fits_literal(value):
            return None
        column = self.spans.block_column(old)
        if column is None:
            return None
        text = literal(value, column, column - place.column, self.newline)
        if old.style == ">" and "\n" not in value.rstrip("\n") and value[0] not in " \t\n":
            text = ">" + text[1:]
        return f" {text if value.endswith(chr(10)) else text + self.newline}"


def _in_style(style: str, new: Leaf, place: _Place) -> str | None:
    """A scalar on one line in the style of the one it replaces; None when it has to be a block."""
    value = new.value
    if isinstance(value, str):
        if style == '"':
            return double_quoted(value)
        if style == "'" and fits_single(value):
            return single_quoted(value, 0)
    if place.flow:
        return flow_scalar(value)
    text = scalar_text(value, 0, 0)
    return None if "\n" in text else text


def _node(entry: Entry) -> Node:
    if isinstance(entry, Comment | Item):
        raise EmitError("a comment changes")
    return entry


def _alike(old: Node, new: Node) -> bool:
    return (isinstance(old, Branch) and isinstance(new, Branch)) or (isinstance(old, Sequence) and isinstance(new, Sequence))


def _has_entries(node: Node) -> bool:
    return not isinstance(node, Leaf) and any(not isinstance(entry, Comment) for entry in node.items)


def _step_below(node: YamlBranch | YamlSequence, inherited: int) -> int:
    """Blanks from the keys of a mapping to what stands below them, where the text shows it."""
    if isinstance(node, YamlBranch) and not node.flow:
        for entry in node.items:
            value = entry.value if isinstance(entry, Item) else None
            if isinstance(value, YamlBranch | YamlSequence) and not value.flow and value.alias is None and value.column - node.column in range(2, 10):
                return value.column - node.column
    return inherited


def _ends_in_block(lines: str, newline: str) -> bool:
    """Whether lines end with a literal block whose text needs the last line ending."""
    last = lines.removesuffix(newline)
    header = None
    column = len(last)
    for line in reversed(last.split(newline)):
        blanks = len(line) - len(line.lstrip(" "))
        if line and blanks < column:
            column, header = blanks, line
            if header.rstrip("0123456789+").endswith("|"):
                return True
            if column == 0:
                break
    return False

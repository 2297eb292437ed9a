"""From encrypted text to plain text: envelopes become values in the style they stand in, and the metadata block goes."""

from __future__ import annotations

import re
from bisect import bisect_right

from secrettool.sops.store import Opener
from secrettool.sops.tree import Branch, Comment, Item, Leaf
from secrettool.sops.values import Value, kind_of, plain_text
from secrettool.stores.splice import Edit, splice
from secrettool.stores.yaml.anchors import WAS_ALIAS_ABOVE, YamlNode
from secrettool.stores.yaml.blocks import Block, block_of
from secrettool.stores.yaml.nodes import Part, YamlBranch, YamlDocument, YamlItem, YamlLeaf, YamlSequence, node_end
from secrettool.stores.yaml.restore import block_text, double_quoted, scalar_text
from secrettool.stores.yaml.scan import BREAK, column_of
from secrettool.stores.yaml.section import CLIP, EMPTY, KEEP, NO_BLANK_LINE, ROOT, Place, place_of
from secrettool.stores.yaml.styles import is_simple
from secrettool.stores.yaml.visits import Visits, last_leaf

# Expressions that are plain text here are compiled when they are used first; most files need none of them.
_BESIDE = r"[ \t]+#"
_ROOT_NOTE = rf"{ROOT} (.+) at line ([0-9]+), column ([0-9]+)\Z"
_BREAK_BEFORE = "(?:\r\n|[\n\r\x85\u2028\u2029])\\Z"
_COMMA = "[ \t\n\r]*,"


class Opening:
    """The edits that make a document's text the plain one.

    Args:
        document: The encrypted document.
        opener: What was opened.
    """

    def __init__(self, document: YamlDocument, opener: Opener) -> None:
        self.document = document
        self.text = document.text
        self.opener = opener
        self.newline = document.newline
        self.edits: list[Edit] = []
        self.visits = Visits(document.tree)
        self.cut = len(self.text)
        """Where the text ends once a block without a final newline is gone."""
        self.list_comments: set[int] = set()
        """Offsets of list elements that become comments."""
        self.restored: list[tuple[int, int]] = []
        """Spans that became an alias again."""

    def run(self) -> str:
        """The plain text."""
        for part in self.document.parts:
            self._sections(part)
        skipped = {number for copy in self.visits.copies for number in range(copy.first, copy.end)}
        if self.document.expanded:
            self._aliases()
        self._values(skipped)
        if self.list_comments:
            self._emptied_lists()
        for comment, _ in self.document.dropped:
            if self.restored and self._in_alias(comment.start):
                continue
            text = self.opener.extra(comment.text, ()) if comment.text.startswith("ENC[") else None
            if text is not None:
                self.edits.append((comment.start + 1, comment.end, self._comment_text(text, comment.start)))
        return splice(self.text, self.edits)

    # ---- values -------------------------------------------------------------------------------------------------------------------------------

    def _values(self, skipped: set[int]) -> None:
        """Replace what was opened."""
        nodes, notation = self.opener.nodes, self.opener.notation
        append = self.edits.append
        for number, node in enumerate(self.visits.nodes):
            opened = nodes[number]
            if opened is None or (skipped and number in skipped) or (self.restored and self._in_alias(node.start)):
                continue
            if isinstance(node, Comment):
                text = notation.get(number)
                assert isinstance(opened, Comment)
                append((node.start + 1, node.end, self._comment_text(opened.text, node.start) if text is None else text[1:]))
            elif isinstance(opened, Comment):
                if node.item:
                    self._list_comment(node, opened.text)
                else:
                    self._pair_comment(node, opened)
            elif number in notation:
                self._notation(node, notation[number])
            else:
                value = opened.value
                if isinstance(value, str) and not node.style and not node.flow and is_simple(value):
                    append((node.start, node.end, value))
                else:
                    self._leaf(node, value, opened.plain)

    def _comment_text(self, text: str, place: int | None) -> str:
        """What follows the `#` of a comment, at a place of the text or on a new line.

        No comment has several lines, but an envelope may that was put there by somebody who has no key.
        """
        if BREAK.search(text) is None:
            return text
        first, *others = BREAK.split(text.rstrip("\n"))
        margin = self.newline + " " * (0 if place is None else column_of(self.text, place))
        return first + "".join(f"{margin}{'' if line.startswith('#') else '# '}{line}" for line in others)

    def _leaf(self, leaf: YamlLeaf, value: Value, plain: str | None) -> None:
        if leaf.style in ("|", ">"):
            self._block(leaf, value, plain)
            return
        one_line = leaf.end >= self.cut or re.compile(_BESIDE).match(self.text, leaf.end) is not None
        self.edits.append((leaf.start, leaf.end, scalar_text(leaf, value, plain, self.newline, one_line=one_line)))

    def _notation(self, leaf: YamlLeaf, original: str | None) -> None:
        """Put back the text that the original had."""
        start, end = leaf.start, leaf.end
        if leaf.style in ("|", ">") and isinstance(leaf.value, str):
            block = block_of(self.text, leaf, leaf.value)
            start, end = block.header, block.end
            if original is None:  # a content line that was inserted goes with its break
                found = BREAK.match(self.text, end)
                end = end if found is None or end == self.cut else found.end()
        properties = leaf.properties
        if original is not None and properties is not None and original.startswith("!") and f"&{properties.anchor} " in original:
            start = properties.start
        self.edits.append((start, end, original or ""))

    def _block(self, leaf: YamlLeaf, value: Value, plain: str | None) -> None:
        assert isinstance(leaf.value, str)
        block = block_of(self.text, leaf, leaf.value)
        if isinstance(value, str) and self._breaks(leaf, block) == len(value) - len(value.rstrip("\n")):
            newline = re.compile(_BREAK_BEFORE).search(self.text, max(block.header - 2, 0), block.header)
            body = block_text(leaf.style, block.indent, value, newline[0] if newline else self.newline, digit=block.digit)
            if body is not None:
                self.edits.append((block.header, block.end, body))
                return
        self._instead_of_block(leaf, block, double_quoted(value) if isinstance(value, str) else scalar_text(leaf, value, plain, self.newline))

    def _instead_of_block(self, leaf: YamlLeaf, block: Block, text: str) -> None:
        """Write something on the line of a block scalar's header, and nothing below it."""
        line = re.compile(_BREAK_BEFORE).search(self.text, max(block.header - 2, 0), block.header)
        self.edits.append((leaf.start, block.indicator, text))
        self.edits.append((block.header if line is None else line.start(), block.end, ""))

    def _breaks(self, leaf: YamlLeaf, block: Block) -> int:
        """Line breaks that the block gives its value at the end, once the metadata block is gone."""
        assert isinstance(leaf.value, str)
        count = len(leaf.value) - len(leaf.value.rstrip("\n"))
        if leaf.end > self.cut and (block.keeps or block.end >= self.cut):
            return max(count - 1, 0)
        return count

    def _pair_comment(self, leaf: YamlLeaf, comment: Comment) -> None:
        """An envelope that says it was a comment where a value stands: sops prints the fields of its comment."""
        from secrettool.stores.yaml import emit
        from secrettool.stores.yaml.printer import comment_fields

        text = emit.flow(comment_fields(comment))
        if leaf.style in ("|", ">") and isinstance(leaf.value, str):
            self._instead_of_block(leaf, block_of(self.text, leaf, leaf.value), text)
        else:
            self.edits.append((leaf.start, leaf.end, text))

    def _list_comment(self, leaf: YamlLeaf, comment: str) -> None:
        """A list element that sops made of a comment becomes one again."""
        start, end = leaf.start, leaf.end
        if leaf.properties is not None:
            start = leaf.properties.start
        if leaf.flow:
            found = re.compile(_COMMA).match(self.text, end)
            text = self._comment_text(comment, None)
            self.edits.append((start, end if found is None else found.end(), f"{self.newline}#{text}{self.newline}"))
            return
        if leaf.style in ("|", ">") and isinstance(leaf.value, str):
            end = block_of(self.text, leaf, leaf.value).end
        dash = self.text.rindex("-", 0, start)
        self.edits.append((dash, end, "#" + self._comment_text(comment, dash)))
        self.list_comments.add(leaf.start)

    def _emptied_lists(self) -> None:
        """Write `[]` where all elements of a list became comments."""
        stack: list[tuple[object, int]] = [(root, 0) for root in self.document.tree]
        while stack:
            entry, outer = stack.pop()
            if isinstance(entry, Item):
                stack.append((entry.value, outer))
            elif isinstance(entry, YamlBranch):
                stack += [(item, entry.column) for item in entry.items]
            elif isinstance(entry, YamlSequence) and entry.alias is None:
                elements = [element for element in entry.items if not isinstance(element, Comment)]
                if elements and all(isinstance(element, YamlLeaf) and element.start in self.list_comments for element in elements):
                    end = node_end(elements[-1])
                    column = entry.column if entry.column > outer else entry.column + 2
                    self.edits.append((end, end, f"{self.newline}{' ' * column}[]"))
                else:
                    stack += [(element, entry.column) for element in elements]

    # ---- aliases ------------------------------------------------------------------------------------------------------------------------------

    def _in_alias(self, offset: int) -> bool:
        """Whether something stands where an alias comes back."""
        index = bisect_right(self.restored, (offset, len(self.text))) - 1
        return index >= 0 and offset < self.restored[index][1]

    def _aliases(self) -> None:
        """Write aliases back."""
        numbers: dict[int, int] = {}
        for number, visit in enumerate(self.visits.nodes):
            numbers.setdefault(id(visit), number)
        done = -1
        for node, target in self.document.expanded:
            properties = node.properties
            assert properties is not None and properties.anchor is not None
            if properties.start < done:
                continue
            name = properties.anchor.split("alias_", 1)[1]
            if target is not None and self._content(node, numbers) == self._content(target, numbers):
                done = node.end
                self.restored.append((properties.start, done))
                self._write_alias(node, name)
            else:
                self.edits.append((properties.start, _behind_anchor(self.text, properties.start, properties.anchor), ""))

    def _write_alias(self, node: YamlNode | YamlItem, name: str) -> None:
        properties = node.properties
        assert properties is not None and properties.anchor is not None
        start, end = properties.start, node.end
        if not properties.anchor.startswith(WAS_ALIAS_ABOVE):
            self.edits.append((start, end, "*" + name))
            return
        column = column_of(self.text, start)
        line = start - column
        found = re.compile(_BREAK_BEFORE).search(self.text, max(line - 2, 0), line)
        above = line if found is None else found.start()
        place = above - column_of(self.text, above) + column
        self.edits.append((place, place, "*" + name))
        self.edits.append((above, end, ""))

    def _content(self, node: object, numbers: dict[int, int]) -> list[object]:
        """What a node holds once it is opened, typed and deep, comments left out."""
        if isinstance(node, YamlItem):
            return ["str", node.key]
        content: list[object] = []
        stack: list[object] = [node]
        nodes = self.opener.nodes
        while stack:
            entry = stack.pop()
            if isinstance(entry, Leaf):
                number = numbers.get(id(entry))
                opened = nodes[number] if number is not None else None
                value = opened.value if isinstance(opened, Leaf) else entry.value
                content += ("null",) if value is None else (kind_of(value), plain_text(value))
            elif isinstance(entry, Item):
                content.append((entry.key,))
                stack.append(entry.value)
            elif isinstance(entry, str):
                content.append(entry)
            elif not isinstance(entry, Comment):
                content.append("{" if isinstance(entry, Branch) else "[")
                stack.append("end")
                stack.extend(reversed(entry.items))  # type: ignore[attr-defined]
        return content

    # ---- metadata -----------------------------------------------------------------------------------------------------------------------------

    def _sections(self, part: Part) -> None:
        """Take the blocks of a document out."""
        for item in part.section:
            place = place_of(self.text, part.root, item)
            if place.flow:
                self._flow_section(place)
                continue
            layout = place.notes.layout
            start, end = place.start, place.end
            at_end = end == len(self.text) and BREAK.match(self.text, end - 1) is None
            for _ in range((NO_BLANK_LINE in layout) + at_end):
                found = re.compile(_BREAK_BEFORE).search(self.text, max(start - 2, 0), start)
                start = start if found is None else found.start()
            if at_end:
                self.cut = start
            empty = not any(isinstance(entry, Item) for entry in part.root.items)
            kept = EMPTY in layout.split(", ") or layout.startswith(ROOT + " ")
            self.edits.append((start, end, "{}" + self.newline if empty and not kept else ""))
            self._layout(part, layout)

    def _flow_section(self, place: Place) -> None:
        """Take a block out of a root in flow style, with the comma that came with it."""
        start, end = place.start, place.end
        found = re.compile(_COMMA).match(self.text, end)
        if found is not None:
            end = found.end()
        elif self.text[start - 2 : start] == ", ":
            start -= 2
        elif self.text[:start].rstrip().endswith(","):
            start = len(self.text[:start].rstrip()) - 1
        self.edits.append((start, end, ""))

    def _layout(self, part: Part, layout: str) -> None:
        """Undo the other changes that came with a block."""
        words = layout.split(", ")
        note = re.compile(_ROOT_NOTE).match(layout.removesuffix(", " + NO_BLANK_LINE))
        if note is not None:
            line, at = int(note[2]), part.start
            for _ in range(line):
                found = BREAK.search(self.text, at)
                at = at if found is None else found.end()
            column = int(note[3]) - (0 if line else column_of(self.text, at))
            self.edits.append((at + column, at + column, note[1]))
        leaf = last_leaf(part.root) if CLIP in words or KEEP in words else None
        if leaf is not None and leaf.style in ("|", ">"):
            minus = self.text.find("-", leaf.start, leaf.start + 3)
            if minus >= 0:
                self.edits.append((minus, minus + 1, "+" if KEEP in words else ""))


def _behind_anchor(text: str, start: int, name: str) -> int:
    """Offset behind an anchor and the blanks after it."""
    end = text.index("&" + name, start) + len(name) + 1
    while text[end : end + 1] in (" ", "\t"):
        end += 1
    return end

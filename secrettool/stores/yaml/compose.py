"""From events to the tree that sops would hold.

Comments go where sops' reader puts them; aliases are expanded; keys that are not strings stay typed, for the walk to refuse them.

Source: go-yaml v3.0.4 decode.go (parser.node, mapping, sequence; decoder.mapping, merge, unmarshal), sops 3.13 stores/yaml/store.go
(appendYamlNodeToTreeBranch, nodeToTreeValue, LoadPlainFile).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from secrettool.sops.tree import Comment
from secrettool.sops.values import Value
from secrettool.stores.yaml.anchors import WAS_ALIAS, WAS_ALIAS_ABOVE, AliasGuard, Anchor, YamlNode
from secrettool.stores.yaml.frames import Around, Frame, Key
from secrettool.stores.yaml.nodes import Alias, Part, Properties, YamlBranch, YamlDocument, YamlItem, YamlLeaf, YamlSequence, node_end
from secrettool.stores.yaml.parser import NO_NOTES, Line, MisreadRunError, Notes
from secrettool.stores.yaml.resolve import ScalarError, float_syntax, resolve
from secrettool.stores.yaml.scan import refuse, refuse_slash_escapes

if TYPE_CHECKING:
    from secrettool.stores.yaml.runs import Run

_TYPED_STARTS = frozenset("0123456789+-.~nNtTfF")
_BOOL_PLAIN = {"True": "true", "False": "false", "TRUE": "TRUE", "FALSE": "FALSE"}
_MERGE_TAGS = (None, "!", "tag:yaml.org,2002:merge")


class Composer:
    """A handler that builds a document.

    Args:
        document: An empty document with its text; is filled.
    """

    def __init__(self, document: YamlDocument) -> None:
        self.document = document
        self.text = document.text
        self.slash_escapes = "\\/" in document.text
        self.frames: list[Frame] = []
        self.frame: Frame | None = None
        self.anchors: dict[str, Anchor] = {}
        self.guard = AliasGuard()
        self.start = 0
        self.root: YamlNode | None = None
        self.document_notes: Notes | None = None
        self.first = True

    # ---- documents ----------------------------------------------------------------------------------------------------------------------------

    def document_start(self, start: int, notes: Notes | None) -> None:
        """Begin a document."""
        self.start = start
        self.document_notes = notes
        self.root = None

    def document_end(self, end: int, notes: Notes | None) -> None:
        """End it: its root must be a mapping, or null, which stands for an empty one."""
        node = self.root
        assert node is not None
        if isinstance(node, YamlBranch):
            root = node
        elif isinstance(node, YamlLeaf) and node.value is None and node.alias is None:
            root = YamlBranch([], node.start, node.end)
        else:
            what = "sequences" if isinstance(node, YamlSequence) else "values"
            refuse(self.text, self.start, f"YAML documents that are {what} are not supported", hint="the top level has to be a mapping")
        if self.document_notes is not None:
            root.items[:0] = self.comments(self.document_notes.head)
        if notes is not None:
            root.items += self.comments(notes.foot)
        self.document.tree.append(root)
        self.document.parts.append(Part(root, node, self.start, end))
        self.first = False

    # ---- scalars ------------------------------------------------------------------------------------------------------------------------------

    def scalar(self, text: str, start: int, end: int, style: str, properties: Properties | None, notes: Notes | None) -> None:
        """Take a scalar as a key, a value, an element or a root."""
        self.guard.count += 1
        frame = self.frame
        value: Value = text
        plain: str | None = None
        if properties is not None or not (style or (text and text[0] not in _TYPED_STARTS)):
            value, plain = self.typed(text, start, style, None if properties is None else properties.tag)
        if frame is None:
            self.place(YamlLeaf(value, start, end, plain, style, False, 0, properties), properties, notes)
            return
        flow = frame.flow
        if flow or self.slash_escapes:
            self.check_scalar(text, start, end, style, flow)
        if not frame.is_list and frame.key is None:
            if properties is not None:
                self.anchor(properties, YamlLeaf(value, start, end, plain, style, flow, frame.column, properties))
            frame.merge = text == "<<" and not style and (properties is None or properties.tag in _MERGE_TAGS)
            self.take_key(frame, Key(value, text, start, end, style, properties), notes)
            return
        leaf = YamlLeaf(value, start, end, plain, style, flow, frame.column, properties, None, frame.is_list)
        if properties is None and notes is None and not frame.is_list:  # what most of a file is
            self.take_value(frame, leaf, None)
        else:
            self.place(leaf, properties, notes)

    def awaits_key(self) -> bool:
        """See `Handler`."""
        frame = self.frame
        return frame is not None and frame.key is None and not frame.is_list and not frame.flow and not self.slash_escapes

    def pair(self, key: Any, value: Any, shift: int) -> None:
        """See `Handler`. Does what `scalar` does for the one and the other, without what such a pair cannot have."""
        name, key_style, text, style = key.value, key.style, value.value, value.style
        key_start, key_end = key.start_mark.index + shift, key.end_mark.index + shift
        start, end = value.start_mark.index + shift, value.end_mark.index + shift
        plain_key = not key_style and (not name or name[0] in _TYPED_STARTS)
        if name == "<<" or (plain_key and resolve(name, None, True) != name):
            self.scalar(name, key_start, key_end, key_style, None, None)
            self.scalar(text, start, end, style, None, None)
            return
        frame = self.frame
        assert frame is not None
        self.guard.count += 2
        if frame.seen is not None:
            if name in frame.seen:
                self.refuse_duplicate(key_start)
            frame.seen.add(name)
        content: Value = text
        plain: str | None = None
        if not (style or (text and text[0] not in _TYPED_STARTS)):
            content, plain = self.typed(text, start, style, None)
        leaf = YamlLeaf(content, start, end, plain, style, False, frame.column)
        frame.items.append(YamlItem(name, leaf, key_start, key_end, key_style, None, None))

    def pairs(self, run: Run) -> None:
        """See `Handler`."""
        frame = self.frame
        assert frame is not None
        self.guard.count += 2 * len(run.pairs)
        seen, column, append = frame.seen, frame.column, frame.items.append
        key_start = run.start + run.column
        for name, text in run.pairs:
            if name[0] in _TYPED_STARTS and resolve(name, None, True) != name:
                raise MisreadRunError
            if seen is not None:
                if name in seen:
                    self.refuse_duplicate(key_start)
                seen.add(name)
            key_end = key_start + len(name)
            start = key_end + len(": ")
            end = start + len(text)
            content: Value = text
            plain = None
            if text[0] in _TYPED_STARTS:
                content, plain = self.typed(text, start, "", None)
            append(YamlItem(name, YamlLeaf(content, start, end, plain, "", False, column), key_start, key_end))
            key_start = end + len("\n") + run.column

    def refuse_duplicate(self, start: int) -> NoReturn:
        """Refuse a key that its mapping has."""
        refuse(self.text, start, "mapping key is already defined", hint="each key may stand once in a mapping")

    def typed(self, text: str, start: int, style: str, tag: str | None) -> tuple[Value, str | None]:
        """The value of a scalar, and the plaintext of its envelope where that carries the notation."""
        try:
            value = resolve(text, tag, not style)
        except ScalarError as error:
            refuse(self.text, start, str(error))
        if value.__class__ is float:
            return value, text if float_syntax(text) else None
        return value, _BOOL_PLAIN.get(text) if value.__class__ is bool else None

    def place(self, node: YamlNode, properties: Properties | None, notes: Notes | None) -> None:
        """Put a scalar or an alias where it belongs: it is the root, an element or a value."""
        if properties is not None and isinstance(node, YamlLeaf):
            self.anchor(properties, node)
        frame = self.frame
        if frame is None:
            self.root = node
            if notes is not None:
                self.root_notes(notes)
        elif frame.is_list:
            if notes is not None:
                self.around_element(frame, notes)
            frame.items.append(node)
        else:
            self.take_value(frame, node, notes)

    def check_scalar(self, text: str, start: int, end: int, style: str, flow: bool) -> None:
        """Refuse what libyaml reads and go-yaml does not."""
        if style == '"':
            if self.slash_escapes and "\\/" in self.text[start:end]:
                refuse_slash_escapes(self.text, start, end)
        elif not style and flow and text and ("?" in text or text[0] == ":"):
            refuse(self.text, start, "a plain scalar in a flow collection may not hold a question mark or start with a colon", hint="quote it")

    def anchor(self, properties: Properties, node: YamlLeaf) -> None:
        """Remember an anchored scalar."""
        if properties.anchor is not None:
            if node.start < node.end and node.start > properties.start and not self.text[node.start - 1].isspace():
                refuse(self.text, node.start, "an anchor right in front of its value", hint="put a blank between them")
            self.was_alias(properties.anchor, node)
            self.anchors[properties.anchor] = Anchor(node, 1)

    def was_alias(self, name: str, node: YamlNode) -> None:
        """Remember a node that took the place of an alias before encryption, with what that alias meant."""
        for prefix in (WAS_ALIAS, WAS_ALIAS_ABOVE):
            if name.startswith(prefix):
                target = self.anchors.get(name[len(prefix) :])
                self.document.expanded.append((node, None if target is None else target.node))

    # ---- aliases ------------------------------------------------------------------------------------------------------------------------------

    def alias(self, name: str, start: int, end: int, notes: Notes | None) -> None:
        """Put a copy of what an alias means in its place."""
        anchor = self.anchors.get(name)
        if anchor is None:
            refuse(self.text, start, "an alias without an anchor of its name before it")
        if anchor.size is None:
            refuse(self.text, start, "an anchor whose value contains itself")
        if self.guard.explodes(anchor.size):
            refuse(self.text, start, "document contains excessive aliasing")
        frame = self.frame
        target = anchor.node
        alias = Alias(name, start, end, target)
        if frame is not None and not frame.is_list and frame.key is None:
            if not isinstance(target, YamlLeaf):
                refuse(self.text, start, "a key that is a mapping or a list")
            key = Key(target.value, "*" + name, start, end, target.style, None)
            key.alias = alias
            frame.merge = False
            self.take_key(frame, key, notes)
            return
        if frame is None:
            refuse(self.text, start, "a document that is nothing but an alias", hint="write its mapping out")
        node = anchor.copy(alias, frame.flow, frame.column, frame.is_list, self.comments)
        self.document.aliases.append(node)
        self.place(node, None, notes)

    # ---- collections --------------------------------------------------------------------------------------------------------------------------

    def open(self, is_list: bool, start: int, flow: bool, column: int, properties: Properties | None, notes: Notes | None) -> None:
        """Begin a collection."""
        kind = YamlSequence if is_list else YamlBranch
        node = kind(None, start, start, flow, column, properties)
        frame = Frame(node, is_list, notes, self.guard.count)
        self.guard.count += 1
        if properties is not None and properties.anchor is not None:
            self.was_alias(properties.anchor, node)
            frame.anchor = properties.anchor
            self.anchors[properties.anchor] = Anchor(node, None)
        outer = self.frame
        if outer is not None and not outer.is_list and outer.key is None:
            refuse(self.text, start, "a key that is a mapping or a list")
        if not is_list and self.first:
            frame.seen = set()
        self.frames.append(frame)
        self.frame = frame

    def close(self, end: int, notes: Notes | None) -> None:
        """End it and put it into what holds it."""
        frame = self.frames.pop()
        node = frame.node
        if end >= 0:
            node.end = end
        elif frame.items:
            node.end = node_end(frame.items[-1])
        outer = self.frame = self.frames[-1] if self.frames else None
        own = self.own_notes(frame, outer, notes) if notes is not None or frame.notes is not None else None
        if frame.around:
            self.weave(frame)
        in_list = outer is not None and outer.is_list
        anchor = None if frame.anchor is None else self.anchors.get(frame.anchor)
        if anchor is not None and anchor.node is node:
            anchor.size = self.guard.count - frame.count
            anchor.notes = own if in_list else None
        if own is not None and not in_list:
            items: list[object] = node.items  # type: ignore[assignment]
            items[:0] = [*self.comments(own.head), *self.comments(own.line)]
            items += self.comments(own.foot)
        if outer is None:
            self.root = node
        elif in_list:
            self.place(node, None, own)
        else:
            self.take_value(outer, node, None)

    def own_notes(self, frame: Frame, outer: Frame | None, notes: Notes | None) -> Notes | None:
        """The comments of a collection as a whole: head from its start, line and foot from its end.

        The foot of a block mapping goes to its last key, and what is left of the foot of a value to its key, unless that has one.
        """
        head = [] if frame.notes is None else frame.notes.head
        line, foot = ([], []) if notes is None else (notes.line, notes.foot)
        if foot and not frame.is_list and not frame.flow and frame.items:
            self.entry(frame, len(frame.items) - 1).key_foot = foot
            foot = []
        if foot and outer is not None and not outer.is_list:
            key = outer.key
            assert key is not None
            of_key = key.notes or NO_NOTES
            if not of_key.foot:
                key.notes, foot = Notes(of_key.head, of_key.line, foot), []
        return Notes(head, line, foot) if head or line or foot else None

    def take_key(self, frame: Frame, key: Key, notes: Notes | None) -> None:
        """Keep a key until its value comes."""
        frame.key = key
        if notes is not None:
            key.notes = notes
            count = len(frame.items)
            # In block style the foot of a key is what stands behind the entry before it.
            if notes.foot and not frame.flow and count:
                self.entry(frame, count - 1).key_foot = notes.foot
                key.notes = Notes(notes.head, notes.line, [])
        if frame.seen is not None:
            text = key.text if key.alias is None else key.text + "\n"
            if text in frame.seen:
                self.refuse_duplicate(key.start)
            frame.seen.add(text)

    def take_value(self, frame: Frame, node: YamlNode, notes: Notes | None) -> None:
        """Complete an entry of a mapping."""
        key = frame.key
        assert key is not None
        if frame.merge and self.first:
            self.check_merge(node)
        frame.key = None
        if notes is not None or key.notes is not None:
            around = self.entry(frame, len(frame.items))
            own = key.notes or NO_NOTES
            around.before = [*self.comments(own.head), *self.comments(own.line)]
            around.key_foot = own.foot
            if notes is not None:
                around.before += [*self.comments(notes.head), *self.comments(notes.line, inline=True)]
                if around.key_foot:
                    around.foot = notes.foot
                else:
                    around.key_foot = notes.foot
        item = YamlItem(key.value, node, key.start, key.end, key.style, key.properties, key.alias)
        frame.items.append(item)
        if key.alias is not None:
            self.document.alias_keys.append(item)
        if key.properties is not None and key.properties.anchor is not None and self.document.expanded:
            self.key_was_alias(item)

    def key_was_alias(self, item: YamlItem) -> None:
        """Replace the leaf that was made for an anchored key by its entry."""
        expanded = self.document.expanded
        for number in range(len(expanded) - 1, -1, -1):
            node, target = expanded[number]
            if isinstance(node, YamlLeaf) and node.properties is item.properties:
                expanded[number] = (item, target)

    def check_merge(self, node: YamlNode) -> None:
        """Refuse what go-yaml would not merge."""
        parts: list[object] = [node]
        if isinstance(node, YamlSequence) and node.alias is None:
            parts = [part for part in node.items if not isinstance(part, Comment)]
        if not all(isinstance(part, YamlBranch) for part in parts):
            refuse(self.text, node.start, "map merge requires map or sequence of maps as the value")

    # ---- comments -----------------------------------------------------------------------------------------------------------------------------

    def comments(self, lines: list[Line], inline: bool = False) -> list[Comment]:
        """The comments of some lines."""
        text = self.text
        return [Comment(text[line[0] + 1 : line[1]], inline, line[0], line[1]) for line in lines if line is not None]

    def entry(self, frame: Frame, number: int) -> Around:
        """The comments around an entry."""
        around = frame.around.get(number)
        if around is None:
            around = frame.around[number] = Around()
        return around

    def around_element(self, frame: Frame, notes: Notes) -> None:
        """Put comments around the next element of a list."""
        around = self.entry(frame, len(frame.items))
        around.before = [*self.comments(notes.head), *self.comments(notes.line, inline=True)]
        around.foot = notes.foot

    def root_notes(self, notes: Notes) -> None:
        """Comments of a null at the root belong to the document; the reference drops its foot."""
        before = self.document_notes or NO_NOTES
        self.document_notes = Notes([*before.head, *notes.head, *notes.line], [], [])

    def weave(self, frame: Frame) -> None:
        """Put the comments between the entries."""
        woven: list[object] = []
        around = frame.around
        for number, entry in enumerate(frame.items):
            found = around.get(number)
            if found is None:
                woven.append(entry)
                continue
            woven += found.before
            woven.append(entry)
            woven += self.comments(found.foot)
            woven += self.comments(found.key_foot)
        frame.items[:] = woven

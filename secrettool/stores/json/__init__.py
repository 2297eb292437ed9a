"""The JSON store.

Source: sops 3.13 stores/json/store.go, stores/metadata.go.
"""

from __future__ import annotations

from bisect import bisect_left

from secrettool.errors import EmitError, MetadataError, MetadataNotFound
from secrettool.sops.metadata import NOTATION_FIELD
from secrettool.sops.store import SECTION_KEY, Document, NotationEntry, Opener, Resealer, Sealed, Sealer
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence, Tree
from secrettool.sops.values import parse_plain
from secrettool.stores.json.emit import indented, quoted, render, scalar
from secrettool.stores.json.layout import inserted, removed, replaced
from secrettool.stores.json.scan import SPACE, Array, Object, scan, span
from secrettool.stores.splice import Edit, decode, encode, splice


class JsonDocument(Document):
    """A parsed JSON file.

    Attributes:
        root: The top-level object, with the section if there is one.
        leaves: The leaves that the walk visits, in its order.
        section_at: Which member of `root` is the section; None in plain text.
    """

    __slots__ = ("leaves", "root", "section_at")

    def __init__(self, text: str, root: Object, leaves: list[Leaf]) -> None:
        super().__init__(text, [root])
        self.root = root
        self.leaves = leaves
        self.section_at: int | None = None


def read(data: bytes) -> JsonDocument:
    """Scan a file; what follows its object is dropped with a warning, as the reference drops it.

    Raises:
        FormatError: The text is broken.
    """
    text = decode(data)
    root, leaves = scan(text)
    if text[root.end :].strip(SPACE):
        document = JsonDocument(text[: root.end], root, leaves)
        document.warnings.append("text behind the end of the JSON object is dropped")
        return document
    return JsonDocument(text, root, leaves)


def read_sealed(data: bytes) -> JsonDocument:
    """Scan an encrypted file and split its section off.

    Raises:
        FormatError: The text is broken.
        MetadataNotFound: There is no section.
        MetadataError: It is not an object, or there are two.
    """
    document = read(data)
    root = document.root
    found = [number for number, item in enumerate(root.items) if isinstance(item, Item) and item.key == SECTION_KEY]
    if not found:
        raise MetadataNotFound("sops metadata not found", hint="the file is not encrypted")
    if len(found) > 1:
        raise MetadataError(f"Found duplicate {SECTION_KEY} entry", where=SECTION_KEY)
    section = root.items[found[0]].value  # type: ignore[union-attr]
    if not isinstance(section, Object):
        raise MetadataError(f"Found {SECTION_KEY} entry that is not a mapping", where=SECTION_KEY)
    if not section.items:
        raise MetadataNotFound("sops metadata not found", where=SECTION_KEY, hint="the section is empty")
    document.section_at = found[0]
    document.tree = [Branch([item for number, item in enumerate(root.items) if number != found[0]])]
    first, last = (bisect_left(document.leaves, offset, key=lambda leaf: leaf.start) for offset in (section.start, section.end))
    document.leaves = document.leaves[:first] + document.leaves[last:]
    document.section = Branch([item for item in section.items if not isinstance(item, Item) or item.key != NOTATION_FIELD])
    entry = section.find(NOTATION_FIELD)
    if entry is not None and isinstance(entry.value, Leaf) and isinstance(entry.value.value, str):
        document.notation = entry.value.value
    return document


def with_notation(section: Branch, notation: str | None) -> Branch:
    """The section with the notation entry in its place among the sorted names."""
    if notation is None:
        return section
    items = [item for item in section.items if isinstance(item, Item)]
    place = sum(1 for item in items if str(item.key) < NOTATION_FIELD)
    return Branch([*items[:place], Item(NOTATION_FIELD, Leaf(notation)), *items[place:]])


def with_section(tree: Tree, section: Branch) -> Branch:
    """The first document with its section as last entry.

    Raises:
        EmitError: A document holds the reserved key.
    """
    for branch in tree:
        if branch.find(SECTION_KEY) is not None:
            raise EmitError(f'Found key "{SECTION_KEY}" in encrypted data, which is a reserved key used for SOPS metadata')
    return Branch([*(tree[0].items if tree else []), Item(SECTION_KEY, section)])


def _shown(sealed: Sealed) -> str:
    """What opening an envelope prints without a notation entry."""
    return scalar(parse_plain(sealed.kind, sealed.plain))


def _dropped(node: Branch | Sequence, gone: set[Leaf]) -> list[Edit]:
    """The changes that take elements out of all arrays of a tree."""
    edits: list[Edit] = []
    stack: list[Branch | Sequence] = [node]
    while stack:
        place = stack.pop()
        nodes = [entry.value if isinstance(entry, Item) else entry for entry in place.items]
        stack += [entry for entry in nodes if isinstance(entry, Branch | Sequence)]
        if not isinstance(place, Array) or gone.isdisjoint(nodes):
            continue
        kept = [number for number, entry in enumerate(nodes) if entry not in gone]
        if not kept:
            edits.append((place.start + 1, place.end - 1, ""))
            continue
        if kept[0]:
            edits.append((span(nodes[0])[0], span(nodes[kept[0]])[0], ""))
        edits += [(span(nodes[number - 1])[1], span(nodes[number])[1], "") for number in range(kept[0], len(nodes)) if nodes[number] in gone]
    return edits


class JsonStore:
    """JSON: a string, number or boolean becomes an envelope in double quotes; all else stays as it is.

    The section is the last member of the top-level object, in the style of the file. What the canonical form of a value cannot give back (`1.50`,
    `\\u00e9`) is kept in the notation entry, a member of the section that sops does not know and skips.
    """

    name = "json"
    suffixes: tuple[str, ...] = (".json",)

    def parse(self, data: bytes) -> Document:
        """See `Store`."""
        return read(data)

    def parse_sealed(self, data: bytes) -> Document:
        """See `Store`."""
        return read_sealed(data)

    def seal(self, document: Document, sealer: Sealer) -> bytes:
        """See `Store`."""
        assert isinstance(document, JsonDocument)
        text = document.text
        edits: list[Edit] = []
        entries: list[NotationEntry] = []
        for number, (leaf, sealed) in enumerate(zip(document.leaves, sealer.seals, strict=True)):
            if sealed is None:
                continue
            edits.append((leaf.start, leaf.end, quoted(sealed.envelope)))
            written = text[leaf.start : leaf.end]
            if _shown(sealed) != written:
                entries.append((number, written))
        section = with_notation(sealer.section, sealer.notation(entries))
        edits.append(inserted(text, document.root, section))
        return encode(splice(text, edits))

    def open(self, document: Document, opener: Opener) -> bytes:
        """See `Store`."""
        assert isinstance(document, JsonDocument) and document.section_at is not None
        text = document.text
        edits: list[Edit] = []
        comments: set[Leaf] = set()
        for number, (leaf, node) in enumerate(zip(document.leaves, opener.nodes, strict=True)):
            if isinstance(node, Comment):
                comments.add(leaf)
            elif node is not None:
                edits.append((leaf.start, leaf.end, opener.notation.get(number) or scalar(node.value)))
        if comments:
            # sops writes the comments of a YAML list as elements, and leaves them out when it prints JSON.
            edits += _dropped(document.tree[0], comments)
        edits.append(removed(text, document.root, document.section_at))
        return encode(splice(text, edits))

    def reseal(self, document: Document, resealer: Resealer) -> bytes:
        """See `Store`."""
        assert isinstance(document, JsonDocument) and document.section_at is not None
        edits: list[Edit] = [
            (leaf.start, leaf.end, quoted(envelope))
            for leaf, envelope in zip(document.leaves, resealer.envelopes, strict=True)
            if envelope is not None
        ]
        section = with_notation(resealer.section, resealer.notation)
        edits.append(replaced(document.text, document.root, document.section_at, section))
        return encode(splice(document.text, edits))

    def emit(self, tree: Tree, *, indent: int | None = None) -> bytes:
        """See `Store`; only the first document is printed, as in the reference."""
        return encode(render(tree[0] if tree else Branch(), indented(indent)) + "\n")

    def emit_sealed(self, tree: Tree, section: Branch, *, indent: int | None = None) -> bytes:
        """See `Store`; only the first document is printed, as in the reference."""
        return encode(render(with_section(tree, section), indented(indent), clear_zero=True) + "\n")

    def emit_value(self, node: Node | Comment) -> bytes:
        """See `Store`; a mapping is printed like a file, anything else without a final line break."""
        if isinstance(node, Branch):
            return self.emit([node])
        return encode(render(node, indented(None)))

    def amend(self, document: Document, tree: Tree) -> bytes:
        """See `Store`."""
        from secrettool.stores.json.amend import changes

        assert isinstance(document, JsonDocument)
        return encode(splice(document.text, changes(document.text, document.root, tree[0])))

    def reserved(self, key: str) -> bool:
        """See `Store`."""
        return key == SECTION_KEY

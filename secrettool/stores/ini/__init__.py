"""The INI store.

Source: sops 3.13 stores/ini/store.go, stores/metadata.go; gopkg.in/ini.v1 v1.67.
"""

from __future__ import annotations

from secrettool.errors import EmitError, MetadataError, MetadataNotFound
from secrettool.sops.metadata import NOTATION_FIELD, flatten, unflatten
from secrettool.sops.store import SECTION_KEY, Document, NotationEntry, Opener, Resealer, Sealed, Sealer
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence, Tree
from secrettool.sops.values import Kind, parse_plain
from secrettool.stores.ini.emit import comment_text, entry_lines, print_sections, sections_of, value_text
from secrettool.stores.ini.nodes import IniComment, IniLeaf, Leftover, Section
from secrettool.stores.ini.parse import parse, reads_as
from secrettool.stores.scalars import scalar_text
from secrettool.stores.splice import Edit, decode, encode, splice


class IniDocument(Document):
    """A parsed INI file.

    Attributes:
        sections: Its sections, without that of the metadata.
        metadata: The section of the metadata; None in plain text.
        visits: The leaves and comments that the walk visits, in its order.
        leftovers: What the tree does not hold.
    """

    __slots__ = ("leftovers", "metadata", "sections", "visits")

    def __init__(self, text: str, sections: list[Section], leftovers: list[Leftover]) -> None:
        super().__init__(text, [Branch([Item(section.name, section.branch()) for section in sections])])
        self.sections = sections
        self.metadata: Section | None = None
        self.leftovers = leftovers
        self.visits: list[IniLeaf | IniComment] = []
        for section in sections:
            if section.comment is not None:
                self.visits.append(section.comment)
            for key in section.keys.values():
                self.visits += [key.leaf] if key.comment is None else [key.leaf, key.comment]


def _read(data: bytes) -> IniDocument:
    text = decode(data)
    sections, leftovers, pending = parse(text)
    if pending is not None:
        leftovers = [*leftovers, Leftover(pending[0] + 1, pending[1], (sections[-1].name,))]
    return IniDocument(text, sections, [left for left in leftovers if text[left.start : left.end].strip()])


def _flat_section(section: Branch, notation: str | None) -> str:
    entries = [(name, scalar_text(value).replace("\n", "\\n"), None) for name, value in flatten(section)]
    if notation is not None:
        entries.insert(sum(1 for name, _, _ in entries if name < NOTATION_FIELD), (NOTATION_FIELD, notation, None))
    return f"[{SECTION_KEY}]\n" + entry_lines(entries)  # type: ignore[arg-type]


def _newline(text: str) -> str:
    return "\r\n" if text.find("\r\n") == text.find("\n") - 1 and "\n" in text else "\n"


def _with_section(text: str, body: str) -> str:
    """The text with the section behind an empty line. A final line break that is missing is left out behind the section, to come back with it."""
    newline = _newline(text)
    body = body.replace("\n", newline)
    if not text:
        return body
    if text.endswith("\n"):
        return text + newline + body
    return text + newline + newline + body.removesuffix(newline)


def _metadata_span(text: str, section: Section) -> tuple[int, int]:
    """What goes when the section is taken out: the empty line in front of it, too."""
    newline = "\r\n" if text[section.start : section.body].endswith("\r\n") else "\n"
    start = section.start
    for _ in range(1 if text.endswith("\n") or section.end < len(text) else 2):
        if text.endswith(newline, 0, start):
            start -= len(newline)
    return start, section.end


class IniStore:
    """INI: values and comments become envelopes with the quotes and markers that they had; the section is the last one of the file.

    What quotes and markers cannot give back (joined lines, blocks of comment lines) is kept in the notation entry, a key of the section that sops
    does not know and skips.
    """

    name = "ini"
    suffixes: tuple[str, ...] = (".ini",)

    def parse(self, data: bytes) -> Document:
        """See `Store`."""
        return _read(data)

    def parse_sealed(self, data: bytes) -> Document:
        """See `Store`."""
        whole = _read(data)
        found = [number for number, section in enumerate(whole.sections) if section.name == SECTION_KEY]
        if not found:
            raise MetadataNotFound("sops metadata not found", hint="the file is not encrypted")
        if len(found) > 1:
            raise MetadataError(f"Found duplicate {SECTION_KEY} entry", where=SECTION_KEY)
        metadata = whole.sections[found[0]]
        entries = {name: key.leaf.value.replace("\\n", "\n") for name, key in metadata.keys.items() if isinstance(key.leaf.value, str)}
        if not entries and metadata.comment is None:
            raise MetadataNotFound("sops metadata not found", where=SECTION_KEY, hint="the section is empty")
        leftovers = [left for left in whole.leftovers if left.path[0] != SECTION_KEY]
        if metadata.comment is not None and metadata.comment.block is not None:
            # Comment lines behind the last key of a plain text stand in front of the section now.
            start, end = metadata.comment.block
            leftovers.append(Leftover(start + 1, end, (whole.sections[found[0] - 1].name,)))
        document = IniDocument(whole.text, [section for section in whole.sections if section is not metadata], leftovers)
        document.metadata = metadata
        document.notation = entries.pop(NOTATION_FIELD, None)
        document.section = unflatten(list(entries.items()))
        return document

    def seal(self, document: Document, sealer: Sealer) -> bytes:
        """See `Store`.

        Raises:
            EmitError: A key `-`: sops would not find it again.
        """
        assert isinstance(document, IniDocument)
        _check_numbered(document)
        text = document.text
        edits: list[Edit] = []
        entries: list[NotationEntry] = []
        for number, (node, sealed) in enumerate(zip(document.visits, sealer.seals, strict=True)):
            if sealed is None:
                if isinstance(node, IniLeaf) and _opens_at_end(text, node):
                    edits.append((node.start, node.end, f"'{node.value}'"))
                    entries.append((number, str(node.value)))
                continue
            if isinstance(node, IniComment):
                written, shown = _seal_comment(text, node, sealed, edits)
            else:
                follows = document.visits[number + 1] if number + 1 < len(document.visits) else None
                written, shown = _seal_leaf(text, node, sealed, _goes_on(text, node, follows), edits)
            if written != shown:
                entries.append((number, written))
        for left in document.leftovers:
            if sealer.selects(left.path):
                kind: Kind = "comment" if len(left.path) == 1 else "str"
                edits.append(_sealed_leftover(left, sealer.extra(text[left.start : left.end], kind, left.path)))
        section = _flat_section(sealer.section, sealer.notation(entries))
        return encode(_with_section(splice(text, edits), section))

    def open(self, document: Document, opener: Opener) -> bytes:
        """See `Store`."""
        assert isinstance(document, IniDocument) and document.metadata is not None
        text = document.text
        edits: list[Edit] = [(*_metadata_span(text, document.metadata), "")]
        for number, (node, opened) in enumerate(zip(document.visits, opener.nodes, strict=True)):
            original = opener.notation.get(number)
            if opened is None:
                if original is not None and isinstance(node, IniLeaf):
                    edits.append((node.start, node.end, original))
                continue
            plain = opened.text if isinstance(opened, Comment) else scalar_text(opened.value)
            if isinstance(node, IniComment):
                edits += _open_comment(node, plain, original)
            else:
                edits.append((node.start, node.end, original or _leaf_text(plain, node.quote)))
        for left in document.leftovers:
            found = opener.extra(_leftover_envelope(text, left), left.path)
            if found is not None:
                edits.append((left.start, left.end, found))
        return encode(splice(text, edits))

    def reseal(self, document: Document, resealer: Resealer) -> bytes:
        """See `Store`."""
        assert isinstance(document, IniDocument) and document.metadata is not None
        text, metadata = document.text, document.metadata
        edits: list[Edit] = []
        for node, envelope in zip(document.visits, resealer.envelopes, strict=True):
            if envelope is None:
                continue
            if isinstance(node, IniComment):
                start, end = node.block or node.behind or (node.start, node.end)
                edits.append((start, end, node.lead + envelope))
            else:
                inner = str(node.value)
                behind = inner[inner.rindex("]") + 1 :] if "]" in inner else ""
                edits.append((node.start, node.end, node.quote + envelope + behind + node.quote))
        for left in document.leftovers:
            new = resealer.extra(_leftover_envelope(text, left), left.path)
            if new is not None:
                edits.append(_sealed_leftover(left, new))
        newline = "\r\n" if text[metadata.start : metadata.body].endswith("\r\n") else "\n"
        body = _flat_section(resealer.section, resealer.notation).replace("\n", newline)
        edits.append((metadata.start, metadata.end, body if text.endswith("\n", 0, metadata.end) else body.removesuffix(newline)))
        return encode(splice(text, edits))

    def emit(self, tree: Tree, *, indent: int | None = None) -> bytes:
        """See `Store`; there is nothing to indent."""
        return encode(print_sections(sections_of(tree)))

    def emit_sealed(self, tree: Tree, section: Branch, *, indent: int | None = None) -> bytes:
        """See `Store`; refuses null and collections, which could not be read back."""
        sections = sections_of(tree)
        for name, branch in sections:
            if name == SECTION_KEY:
                raise EmitError(f'Found key "{SECTION_KEY}" in encrypted data, which is a reserved key used for SOPS metadata')
            for item in branch.items:
                if isinstance(item, Item):
                    if isinstance(item.value, Leaf) and item.value.value is None:
                        raise EmitError(
                            "null cannot stand in an encrypted INI file", where=f"{name}.{item.key}", hint="remove it, or make it a string"
                        )
                    if isinstance(item.value, Branch | Sequence):
                        raise EmitError("a collection cannot stand in an encrypted INI file: it could not be read back", where=f"{name}.{item.key}")
        flat = Branch([Item(key, Leaf(scalar_text(value).replace("\n", "\\n"))) for key, value in flatten(section)])
        return encode(print_sections([*sections, (SECTION_KEY, flat)]))

    def emit_value(self, node: Node | Comment) -> bytes:
        """See `Store`; anything but a mapping is printed as JSON."""
        if isinstance(node, Branch):
            return self.emit([node])
        from secrettool.stores.json.emit import Style, render

        return encode(render(node, Style("", "", ":", "")))

    def amend(self, document: Document, tree: Tree) -> bytes:
        """See `Store`."""
        from secrettool.stores.ini.amend import changes

        assert isinstance(document, IniDocument)
        return encode(splice(document.text, changes(document.text, document.tree[0], document.sections, tree[0])))

    def reserved(self, key: str) -> bool:
        """See `Store`."""
        return key == SECTION_KEY


# ---- one visit -----------------------------------------------------------------------------------------------------------------------------------


def _check_numbered(document: IniDocument) -> None:
    for section in document.sections:
        if section.numbered:
            raise EmitError("an INI key - cannot be encrypted: sops reads it as #1, which is a comment", where=section.name, hint="name the key")


def _opens_at_end(text: str, leaf: IniLeaf) -> bool:
    """Whether a clear value is three quotes that open nothing only because the text ends behind them."""
    return leaf.end == len(text) and text.endswith('"""', leaf.start) and leaf.end - leaf.start == 3


def _goes_on(text: str, leaf: IniLeaf, follows: IniLeaf | IniComment | None) -> bool:
    """Whether something stands behind a value of several lines that is read only because the value has several lines."""
    return leaf.lines and (
        leaf.dropped is not None or (isinstance(follows, IniComment) and follows.anchor == leaf.tail and follows.behind is not None)
    )


def _leaf_text(value: str, quote: str) -> str:
    """A value in quotes like those of its envelope, or as the library writes it where it would not be read back."""
    written = f"{quote}{value}{quote}"
    return written if quote and reads_as(written, value) else value_text(value)


def _seal_leaf(text: str, leaf: IniLeaf, sealed: Sealed, goes_on: bool, edits: list[Edit]) -> tuple[str, str]:
    """Put an envelope in the place of a value.

    Returns:
        How the value is written, and what opening the envelope prints.
    """
    written = text[leaf.start : leaf.end]
    plain = scalar_text(parse_plain(sealed.kind, sealed.plain))
    quote = leaf.quote
    if sealed.bare and value_text(plain) == written:
        quote = ""
    # The library looks for a comment behind quotes only when they stand on different lines; what follows the envelope inside them is not read.
    edits.append((leaf.start, leaf.end, quote + sealed.envelope + ("\n" if goes_on and quote else "") + quote))
    return written, _leaf_text(plain, quote)


def _seal_comment(text: str, comment: IniComment, sealed: Sealed, edits: list[Edit]) -> tuple[str, str]:
    """Put an envelope in the place of a comment. One that stands both above and behind moves above, and so does one behind a header: the bracket
    of the envelope would be taken for the end of the name.

    Returns:
        How the comment is written (both places, see `_open_comment`), and what opening the envelope prints.
    """
    start, end = comment.block or comment.behind or (comment.start, comment.end)
    new = comment.lead + sealed.envelope
    written = text[start:end]
    if comment.behind is not None and (comment.block is not None or comment.line is not None):
        written = f"\n{written if comment.block is not None else ''}\n{text[comment.anchor : comment.behind[1]]}"
        edits.append((comment.anchor, comment.behind[1], ""))
    if comment.block is None and comment.line is not None:
        edits.append((comment.line, comment.line, new + _newline(text)))
    else:
        edits.append((start, end, new))
    return written, _comment_text(comment, sealed.plain)


def _comment_text(comment: IniComment, plain: str) -> str:
    if "\n" in plain or comment.lead == "; ":
        return comment_text(plain, heading=comment.line is not None)
    return comment.lead + plain


def _open_comment(comment: IniComment, plain: str, original: str | None) -> list[Edit]:
    """The edits that bring a comment back; an original that starts with a line break holds the lines above and, as its last line, what was behind."""
    start, end = comment.block or comment.behind or (comment.start, comment.end)
    if original is None:
        return [(start, end, _comment_text(comment, plain))]
    if not original.startswith("\n"):
        return [(start, end, original)]
    above, _, behind = original[1:].rpartition("\n")
    if not above and comment.line is not None:
        end = comment.line
    return [(start, end, above), (comment.anchor, comment.anchor, behind)]


# ---- leftovers -----------------------------------------------------------------------------------------------------------------------------------


def _sealed_leftover(left: Leftover, envelope: str) -> Edit:
    # On the line of a header the last bracket ends the name, so the envelope goes without its own.
    return left.start, left.end, envelope.removesuffix("]") if left.heading else envelope


def _leftover_envelope(text: str, left: Leftover) -> str:
    return text[left.start : left.end] + ("]" if left.heading else "")

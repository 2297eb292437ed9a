"""The dotenv store.

Every line is `KEY=value`, a comment (`#` in the first column) or empty; nothing is trimmed and the two characters `\\n` are the only escape, so every
value is written in one way only and the text comes back without a notation entry.

Source: sops 3.13 stores/dotenv/store.go, stores/metadata.go.
"""

from __future__ import annotations

from secrettool.errors import EmitError, MetadataNotFound
from secrettool.sops.metadata import flatten, unflatten
from secrettool.sops.store import SECTION_KEY, Document, Opener, Resealer, Sealer
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Tree
from secrettool.sops.values import Value
from secrettool.stores.scalars import scalar_text
from secrettool.stores.splice import Edit, broken, decode, encode, splice

PREFIX = SECTION_KEY + "_"
"""What the keys of the metadata start with."""


class Entry(Item):
    """A line with a key; `start` is the offset of the line."""

    __slots__ = ("start",)

    def __init__(self, key: str, value: Leaf, start: int) -> None:
        self.key = key
        self.value: Leaf = value
        self.start = start


class DotenvDocument(Document):
    """A parsed dotenv file.

    Attributes:
        lines: Keys and comments in the order of the file, without the metadata.
        metadata: The lines of the metadata.
    """

    __slots__ = ("lines", "metadata")

    def __init__(self, text: str, lines: list[Entry | Comment]) -> None:
        super().__init__(text, [Branch(list(lines))])
        self.lines = lines
        self.metadata: list[Entry] = []


def _read(data: bytes) -> DotenvDocument:
    text = decode(data)
    lines: list[Entry | Comment] = []
    start = 0
    for line in text.split("\n"):
        end = start + len(line)
        if line.startswith("#"):
            lines.append(Comment(line[1:], start=start, end=end))
        elif line:
            key, equals, value = line.partition("=")
            if not equals:
                raise broken("invalid dotenv input line: there is no = in it", text, start, "a line is KEY=value or a comment that starts with #")
            lines.append(Entry(key, Leaf(value.replace("\\n", "\n"), start + len(key) + 1, end), start))
        start = end + 1
    return DotenvDocument(text, lines)


def _value_text(value: Value) -> str:
    return value.replace("\n", "\\n") if isinstance(value, str) else scalar_text(value)


def _comment_text(node: Leaf | Comment) -> str:
    """A comment; what has several lines can only be an envelope of something else that was put there, and stays a comment on all of them."""
    text = node.text if isinstance(node, Comment) else scalar_text(node.value)
    return "#" + text.replace("\n", "\n#")


def _section_lines(section: Branch) -> list[str]:
    return [f"{PREFIX}{name}={_value_text(value)}" for name, value in flatten(section)]


def _with_section(text: str, section: Branch) -> str:
    """The text with the section at its end. A final line break that is missing is left out behind the section, to come back when it is taken away."""
    lines = _section_lines(section)
    if text and not text.endswith("\n"):
        return "\n".join([text, *lines])
    return text + "\n".join([*lines, ""])


class DotenvStore:
    """dotenv: values and the text of comments become envelopes; the section is a block of lines `sops_...` at the end."""

    name = "dotenv"
    suffixes: tuple[str, ...] = (".env",)

    def parse(self, data: bytes) -> Document:
        """See `Store`."""
        return _read(data)

    def parse_sealed(self, data: bytes) -> Document:
        """See `Store`."""
        document = _read(data)
        document.metadata = [line for line in document.lines if isinstance(line, Entry) and self.reserved(str(line.key))]
        if not document.metadata:
            raise MetadataNotFound("sops metadata not found", hint="the file is not encrypted")
        document.lines = [line for line in document.lines if isinstance(line, Comment) or not self.reserved(str(line.key))]
        document.tree = [Branch(list(document.lines))]
        document.section = unflatten([(str(line.key).removeprefix(PREFIX), line.value.value) for line in document.metadata])
        return document

    def seal(self, document: Document, sealer: Sealer) -> bytes:
        """See `Store`."""
        assert isinstance(document, DotenvDocument)
        edits: list[Edit] = []
        for line, sealed in zip(document.lines, sealer.seals, strict=True):
            if sealed is not None:
                edits.append(_sealed(line, sealed.envelope))
        return encode(_with_section(splice(document.text, edits), sealer.section))

    def open(self, document: Document, opener: Opener) -> bytes:
        """See `Store`."""
        assert isinstance(document, DotenvDocument)
        edits: list[Edit] = []
        for line, node in zip(document.lines, opener.nodes, strict=True):
            if node is None:
                continue
            if isinstance(line, Comment):
                edits.append((line.start, line.end, _comment_text(node)))
            else:
                text = _value_text(node.text if isinstance(node, Comment) else node.value)
                edits.append((line.value.start, line.value.end, text))
        return encode(_without_metadata(document, edits))

    def reseal(self, document: Document, resealer: Resealer) -> bytes:
        """See `Store`."""
        assert isinstance(document, DotenvDocument)
        edits = [_sealed(line, envelope) for line, envelope in zip(document.lines, resealer.envelopes, strict=True) if envelope is not None]
        first, *others = document.metadata
        edits.append((first.start, first.value.end, "\n".join(_section_lines(resealer.section))))
        edits += [(line.start - 1, line.value.end, "") for line in others]  # each with the line break in front of it
        return encode(splice(document.text, edits))

    def emit(self, tree: Tree, *, indent: int | None = None) -> bytes:
        """See `Store`; only the first document is printed, and there is nothing to indent."""
        return encode("".join(_printed(entry) + "\n" for entry in (tree[0].items if tree else [])))

    def emit_sealed(self, tree: Tree, section: Branch, *, indent: int | None = None) -> bytes:
        """See `Store`; refuses what would not be read back as it is: null, and keys and comments that are not one line."""
        for branch in tree:
            for entry in branch.items:
                if isinstance(entry, Comment):
                    if "\n" in entry.text:
                        raise EmitError("a comment of several lines cannot stand in an encrypted dotenv file")
                    continue
                key = str(entry.key)
                if self.reserved(key):
                    raise EmitError(f'Found key in encrypted data, which starts with the reserved key prefix "{PREFIX}"', where=key)
                if "=" in key or "\n" in key or key.startswith("#"):
                    raise EmitError("the key cannot be read back from a dotenv file", where=key, hint="it must not hold = or start with #")
                if isinstance(entry.value, Leaf) and entry.value.value is None:
                    raise EmitError("null cannot stand in an encrypted dotenv file", where=key, hint="remove the entry, or make it a string")
        return self.emit(tree) + encode("\n".join([*_section_lines(section), ""]))

    def emit_value(self, node: Node | Comment) -> bytes:
        """See `Store`."""
        if isinstance(node, Branch):
            return self.emit([node])
        if isinstance(node, Leaf) and isinstance(node.value, str):
            return encode(node.value)
        raise EmitError("the dotenv store only supports emitting strings", hint="choose another format with --output-type")

    def amend(self, document: Document, tree: Tree) -> bytes:
        """See `Store`."""
        assert isinstance(document, DotenvDocument)
        return encode(_amended(document, tree[0]))

    def reserved(self, key: str) -> bool:
        """See `Store`."""
        return key.startswith(PREFIX)


def _sealed(line: Entry | Comment, envelope: str) -> Edit:
    if isinstance(line, Comment):
        return line.start, line.end, "#" + envelope
    return line.value.start, line.value.end, envelope


def _without_metadata(document: DotenvDocument, edits: list[Edit]) -> str:
    """The text with edits applied and the section taken out."""
    text = document.text
    edits = [*edits, *((line.start, min(line.value.end + 1, len(text)), "") for line in document.metadata)]
    opened = splice(text, edits)
    if document.metadata[-1].value.end == len(text):
        # The line break behind the section is missing: so it was behind the text.
        return opened.removesuffix("\n")
    return opened


def _printed(entry: Item | Comment) -> str:
    if isinstance(entry, Comment):
        return _comment_text(entry)
    node: Node | Comment = entry.value
    if isinstance(node, Comment):
        return f"{entry.key}={_value_text(node.text)}"
    if not isinstance(node, Leaf):
        raise EmitError("cannot use complex value in dotenv file; the offending key is not a scalar", where=str(entry.key))
    return f"{entry.key}={_value_text(node.value)}"


def _amended(document: DotenvDocument, wanted: Branch) -> str:
    """A plain text that holds another branch: values replaced, lines removed, lines inserted."""
    text, old = document.text, document.lines
    places = {id(line): number for number, line in enumerate(old)}
    staying = {id(entry) for entry in wanted.items}
    edits: list[Edit] = []
    kept: set[int] = set()
    at = free = 0  # where the next new line goes, and the first line that was not passed yet
    for entry in wanted.items:
        number = places.get(id(entry))
        if number is None:
            number = next((n for n in range(free, len(old)) if id(old[n]) not in staying and _same_key(old[n], entry)), None)
            if number is not None:
                start, end = old[number].start, _end(old[number])
                edits.append((start, end, _printed(entry)))
        if number is None or number < free:
            line = _printed(entry)
            edits.append((at, at, f"{line}\n" if at == 0 or text[at - 1] == "\n" else f"\n{line}"))
            continue
        kept.add(number)
        free = number + 1
        at = min(_end(old[number]) + 1, len(text))
    edits += [(line.start, min(_end(line) + 1, len(text)), "") for number, line in enumerate(old) if number not in kept]
    changed = splice(text, edits)
    if old and not text.endswith("\n") and len(old) - 1 not in kept:
        return changed.removesuffix("\n")
    return changed


def _same_key(line: Entry | Comment, entry: Item | Comment) -> bool:
    return isinstance(line, Entry) and isinstance(entry, Item) and line.key == entry.key


def _end(line: Entry | Comment) -> int:
    return line.end if isinstance(line, Comment) else line.value.end

"""The YAML store."""

from __future__ import annotations

from secrettool.errors import EmitError, MetadataError, MetadataNotFound
from secrettool.sops.store import SECTION_KEY, Document, Opener, Resealer, Sealer
from secrettool.sops.tree import Branch, Comment, Item, Node, Tree
from secrettool.stores.yaml.nodes import YamlDocument
from secrettool.stores.yaml.read import read, take_sections
from secrettool.stores.yaml.scan import decode, encode
from secrettool.stores.yaml.section import comments_above, notes_in


class YamlStore:
    """YAML, read by the rules of go-yaml and written back byte for byte."""

    name = "yaml"
    suffixes = (".yaml", ".yml")

    def parse(self, data: bytes) -> YamlDocument:
        """See `Store`."""
        text, encoding, bom = decode(data)
        document = read(text)
        document.encoding, document.bom = encoding, bom
        # libyaml and go-yaml attach comments beside these breaks to different nodes.
        lone_returns = "\r" in text and text.count("\r") != text.count("\r\n")
        document.fragile = lone_returns or (not text.isascii() and any(odd in text for odd in "\x85\u2028\u2029"))
        return document

    def parse_sealed(self, data: bytes) -> YamlDocument:
        """See `Store`."""
        document = self.parse(data)
        take_sections(document)
        text = comments_above(document.text, document.parts, document.newline)
        if text is not document.text:
            document = self.parse(encode(text, document.encoding, document.bom))
            take_sections(document)
        sections = document.parts[0].section
        if not sections:
            raise MetadataNotFound("sops metadata not found")
        if len(sections) > 1:
            raise MetadataError("Found duplicate sops entry")
        section = sections[0].value
        if not isinstance(section, Branch):
            raise MetadataError("Found sops entry that is not a mapping")
        document.section = section
        document.notation = notes_in(document.text, sections[0]).notation
        return document

    def seal(self, document: Document, sealer: Sealer) -> bytes:
        """See `Store`."""
        from secrettool.stores.yaml.layout import Assembly

        assert isinstance(document, YamlDocument)
        return encode(Assembly(document, sealer).run(), document.encoding, document.bom)

    def open(self, document: Document, opener: Opener) -> bytes:
        """See `Store`."""
        from secrettool.stores.yaml.opening import Opening

        assert isinstance(document, YamlDocument)
        return encode(Opening(document, opener).run(), document.encoding, document.bom)

    def reseal(self, document: Document, resealer: Resealer) -> bytes:
        """See `Store`."""
        from secrettool.stores.yaml.resealing import reseal

        assert isinstance(document, YamlDocument)
        return encode(reseal(document, resealer), document.encoding, document.bom)

    def emit(self, tree: Tree, *, indent: int | None = None) -> bytes:
        """See `Store`."""
        from secrettool.stores.yaml import emit

        return emit.emit(tree, indent=indent).encode("utf-8")

    def emit_sealed(self, tree: Tree, section: Branch, *, indent: int | None = None) -> bytes:
        """See `Store`."""
        if any(root.find(SECTION_KEY) is not None for root in tree):
            raise EmitError("the reserved key is there already", where=SECTION_KEY)
        roots = [Branch([*root.items, Item(SECTION_KEY, section)]) for root in tree]
        from secrettool.stores.yaml import emit

        return emit.emit(roots, indent=indent).encode("utf-8")

    def emit_value(self, node: Node | Comment) -> bytes:
        """See `Store`."""
        from secrettool.stores.yaml import emit

        return emit.emit_value(node).encode("utf-8")

    def amend(self, document: Document, tree: Tree) -> bytes:
        """See `Store`."""
        from secrettool.stores.yaml.amend import amend

        assert isinstance(document, YamlDocument)
        return amend(document, tree)

    def reserved(self, key: str) -> bool:
        """See `Store`."""
        return key == SECTION_KEY

"""The nodes of a YAML tree: what the format sees, plus where and how each of them stands in the text.

All offsets count code points of `YamlDocument.text` (without a byte order mark). All columns count from 0.

An alias is expanded where it is used, as sops does: the tree holds a shallow copy of the anchored node there, which shares its children with the
original and carries the alias it came from. Whatever lies below a node with an `alias` stands in the text at the place of the anchor, not here.
"""

from __future__ import annotations

from secrettool.sops.store import Document
from secrettool.sops.tree import NOWHERE, Branch, Comment, Item, Leaf, Node, Sequence, Tree, TreePath
from secrettool.sops.values import Value


class Properties:
    """Tag and anchor in front of a node.

    Attributes:
        start: Offset of the first of them.
        tag: The full tag (`tag:yaml.org,2002:int`, `!x`, or `!` alone); None without one.
        anchor: The name; None without one.
    """

    __slots__ = ("anchor", "start", "tag")

    def __init__(self, start: int, tag: str | None, anchor: str | None) -> None:
        self.start = start
        self.tag = tag
        self.anchor = anchor


class Alias:
    """An alias in the text.

    Attributes:
        name: What follows the `*`.
        start: Offset of the `*`.
        end: Offset behind the name.
        target: The node that the anchor stands at; for an alias as a key it may be a key: then the leaf made from it.
    """

    __slots__ = ("end", "name", "start", "target")

    def __init__(self, name: str, start: int, end: int, target: Node) -> None:
        self.name = name
        self.start = start
        self.end = end
        self.target = target


class YamlLeaf(Leaf):
    """A scalar; `start` and `end` enclose its token without tag and anchor, quotes included.

    For a block scalar they run from the `|` or `>` to the start of the first line behind it and its blank lines. An empty scalar has
    `start == end`.

    Attributes:
        style: `""` plain, `"'"`, `'"'`, `"|"` or `">"`.
        flow: Whether it stands inside a flow collection.
        column: Column of the entry that holds it: of the key, or of the `-`.
        properties: Its tag and anchor, None without either.
        alias: The alias that this leaf is the copy for; None when it stands here itself.
        item: Whether it is an element of a list.
    """

    __slots__ = ("alias", "column", "flow", "item", "properties", "style")

    def __init__(
        self,
        value: Value,
        start: int = NOWHERE,
        end: int = NOWHERE,
        plain: str | None = None,
        style: str = "",
        flow: bool = False,
        column: int = 0,
        properties: Properties | None = None,
        alias: Alias | None = None,
        item: bool = False,
    ) -> None:
        self.value = value
        self.start = start
        self.end = end
        self.plain = plain
        self.style = style
        self.flow = flow
        self.column = column
        self.properties = properties
        self.alias = alias
        self.item = item


class YamlBranch(Branch):
    """A mapping. In flow style `start` and `end` enclose the braces; in block style they run from the first key to the end of the last value.

    The one pair of `[a: b]` has flow style and no braces. The root of a document that holds nothing, or null, is an empty one.

    Attributes:
        start: Offset of its first character, without tag and anchor.
        end: Offset behind its last one (behind a block scalar at its end: the start of the line after it and its blank lines).
        flow: Whether it is in flow style.
        column: Column of its keys (block style), or of the brace.
        properties: Its tag and anchor, None without either.
        alias: The alias that this is the copy for.
    """

    __slots__ = ("alias", "column", "end", "flow", "properties", "start")

    def __init__(
        self,
        items: list[Item | Comment] | None = None,
        start: int = NOWHERE,
        end: int = NOWHERE,
        flow: bool = False,
        column: int = 0,
        properties: Properties | None = None,
        alias: Alias | None = None,
    ) -> None:
        self.items = [] if items is None else items
        self.start = start
        self.end = end
        self.flow = flow
        self.column = column
        self.properties = properties
        self.alias = alias


class YamlSequence(Sequence):
    """A list; the attributes are those of `YamlBranch`, with brackets for braces and dashes for keys."""

    __slots__ = ("alias", "column", "end", "flow", "properties", "start")

    def __init__(
        self,
        items: list[Node | Comment] | None = None,
        start: int = NOWHERE,
        end: int = NOWHERE,
        flow: bool = False,
        column: int = 0,
        properties: Properties | None = None,
        alias: Alias | None = None,
    ) -> None:
        self.items = [] if items is None else items
        self.start = start
        self.end = end
        self.flow = flow
        self.column = column
        self.properties = properties
        self.alias = alias


class YamlItem(Item):
    """An entry of a mapping.

    Attributes:
        start: Offset of the key's token, without tag and anchor; of the `*` when the key is an alias.
        end: Offset behind the key's token (not behind the colon).
        style: How the key is written, as `YamlLeaf.style`.
        properties: Tag and anchor of the key.
        alias: The alias that the key is written as.
    """

    __slots__ = ("alias", "end", "properties", "start", "style")

    def __init__(
        self,
        key: Value,
        value: Node,
        start: int = NOWHERE,
        end: int = NOWHERE,
        style: str = "",
        properties: Properties | None = None,
        alias: Alias | None = None,
    ) -> None:
        self.key = key
        self.value = value
        self.start = start
        self.end = end
        self.style = style
        self.properties = properties
        self.alias = alias


class Part:
    """One document of the stream.

    Attributes:
        root: Its tree, the same object as in `YamlDocument.tree`; a `sops` section is taken out of its items.
        node: What stands at its root: the same object, or the null leaf for which an empty mapping stands in the tree.
        start: Offset behind its `---`, or where it begins without one.
        end: Offset of what ends it: the next `---`, a `...`, a directive, or the end of the text.
        section: The `sops` items that were taken out.
    """

    __slots__ = ("end", "node", "root", "section", "start")

    def __init__(self, root: YamlBranch, node: Node, start: int, end: int) -> None:
        self.root = root
        self.node = node
        self.start = start
        self.end = end
        self.section: list[YamlItem] = []


class YamlDocument(Document):
    """A YAML text and what stands where in it.

    Attributes:
        encoding: Codec of the bytes: `utf-8`, `utf-16-le` or `utf-16-be`.
        bom: Whether a byte order mark stood in front of the text.
        parts: One entry for each document of `tree`.
        aliases: The copies that stand in for an alias, in the order of the text.
        alias_keys: The entries whose key is an alias.
        expanded: The nodes whose anchor says that an alias stood there before encryption, each with the node that the alias meant.
        dropped: Comments that sops' reader does not see, each with the path of the innermost collection around it.
        comments: Whether the text has comments, so that their places have to be watched.
    """

    __slots__ = ("alias_keys", "aliases", "bom", "comments", "dropped", "encoding", "expanded", "parts")

    def __init__(self, text: str, tree: Tree) -> None:
        super().__init__(text, tree)
        self.encoding = "utf-8"
        self.bom = False
        self.parts: list[Part] = []
        self.aliases: list[YamlLeaf | YamlBranch | YamlSequence] = []
        self.alias_keys: list[YamlItem] = []
        self.expanded: list[tuple[YamlLeaf | YamlBranch | YamlSequence | YamlItem, Node | None]] = []
        self.dropped: list[tuple[Comment, TreePath]] = []
        self.comments = False

    @property
    def newline(self) -> str:
        """The line ending of the first line; a line feed when there is none."""
        end = self.text.find("\n")
        if end < 0:
            return "\r" if "\r" in self.text else "\n"
        return "\r\n" if end and self.text[end - 1] == "\r" else "\n"


def node_end(entry: object) -> int:
    """Offset behind a node, or behind the value of an entry, where it is used."""
    if isinstance(entry, Item):
        entry = entry.value
    alias: Alias | None = entry.alias  # type: ignore[attr-defined]
    return entry.end if alias is None else alias.end  # type: ignore[attr-defined]

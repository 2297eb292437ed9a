"""The text that takes the place of an alias while a file is encrypted: its meaning in flow style.

sops opens what lies behind an alias under the path of its use, so that ciphertext cannot be shared between two paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node
from secrettool.stores.yaml.emit import FLOW_KEY_LIMIT
from secrettool.stores.yaml.nodes import YamlItem
from secrettool.stores.yaml.resolve import resolve
from secrettool.stores.yaml.restore import double_quoted
from secrettool.stores.yaml.styles import flow_scalar


def expand(node: Node, newline: str, next_text: Callable[[Leaf | Comment], str]) -> str:
    """A collection in flow style, on one line but for its comments.

    Args:
        node: A mapping or a list.
        newline: Line ending with the indentation that its comments get.
        next_text: Called for each visit in the order of the walk: what to write for a leaf, or behind the `#` of a comment.
    """
    out: list[str] = []
    stack: list[tuple[Iterator[Item | Node | Comment], str]] = []
    current: Node | None = node
    separate = False
    while True:
        if isinstance(current, Leaf):
            out.append("null" if current.value is None else next_text(current))
        elif current is not None:
            branch = isinstance(current, Branch)
            out.append("{" if branch else "[")
            stack.append((iter(current.items), "}" if branch else "]"))
            separate = False
        if not stack:
            return "".join(out)
        entries, closer = stack[-1]
        comments = []
        entry = next(entries, None)
        while isinstance(entry, Comment):
            comments.append(entry)
            entry = next(entries, None)
        if entry is not None and separate:
            out.append(",")
        for comment in comments:
            out += (newline, "#", next_text(comment))
        if comments:
            out.append(newline)
        elif entry is not None and separate:
            out.append(" ")
        if entry is None:
            out.append(closer)
            stack.pop()
            current = None
        elif isinstance(entry, Item):
            key = key_text(entry)
            out.append(key + ": " if len(key) < FLOW_KEY_LIMIT else f"? {key} : ")
            current = entry.value
        else:
            current = entry
        separate = True


def key_text(item: Item) -> str:
    """A key in flow style; a merge key stays one, and only then."""
    if item.key == "<<" and isinstance(item, YamlItem):
        return '"<<"' if item.style else "<<"
    return flow_scalar(item.key)


def clear_text(text: str, leaf: Leaf) -> str:
    """A leaf that is not encrypted, in flow style.

    Args:
        text: The text that the leaf stands in.
        leaf: The leaf; what is not a string is copied as it is written, where that says the same without its tag.
    """
    value = leaf.value
    if isinstance(value, str):
        return double_quoted(value)
    for written in (text[leaf.start : leaf.end], flow_scalar(value)):
        read = resolve(written, None, True)
        if read.__class__ is value.__class__ and (read == value or value != value):
            return written
    return f"!!float {flow_scalar(value)}"

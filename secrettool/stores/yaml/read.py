"""Read a YAML text into a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from secrettool.errors import FormatError
from secrettool.sops.store import SECTION_KEY
from secrettool.sops.tree import Comment, Item, Leaf, TreePath
from secrettool.stores.yaml.compose import Composer
from secrettool.stores.yaml.nodes import YamlBranch, YamlDocument, YamlItem, YamlSequence, node_end
from secrettool.stores.yaml.parser import MisreadRunError, parse_events
from secrettool.stores.yaml.scan import may_have_comments, tokens

if TYPE_CHECKING:
    from secrettool.stores.yaml.runs import Run

LONG_TEXT = 1 << 16
"""Characters from which on a text is searched for runs; in a short one the search would cost more than it saves."""


def read(text: str) -> YamlDocument:
    """The document of a text, `sops` sections still in the tree.

    Raises:
        FormatError: The text is not YAML, or not YAML that sops takes.
    """
    document = _read_tokens(text) if may_have_comments(text) else read_events(text, _runs(text))
    if not document.tree:
        raise FormatError("EOF: there is no document in the text, only blanks or comments")
    return document


def _runs(text: str) -> list[Run]:
    if len(text) <= LONG_TEXT:
        return []
    from secrettool.stores.yaml.runs import find_runs

    return find_runs(text)


def read_events(text: str, runs: list[Run]) -> YamlDocument:
    """The document of a text without comments.

    Args:
        text: The text.
        runs: Its runs of simple lines; leaving some or all out changes nothing but the time it takes.

    Raises:
        FormatError: See `read`.
    """
    document = YamlDocument(text, [])
    try:
        parse_events(text, Composer(document), runs)
    except (FormatError, MisreadRunError):
        if not runs:
            raise
        return read_events(text, [])
    return document


def _read_tokens(text: str) -> YamlDocument:
    """The document of a text with comments."""
    from secrettool.stores.yaml.comments import attach
    from secrettool.stores.yaml.tokenparser import TokenParser

    document = YamlDocument(text, [])
    found = tokens(text)
    attached = attach(text, found)
    TokenParser(text, found, attached, Composer(document)).run()
    document.comments = bool(attached.lines)
    if attached.lines:
        _find_dropped(document, attached.lines)
    return document


def take_sections(document: YamlDocument) -> None:
    """Take the `sops` entries out of the roots of all documents; each part keeps its own."""
    for part in document.parts:
        items: list[Item | Comment] = []
        for entry in part.root.items:
            if isinstance(entry, YamlItem) and entry.key == SECTION_KEY:
                part.section.append(entry)
                document.dropped += [(comment, ()) for comment in _comments_beside(entry)]
            else:
                items.append(entry)
        part.root.items = items


def _comments_beside(item: YamlItem) -> list[Comment]:
    """Comments that the reader puts into a section although they stand in front of its key or behind its end."""
    found: list[Comment] = []
    start, end = item.start, node_end(item.value)
    stack: list[object] = [item.value]
    while stack:
        entry = stack.pop()
        if isinstance(entry, Comment):
            if not start < entry.start < end:
                found.append(entry)
        elif isinstance(entry, Item):
            stack.append(entry.value)
        elif not isinstance(entry, Leaf):
            stack.extend(entry.items)  # type: ignore[attr-defined]
    return found


class _Around(NamedTuple):
    """A collection and the way to it.

    Attributes:
        start: Offset of its first character.
        end: Offset behind its last one.
        outer: The collection that holds it.
        key: Its key there; None in a list.
    """

    start: int
    end: int
    outer: _Around | None
    key: str | None

    @property
    def path(self) -> TreePath:
        """The keys to it; only made where it is asked for, so that deep nesting costs no time."""
        keys: list[str] = []
        around: _Around | None = self
        while around is not None:
            if around.key is not None:
                keys.append(around.key)
            around = around.outer
        return tuple(reversed(keys))


def _find_dropped(document: YamlDocument, lines: list[tuple[int, int]]) -> None:
    """Find the comments that are not in the tree, and what is around them."""
    seen: set[int] = set()
    collections: list[_Around] = []
    stack: list[tuple[object, _Around | None]] = [(part.root, None) for part in document.parts]
    while stack:
        entry, outer = stack.pop()
        if isinstance(entry, Comment):
            seen.add(entry.start)
            continue
        key = None
        if isinstance(entry, Item):
            key = str(entry.key)
            entry = entry.value
        if isinstance(entry, YamlBranch | YamlSequence) and entry.alias is None:
            here = _Around(entry.start, entry.end, outer, key)
            collections.append(here)
            stack += [(inner, here) for inner in entry.items]
    missing = [line for line in lines if line[0] not in seen]
    if not missing:
        return
    collections.sort(key=lambda around: (around.start, -around.end), reverse=True)
    around: list[_Around] = []
    for start, end in missing:
        while collections and collections[-1].start <= start:
            around.append(collections.pop())
        while around and around[-1].end <= start:
            around.pop()
        document.dropped.append((Comment(document.text[start + 1 : end], False, start, end), around[-1].path if around else ()))

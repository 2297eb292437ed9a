"""Setting leaves of a JSON or YAML text: what is not set stays byte for byte, comments and layout included.

Source: requirement PT-06 (`fill`); RFC 6901.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from secrettool.errors import SecrettoolError
from secrettool.flux.ignore import pointer_path
from secrettool.sops.editing import Steps, alike, with_value
from secrettool.sops.store import Store
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence


class FillError(SecrettoolError):
    """The text cannot be filled; `where` is the pointer, if one is to blame. Nothing of the text is quoted."""


def filled(text: bytes, leaves: Mapping[str, str]) -> bytes:
    """The text with leaves set to texts.

    Args:
        text: JSON with an object at its root, or one YAML document with a mapping there.
        leaves: Text by JSON pointer; a leaf has to be there already.

    Raises:
        FillError: It is neither, or a pointer leads to no leaf.
    """
    store = _store(text)
    try:
        document = store.parse(text)
        if len(document.tree) != 1:
            raise FillError("the text holds several documents")
        tree = document.tree[0]
        for pointer, value in leaves.items():
            tree = with_value(tree, _steps(tree, pointer), Leaf(value))[0]
        result = store.amend(document, [tree])
        # What stands behind an alias, or under a comment that would move, cannot be set in place.
        return result if alike(store.parse(result).tree[0], tree) else store.emit([tree])
    except FillError:
        raise
    except SecrettoolError as error:
        raise FillError(f"the text cannot be filled: {error.message}", where=error.where, hint=error.hint) from None


def _store(text: bytes) -> Store:
    """JSON where Python reads it as such; else YAML, whose flow style looks like it."""
    if text.lstrip()[:1] == b"{":
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            pass
        else:
            from secrettool.stores.json import JsonStore

            return JsonStore()
    from secrettool.stores.yaml import YamlStore

    return YamlStore()


def _steps(tree: Branch, pointer: str) -> Steps:
    """A pointer as steps of the tree, where the comments of a list count as its elements."""
    steps: list[str | int] = []
    place: Node = tree
    for key in pointer_path(pointer):
        step, below = _step(place, key)
        if below is None:
            raise FillError("the text has no such place", where=pointer, hint="correct the pointer, or write the leaf into the manifest")
        steps.append(step)
        place = below
    if not isinstance(place, Leaf):
        raise FillError("a mapping or a list is no leaf", where=pointer)
    return tuple(steps)


def _step(place: Node, key: str) -> tuple[str | int, Node | None]:
    if isinstance(place, Branch):
        found = next((item for item in place.items if isinstance(item, Item) and str(item.key) == key), None)
        return (key, None) if found is None or not isinstance(found.key, str) else (key, found.value)
    if isinstance(place, Sequence) and key.isascii() and key.isdigit():
        elements = [(number, entry) for number, entry in enumerate(place.items) if not isinstance(entry, Comment)]
        if str(int(key)) == key and int(key) < len(elements):
            return elements[int(key)]
    return key, None

"""The text of a file of manifests with one object changed: comments, layout and all other objects stay as they are written.

The tree of the text is changed where the object is, and the store writes the smallest change of the text that gives it. What comes of that is read
again. Where it is not what was meant (an alias, a key that is a number), the document is printed anew: its comments go, its values are right.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from secrettool.errors import SecrettoolError
from secrettool.manifests import Manifest, dump_stream, read
from secrettool.objects import Object
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence

if TYPE_CHECKING:
    from secrettool.sops.store import Store


class _NotInPlace(Exception):
    """The text says the object in a way that cannot be changed locally."""


def rewritten(data: bytes, number: int, obj: Object, *, is_json: bool) -> bytes:
    """A file with another object.

    Args:
        data: The file.
        number: Which of its objects is changed, from 0; `manifests.read` counts them.
        obj: What it is to be.
        is_json: Whether it is to stay JSON.

    Raises:
        FormatError: The file cannot be read.
        EmitError: The object has a key `<<`.
    """
    found = read(data.decode("utf-8"), file=None)
    wanted = [each.having(obj) if place == number else each for place, each in enumerate(found)]
    try:
        changed = _in_place(data, number, found[number].obj, obj, is_json=is_json)
        if _texts(read(changed.decode("utf-8"), file=None)) == _texts(wanted) and (not is_json or json.loads(changed) is not None):
            return changed
    except (_NotInPlace, SecrettoolError, ValueError):
        pass
    return joined(wanted, is_json=is_json)


def joined(manifests: list[Manifest], *, is_json: bool) -> bytes:
    """A file of these objects; those that are as they were read stand there as they were written. YAML in a file for JSON stays YAML."""
    if is_json and all(_is_json(each.text) for each in manifests if each.text):
        return "".join(each.text or json.dumps(each.obj, indent=2, ensure_ascii=False) + "\n" for each in manifests).encode()
    return dump_stream(manifests).encode()


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _texts(manifests: list[Manifest]) -> list[str]:
    # As text, because Python takes True for 1.
    return [json.dumps(each.obj, sort_keys=True) for each in manifests]


def _in_place(data: bytes, number: int, old: Object, new: Object, *, is_json: bool) -> bytes:
    store: Store
    if is_json:
        from secrettool.stores.json import JsonStore

        store = JsonStore()
        document = store.parse(data)
        return store.amend(document, [_changed(document.tree[0], old, new)])
    from secrettool.stores.yaml import YamlStore

    store = YamlStore()
    parsed = store.parse(data)
    root = [part.root for part in parsed.parts if part.node is part.root][number]
    return store.amend(parsed, [_changed(root, old, new) if each is root else each for each in parsed.tree])


_Waiting: TypeAlias = list[tuple[Branch | Sequence, Any, Any, Branch | Sequence]]
"""Collections still to be copied: each with its value before and after, and the copy."""


def _changed(root: Branch, old: Object, new: Object) -> Branch:
    """A copy of a tree that has what changed and shares all else."""
    result = Branch()
    waiting: _Waiting = [(root, old, new, result)]
    while waiting:
        node, before, after, copy = waiting.pop()
        if isinstance(node, Branch) and isinstance(copy, Branch):
            _copy_entries(node, before, after, copy, waiting)
        elif isinstance(node, Sequence) and isinstance(copy, Sequence):
            _copy_elements(node, before, after, copy, waiting)
    return result


def _copy_entries(node: Branch, before: Object, after: Object, copy: Branch, waiting: _Waiting) -> None:
    for entry in node.items:
        if isinstance(entry, Comment):
            copy.items.append(entry)
            continue
        if not isinstance(entry.key, str) or entry.key not in before:
            raise _NotInPlace
        if entry.key in after:
            inner = _child(entry.value, before[entry.key], after[entry.key], waiting)
            copy.items.append(entry if inner is entry.value else Item(entry.key, inner))
    copy.items += [Item(key, _node(value)) for key, value in after.items() if key not in before]


def _copy_elements(node: Sequence, before: list[Any], after: list[Any], copy: Sequence, waiting: _Waiting) -> None:
    place = 0
    for element in node.items:
        if isinstance(element, Comment):
            copy.items.append(element)
        elif place < len(after):
            copy.items.append(_child(element, before[place], after[place], waiting))
            place += 1
    copy.items += [_node(value) for value in after[place:]]


def _child(node: Node, before: Any, after: Any, waiting: _Waiting) -> Node:
    if _same(before, after):
        return node
    if isinstance(node, Branch) and isinstance(before, Mapping) and isinstance(after, Mapping):
        copy: Branch | Sequence = Branch()
    elif isinstance(node, Sequence) and isinstance(before, list) and isinstance(after, list):
        copy = Sequence()
    else:
        return _node(after)
    waiting.append((node, before, after, copy))
    return copy


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _node(value: Any) -> Node:
    """A tree for a value as JSON has it."""
    holder: list[Node] = []
    waiting: list[tuple[Any, Branch | Sequence | None, str]] = [(value, None, "")]
    while waiting:
        value, target, key = waiting.pop()
        node: Node = Branch() if isinstance(value, Mapping) else Sequence() if isinstance(value, list) else Leaf(value)
        if target is None:
            holder.append(node)
        elif isinstance(target, Branch):
            target.items.append(Item(key, node))
        else:
            target.items.append(node)
        if isinstance(node, Branch):
            waiting += [(inner, node, name) for name, inner in reversed(list(value.items()))]
        elif isinstance(node, Sequence):
            waiting += [(inner, node, "") for inner in reversed(value)]
    return holder[0]

"""Paths into a tree (`["a"][0]`), and reading, setting and removing what they lead to.

Trees are never changed: a change gives a new tree that shares every node that stays.

Source: sops 3.13 sops.go (Set, Unset, Truncate), cmd/sops/main.go (parseTreePath).
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Seq
from typing import TypeAlias

from secrettool.errors import ExitCode, TreePathError
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence
from secrettool.sops.values import parse_int, plain_text

Step: TypeAlias = str | int
Steps: TypeAlias = tuple[Step, ...]
"""Mapping keys and list positions; in lists comments count as elements."""


class EntryNotFound(TreePathError):
    """There is no entry with the last key or position that was looked for; the reference's `SopsKeyNotFound`."""


def parse_steps(text: str, code: ExitCode = ExitCode.INVALID_TREE_PATH) -> Steps:
    """Read a path such as `["data"]["key"][0]`; keys in double or single quotes, without escapes.

    Args:
        text: The path.
        code: Exit code of the error: 91 for `--extract`, 7 for set and unset.

    Raises:
        TreePathError: The path is malformed.
    """
    example = 'a path looks like ["data"]["password"] or ["list"][0]'
    steps: list[Step] = []
    for part in text.split("["):
        if part == "":
            continue
        if not part.endswith("]"):
            raise TreePathError("error parsing path: a component doesn't end with ]", hint=example, code=code)
        inner = part[:-1]
        if inner[:1] in ('"', "'"):
            if len(inner) < 2:
                raise TreePathError("error parsing path: a quoted key is not closed", hint=example, code=code)
            steps.append(inner[1:-1])
            continue
        try:
            steps.append(parse_int(inner))
        except ValueError:
            raise TreePathError("error parsing path: a component is neither quoted nor a number", hint=example, code=code) from None
    return tuple(steps)


def steps_text(steps: Seq[Step]) -> str:
    """A path as it is written on the command line."""
    return "".join(f'["{step}"]' if isinstance(step, str) else f"[{step}]" for step in steps)


def _negative(step: int) -> TreePathError:
    return TreePathError(f"component [{step}] is negative", hint="list positions count from 0")


def find(branch: Branch, steps: Steps) -> Node | Comment:
    """What stands at a path.

    Raises:
        TreePathError: A key or position is not there.
    """
    place: Node | Comment = branch
    for step in steps:
        if isinstance(step, str):
            item = place.find(step) if isinstance(place, Branch) else None
            if item is None:
                raise TreePathError(f"error truncating tree: component ['{step}'] not found", where=steps_text(steps))
            place = item.value
        elif not isinstance(place, Sequence):
            raise TreePathError(f"error truncating tree: component [{step}] is integer, but tree part is not a slice", where=steps_text(steps))
        elif step < 0:
            raise _negative(step)
        elif step >= len(place.items):
            raise TreePathError(f"error truncating tree: component [{step}] accesses out of bounds", where=steps_text(steps))
        else:
            place = place.items[step]
    return place


def _grown(steps: Steps, value: Node) -> Node:
    """The value inside the mappings and lists that the steps name."""
    for step in reversed(steps):
        value = Branch([Item(step, value)]) if isinstance(step, str) else Sequence([value])
    return value


def same(one: Node | Comment, other: Node | Comment) -> bool:
    """Whether two nodes are equal in structure, type, value and comments; the reference's `equals`."""
    return _equal(one, other, _same_leaf, comments=True)


def alike(one: Branch, other: Branch, *, comments: bool = False) -> bool:
    """Whether two trees have the same structure and canonical text, whatever the types of their leaves.

    Args:
        one: A document.
        other: Another one.
        comments: Whether comments count, too, with their places.
    """
    return _equal(one, other, _alike_leaf, comments=comments)


def _same_leaf(one: Leaf, other: Leaf) -> bool:
    return type(one.value) is type(other.value) and one.value == other.value


def _alike_leaf(one: Leaf, other: Leaf) -> bool:
    if one.value is None or other.value is None:
        return one.value is other.value
    return plain_text(one.value) == plain_text(other.value)


def _equal(one: Node | Comment, other: Node | Comment, equal: Callable[[Leaf, Leaf], bool], *, comments: bool) -> bool:
    """Compare two nodes with a stack of their own, so that depth is bounded by memory alone."""
    stack: list[tuple[Node | Comment, Node | Comment]] = [(one, other)]
    while stack:
        a, b = stack.pop()
        if isinstance(a, Comment) and isinstance(b, Comment):
            if a.text != b.text:
                return False
        elif isinstance(a, Leaf) and isinstance(b, Leaf):
            if not equal(a, b):
                return False
        elif isinstance(a, Comment | Leaf) or isinstance(b, Comment | Leaf) or isinstance(a, Branch) != isinstance(b, Branch):
            return False
        else:
            left = [entry for entry in a.items if comments or not isinstance(entry, Comment)]
            right = [entry for entry in b.items if comments or not isinstance(entry, Comment)]
            if len(left) != len(right):
                return False
            for mine, theirs in zip(left, right, strict=True):
                if isinstance(mine, Item) and isinstance(theirs, Item) and mine.key == theirs.key:
                    stack.append((mine.value, theirs.value))
                elif isinstance(mine, Item) or isinstance(theirs, Item):
                    return False
                else:
                    stack.append((mine, theirs))
    return True


def with_value(branch: Branch, steps: Steps, value: Node) -> tuple[Branch, bool]:
    """A copy with a value set.

    Missing mappings and lists are made on the way, a position beyond the end appends, a scalar in the way is replaced. A position on a mapping
    changes nothing but counts as a change, as in the reference.

    Returns:
        The new document, and whether anything differs.

    Raises:
        TreePathError: A key on a list, or a negative position.
    """
    node, changed = _set(branch, steps, value)
    if not isinstance(node, Branch):
        raise TreePathError("the path leads to the whole document", code=ExitCode.INVALID_SET_FORMAT)
    return node, changed


def _set(place: Node | Comment, steps: Steps, value: Node) -> tuple[Node, bool]:
    # Recursion is bounded by the length of a path that somebody typed.
    if not steps:
        return value, not same(place, value)
    step, rest = steps[0], steps[1:]
    if isinstance(place, Branch):
        for number, item in enumerate(place.items):
            if isinstance(item, Item) and item.key == step:
                node, changed = _set(item.value, rest, value)
                items = list(place.items)
                items[number] = Item(item.key, node) if node is not item.value else item
                return Branch(items), changed
        if isinstance(step, str):
            return Branch([*place.items, Item(step, _grown(rest, value))]), True
        return place, True
    if isinstance(place, Sequence):
        if isinstance(step, str):
            raise TreePathError(f"component ['{step}'] is a key, but the tree part is a list", where=steps_text(steps))
        if step < 0:
            raise _negative(step)
        elements = list(place.items)
        if step >= len(elements):
            elements.append(_grown(rest, value))
            return Sequence(elements), True
        node, changed = _set(elements[step], rest, value)
        elements[step] = node
        return Sequence(elements), changed
    grown = _grown(steps, value)
    return grown, not same(place, grown)


def without_value(branch: Branch, steps: Steps) -> Branch:
    """A copy with an entry removed.

    Raises:
        EntryNotFound: It is not there.
        TreePathError: The path leads through a value that has no entries.
    """
    if not steps:
        raise TreePathError("the path leads to the whole document", code=ExitCode.INVALID_SET_FORMAT)
    node = _unset(branch, steps)
    assert isinstance(node, Branch)
    return node


def _unset(place: Node | Comment, steps: Steps) -> Node:
    step, rest = steps[0], steps[1:]
    if isinstance(place, Branch):
        for number, item in enumerate(place.items):
            if isinstance(item, Item) and item.key == step:
                replacement = [Item(item.key, _unset(item.value, rest))] if rest else []
                return Branch([*place.items[:number], *replacement, *place.items[number + 1 :]])
        raise EntryNotFound(f"Key not found: {step}", where=steps_text(steps))
    if isinstance(place, Sequence) and isinstance(step, int):
        if step < 0:
            raise _negative(step)
        if step >= len(place.items):
            raise EntryNotFound(f"Index {step} out of bounds", where=steps_text(steps))
        kept: list[Node | Comment] = [_unset(place.items[step], rest)] if rest else []
        return Sequence([*place.items[:step], *kept, *place.items[step + 1 :]])
    raise TreePathError(f"Unsupported type for item '{step}'", where=steps_text(steps))

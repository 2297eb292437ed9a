"""What differs between the entries of a collection before and after a change."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from secrettool.errors import EmitError
from secrettool.sops.tree import Comment, Item, Node

Entry: TypeAlias = Item | Node | Comment


class Insertion(NamedTuple):
    """New entries behind the old entry number `after` (-1: in front of all)."""

    after: int
    entries: list[Entry]


class Changes(NamedTuple):
    """How the entries of a collection change; `removed` are positions among the old ones."""

    pairs: list[tuple[Entry, Entry]]
    removed: list[int]
    inserted: list[Insertion]


def compare(old: list[Item | Comment] | list[Node | Comment], new: list[Item | Comment] | list[Node | Comment]) -> Changes:
    """Line up the entries of a collection before and after; shared entries are the fixed points."""
    numbers = {id(entry): number for number, entry in enumerate(old)}
    changes = Changes([], [], [])
    position = 0
    waiting: list[Entry] = []
    for entry in new:
        number = numbers.get(id(entry), -1)
        if number < position:
            waiting.append(entry)
            continue
        _compare_gap(old, position, number, waiting, changes)
        position, waiting = number + 1, []
    _compare_gap(old, position, len(old), waiting, changes)
    return changes


def _compare_gap(old: list[Item | Comment] | list[Node | Comment], start: int, end: int, new: list[Entry], changes: Changes) -> None:
    """Between two fixed points: pair mapping entries by their key and list items by their order."""
    if any(isinstance(entry, Comment) for entry in (*old[start:end], *new)):
        raise EmitError("a comment changes")
    places = {entry.key: place for place, entry in enumerate(new) if isinstance(entry, Item)}
    position = 0
    for number in range(start, end):
        before = old[number]
        place = places.get(before.key, -1) if isinstance(before, Item) else position if position < len(new) else -1
        if place < position:
            changes.removed.append(number)
            continue
        if place > position:
            changes.inserted.append(Insertion(number - 1, new[position:place]))
        changes.pairs.append((before, new[place]))
        position = place + 1
    if position < len(new):
        changes.inserted.append(Insertion(end - 1, new[position:]))

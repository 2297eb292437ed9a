"""Changes of an encrypted file that both programs can make."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st

import secrettool
from secrettool.cli.set_value import json_value
from secrettool.keys.recipients import age_keys
from secrettool.library import StoreName
from secrettool.sops import changing, rekeying
from secrettool.sops.document import load
from secrettool.sops.editing import Steps, steps_text
from secrettool.sops.tree import Branch, Comment, Item, Node, Sequence, Tree
from secrettool.stores import by_name
from tests.interop.fuzz.options import GUEST, recipient
from tests.interop.fuzz.realsops import FILE, Answer, RealSops

VALUES: tuple[str, ...] = (
    '"new"',
    '"é😀"',
    '"two\\nlines\\n"',
    '""',
    '" x"',
    '"7"',
    "7",
    "1.5",
    "-0.0",
    "1e21",
    "true",
    "null",
    '{"a": 1, "b": [true, "x"]}',
    "{}",
    '"# c"',
)
VALUES += ('"\\ttab\\nfirst"', '"a;b"', '"`"', '"\\"\\"\\""', '"\\r\\n"', '"\\u2028"', '"ENC["', '"-"', '"<<"')


class Edit(NamedTuple):
    """A change.

    Attributes:
        verb: `set`, `unset`, `rotate`, `add key` or `remove key`.
        steps: Path of `set` and `unset`.
        value: JSON text for `set`.
    """

    verb: str
    steps: Steps = ()
    value: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.verb, steps_text(self.steps), self.value) if part)


def by_sops(sops: RealSops, store: StoreName, data: bytes, edit: Edit) -> Answer:
    """The file as sops changes it."""
    if edit.verb == "set":
        return sops.change(data, store, "set", FILE, steps_text(edit.steps), edit.value)
    if edit.verb == "unset":
        return sops.change(data, store, "unset", FILE, steps_text(edit.steps))
    keys = {"add key": ["--add-age", recipient(GUEST)], "remove key": ["--rm-age", recipient("age2")]}.get(edit.verb, [])
    return sops.change(data, store, "rotate", "-i", *keys, FILE)


def by_secrettool(runtime: secrettool.Runtime, store: StoreName, data: bytes, edit: Edit) -> bytes:
    """The file as secrettool changes it.

    Raises:
        SecrettoolError: It refuses.
    """
    file = load(by_name(store), data)
    opened = file.open(runtime)
    if edit.verb == "set":
        return changing.set_value(file, opened, edit.steps, json_value(edit.value), runtime)
    if edit.verb == "unset":
        return changing.unset_value(file, opened, edit.steps, runtime)
    add = age_keys(recipient(GUEST)) if edit.verb == "add key" else ()
    remove = age_keys(recipient("age2")) if edit.verb == "remove key" else ()
    return rekeying.rotate(file, opened, runtime, add=add, remove=remove)


def edits(tree: Tree) -> st.SearchStrategy[Edit]:
    """Changes of a document: of what is there, and of what is not there yet."""
    places = list(_places(tree[0])) if tree else [("new",)]
    there = st.sampled_from(places)
    fresh = st.builds(lambda place, step: (*place[:-1], step), there, st.sampled_from(("new", "a_unencrypted", "é k", 0, 99)))
    beyond = st.builds(lambda place, step: (*place, step), there, st.sampled_from(("new", 0)))
    return st.one_of(
        st.builds(Edit, st.just("set"), there, st.sampled_from(VALUES)),
        st.builds(Edit, st.just("set"), st.one_of(fresh, fresh, beyond), st.sampled_from(VALUES)),
        st.builds(Edit, st.just("unset"), st.one_of(there, there, there, fresh)),
        st.sampled_from((Edit("rotate"), Edit("add key"), Edit("remove key"))),
    )


def _places(root: Branch) -> list[Steps]:
    """Paths of everything in a document that a path can name; comments count as positions of a list."""
    found: list[Steps] = []
    stack: list[tuple[Steps, Node]] = [((), root)]
    while stack and len(found) < 200:
        steps, node = stack.pop()
        inner: list[tuple[Steps, Node | Comment]] = []
        if isinstance(node, Branch):
            named = [entry for entry in node.items if isinstance(entry, Item)]
            inner = [
                ((*steps, entry.key), entry.value) for entry in named if isinstance(entry.key, str) and "[" not in entry.key and "\0" not in entry.key
            ]
        elif isinstance(node, Sequence):
            inner = [((*steps, place), entry) for place, entry in enumerate(node.items)]
        found.extend(place for place, _ in inner)
        stack.extend((place, entry) for place, entry in inner if not isinstance(entry, Comment))
    return found or [("new",)]

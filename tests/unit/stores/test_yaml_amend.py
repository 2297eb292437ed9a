"""A changed tree becomes the smallest change of the text."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secrettool.errors import EmitError
from secrettool.sops.editing import Steps, alike, with_value, without_value
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence, Tree
from secrettool.sops.values import Value
from secrettool.stores.yaml.amend import amend
from secrettool.stores.yaml.emit import emit
from secrettool.stores.yaml.read import read

CASES = Path(__file__).parents[2] / "lossless-cases"


def changed(text: str, steps: Steps, value: Node | None) -> tuple[str, Tree]:
    """The text after a value was set (or removed, for None) in its first document, and the tree it should hold."""
    document = read(text)
    root = document.tree[0]
    tree = [without_value(root, steps) if value is None else with_value(root, steps, value)[0], *document.tree[1:]]
    return amend(document, tree).decode(), tree


def check(before: str, steps: Steps, value: Node | None, after: str) -> None:
    text, tree = changed(before, steps, value)
    assert text == after
    found = read(text).tree
    assert len(found) == len(tree)
    assert all(map(alike, found, tree))


def pair(key: str, value: Value) -> Branch:
    return Branch([Item(key, Leaf(value))])


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("a: x\n", "w", "a: w\n"),
        ("a: x", "w", "a: w"),
        ("a: x # note\nb: 1\n", "w z", "a: w z # note\nb: 1\n"),
        ("a: 'x' # note\n", "it's", "a: 'it''s' # note\n"),
        ('a: "x"\n', "w", 'a: "w"\n'),
        ('a: "x"\n', "w\n", 'a: "w\\n"\n'),
        ("a: 'x'\n", "tab\t", 'a: "tab\\t"\n'),
        ("a: x\n", "5", 'a: "5"\n'),
        ("a: 'x'\n", 5, "a: 5\n"),
        ("a: 5\n", 7.5, "a: 7.5\n"),
        ("a: 5\n", None, "a: null\n"),
        ("a: x\n  w\nb: 1\n", "z", "a: z\nb: 1\n"),
        ("a:\nb: 1\n", "x", "a: x\nb: 1\n"),
        ("a: # note\nb: 1\n", "x", "a: x # note\nb: 1\n"),
        ("a: ~\nb: 1\n", "x", "a: x\nb: 1\n"),
        ("{a: x, b: 1}\n", "w", "{a: w, b: 1}\n"),
        ("{a: x, b: 1}\n", "w, z", '{a: "w, z", b: 1}\n'),
        ("{a: 'x', b: 1}\n", "w, z", "{a: 'w, z', b: 1}\n"),
        ("{a: , b: 1}\n", "w", "{a: w, b: 1}\n"),
        ("a: &x w\n", "z", "a: &x z\n"),
        ("a: !!str 5\n", "6", 'a: !!str "6"\n'),
        ("a: !!int '5'\n", 6, "a: 6\n"),
        ("b: &x 1\na: *x # note\n", "z", "b: &x 1\na: z # note\n"),
        ("a: x\r\nb: 1\r\n", "w\nz", "a: |-\r\n    w\r\n    z\r\nb: 1\r\n"),
        ("a: x # note\nb: 1\n", "w\nz\n", "a: | # note\n    w\n    z\nb: 1\n"),
        ("a: x", "w\nz", "a: |-\n    w\n    z"),
        ("a: x", "w\nz\n", "a: |\n    w\n    z\n"),
        ("a: |\n  x\n  w\n\nb: 1\n", "z\n", "a: |\n  z\n\nb: 1\n"),
        ("a: |  # note\n  x\nb: 1\n", "w\nz", "a: |- # note\n  w\n  z\nb: 1\n"),
        ("a: >\n  x\n  w\nb: 1\n", "z\n", "a: >\n  z\nb: 1\n"),
        ("a: >-\n  x\nb: 1\n", "w\nz", "a: |-\n  w\n  z\nb: 1\n"),
        ("a: |\n  x\nb: 1\n", "w ", "a: 'w '\nb: 1\n"),
        ("a: |\n  x\nb: 1\n", 5, "a: 5\nb: 1\n"),
        ("a: |+\n  x\n\n\nb: 1\n", "w\n", "a: |\n  w\nb: 1\n"),
    ],
)
def test_scalar_keeps_its_style_and_what_stands_beside_it(before: str, value: Value, after: str) -> None:
    check(before, ("a",), Leaf(value), after)


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("a: x\nb: 1\n", pair("k", 1), "a:\n    k: 1\nb: 1\n"),
        ("a: x # note\nb: 1\n", pair("k", 1), "a: # note\n    k: 1\nb: 1\n"),
        ("a: x\nb:\n  c: 1\n", pair("k", 1), "a:\n  k: 1\nb:\n  c: 1\n"),
        ("a:\nb: 1\n", Sequence([Leaf(1), Leaf(2)]), "a:\n    - 1\n    - 2\nb: 1\n"),
        ("a: x\n", Branch(), "a: {}\n"),
        ("{a: x}\n", Sequence([Leaf(1)]), "{a: [1]}\n"),
        ("a:\n  # inside\n  b: 1\n  c: 2\nd: 3\n", Leaf("x"), "a: x\nd: 3\n"),
        ("a:\n- 1\n- 2\n# above d\nd: 3\n", Leaf("x"), "a: x\n# above d\nd: 3\n"),
        ("a: # note\n  b: 1\nd: 3\n", Leaf("x"), "a: x # note\nd: 3\n"),
        ("a: {b: 1}\nd: 3\n", Leaf("x"), "a: x\nd: 3\n"),
        ("a: [1, 2]\nd: 3\n", pair("k", 1), "a: {k: 1}\nd: 3\n"),
        ("a:\n  b: 1\nd: 3", Sequence([Leaf(1)]), "a:\n  - 1\nd: 3"),
        ("a:\n  - b\n  - c\n", pair("k", "v"), "a:\n  k: v\n"),
        ("a:\n  b: 1\n  c: 2\n", pair("k", "v"), "a:\n  k: v\n"),
    ],
)
def test_value_changes_its_kind(before: str, value: Node, after: str) -> None:
    check(before, ("a",), value, after)


@pytest.mark.parametrize(
    ("before", "steps", "after"),
    [
        ("a: 1\n", ("k",), "a: 1\nk: v\n"),
        ("a: 1", ("k",), "a: 1\nk: v"),
        ("a: 1\r\n", ("k",), "a: 1\r\nk: v\r\n"),
        ("  a: 1\n", ("k",), "  a: 1\n  k: v\n"),
        ("m:\n  a: 1\n\n# above n\nn: 2\n", ("m", "k"), "m:\n  a: 1\n  k: v\n\n# above n\nn: 2\n"),
        ("m:\n  a: 1 # note\nn: 2\n", ("m", "k"), "m:\n  a: 1 # note\n  k: v\nn: 2\n"),
        ("m:\n  a: |\n    x\n\nn: 2\n", ("m", "k"), "m:\n  a: |\n    x\n  k: v\n\nn: 2\n"),
        ("m:\n  a: |+\n    x\n\nn: 2\n", ("m", "k"), "m:\n  a: |+\n    x\n\n  k: v\nn: 2\n"),
        ("m:\n  a: |\n    x", ("k",), "m:\n  a: |-\n    x\nk: v"),
        ("m:\n  a: 1\n", ("m", "b", "k"), "m:\n  a: 1\n  b:\n    k: v\n"),
        ("m:\n    a: 1\n", ("o", "k"), "m:\n    a: 1\no:\n    k: v\n"),
        ("l:\n- a: 1\n- a: 2\n", ("l", 0, "k"), "l:\n- a: 1\n  k: v\n- a: 2\n"),
        ("a: 1\n# tail\n", ("k",), "a: 1\n# tail\nk: v\n"),
        ("a: 1\n---\nb: 2\n", ("k",), "a: 1\nk: v\n---\nb: 2\n"),
        ("a: 1\n...\n", ("k",), "a: 1\nk: v\n...\n"),
        ("{a: 1}\n", ("k",), "{a: 1, k: v}\n"),
        ("m: {}\n", ("m", "k"), "m: {k: v}\n"),
        ("m: {} # note\n", ("m", "k"), "m: {k: v} # note\n"),
        ("m: {\n  a: 1,\n}\n", ("m", "k"), "m: {\n  a: 1, k: v,\n}\n"),
        ("m: {a: }\n", ("m", "k"), "m: {a: , k: v}\n"),
        ("m:\nn: 1\n", ("m", "k"), "m:\n    k: v\nn: 1\n"),
        ("m: null\nn: 1\n", ("m", "k"), "m:\n    k: v\nn: 1\n"),
        ("---\n", ("k",), "---\nk: v\n"),
        ("---\n# c\n", ("k",), "---\n# c\nk: v\n"),
        ("{}\n", ("k",), "{k: v}\n"),
        ("null\n", ("k",), "k: v\n"),
        ("--- null\n", ("k",), "--- \nk: v\n"),
        ("---\n---\nb: 1\n", ("k",), "---\nk: v\n---\nb: 1\n"),
        ("l:\n- 1\n# tail of the list\n", ("k",), "l:\n- 1\n# tail of the list\n\nk: v\n"),
    ],
)
def test_key_is_appended(before: str, steps: Steps, after: str) -> None:
    check(before, steps, Leaf("v"), after)


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("l:\n- 1\n- 2\nn: 1\n", Leaf(3), "l:\n- 1\n- 2\n- 3\nn: 1\n"),
        ("l:\n    - 1\nn: 1\n", Leaf(3), "l:\n    - 1\n    - 3\nn: 1\n"),
        ("l:\n  - a: 1\n    b: 2", pair("a", 3), "l:\n  - a: 1\n    b: 2\n  - a: 3"),
        ("l: [1, 2]\n", Leaf("x: y"), 'l: [1, 2, "x: y"]\n'),
        ("l: []\n", Leaf(3), "l: [3]\n"),
        ("l: [ 1, # note\n  2 ]\n", Leaf(3), "l: [ 1, # note\n  2, 3 ]\n"),
        ("l: [1,]\n", pair("a", 3), "l: [1, {a: 3},]\n"),
        ("l:\n  - - 1\n    - 2\n", Sequence([Leaf("x"), Leaf("w")]), "l:\n  - - 1\n    - 2\n  - - x\n    - w\n"),
        ("l:\n  - 1\n", Leaf("x\ny\n"), "l:\n  - 1\n  - |\n    x\n    y\n"),
        ("l:\n  - 1", Leaf("x\ny\n"), "l:\n  - 1\n  - |\n    x\n    y\n"),
    ],
)
def test_list_item_is_appended(before: str, value: Node, after: str) -> None:
    check(before, ("l", 100), value, after)


@pytest.mark.parametrize(
    ("before", "steps", "value", "after"),
    [
        ("l:\n- x # note\n- y\n", ("l", 1), Leaf("z"), "l:\n- z # note\n- y\n"),
        ("l:\n-\n- y\n", ("l", 0), Leaf("z"), "l:\n- z\n- y\n"),
        ("l:\n- x\n- y\n", ("l", 0), pair("k", "v"), "l:\n- k: v\n- y\n"),
        ("l:\n- k: v\n  m: 1\n- y\n", ("l", 0), Leaf("x"), "l:\n- x\n- y\n"),
        ("l:\n- - - x\n    - y\n", ("l", 0, 0, 1), Leaf("z\nz"), "l:\n- - - x\n    - |-\n      z\n      z\n"),
    ],
)
def test_list_item_is_replaced(before: str, steps: Steps, value: Node, after: str) -> None:
    check(before, steps, value, after)


@pytest.mark.parametrize(
    ("before", "steps", "after"),
    [
        ("a: 1\nb: 2\n", ("b",), "a: 1\n"),
        ("a: 1\nb: 2\nc: 3\n", ("b",), "a: 1\nc: 3\n"),
        ("a: 1\n# above b\nb: 2 # beside b\nc: 3\n", ("b",), "a: 1\n# above b\n# beside b\nc: 3\n"),
        ("a: 1\nb:\n  # inside b\n  c: 2\nd: 3\n", ("b",), "a: 1\nd: 3\n"),
        ("a: 1\nb: |\n  x\n\nc: 3\n", ("b",), "a: 1\n\nc: 3\n"),
        ("a: 1\r\nb: 2\r\nc: 3\r\n", ("b",), "a: 1\r\nc: 3\r\n"),
        ("m:\n  a: 1\nn: 1\n", ("m", "a"), "m: {}\nn: 1\n"),
        ("m: # note\n  a: 1\nn: 1\n", ("m", "a"), "# note\nm: {}\nn: 1\n"),
        ("m:\n  # note\n  a: 1\nn: 1\n", ("m", "a"), "m: {} # note\nn: 1\n"),
        ("l:\n  - a\nn: 1\n", ("l", 0), "l: []\nn: 1\n"),
        ("a: 1\n", ("a",), "{}\n"),
        ("# head\na: 1\n", ("a",), "# head\n{}\n"),
        ("l:\n  - a: 1\n    b: 2\n", ("l", 0, "a"), "l:\n  - b: 2\n"),
        ("l:\n  - a: 1\n", ("l", 0, "a"), "l:\n  - {}\n"),
        ("l:\n  - - 1\n    - 2\n", ("l", 0, 0), "l:\n  - - 2\n"),
        ("l:\n- 1\n- 2\n- 3\n", ("l", 1), "l:\n- 1\n- 3\n"),
        ("l:\n- 1\n- a: 2\n  b: 3\n- 3\n", ("l", 1), "l:\n- 1\n- 3\n"),
        ("{a: 1, b: 2, c: 3}\n", ("a",), "{b: 2, c: 3}\n"),
        ("{a: 1, b: 2, c: 3}\n", ("b",), "{a: 1, c: 3}\n"),
        ("{a: 1, b: 2, c: 3}\n", ("c",), "{a: 1, b: 2}\n"),
        ("{a: 1}\n", ("a",), "{}\n"),
        ("l: [1,]\n", ("l", 0), "l: []\n"),
        ("l: [1, 2,]\n", ("l", 1), "l: [1,]\n"),
        ("b: &x 1\na: *x\nc: 1\n", ("a",), "b: &x 1\nc: 1\n"),
        ("a: 1\n---\nb: 2\n", ("a",), "{}\n---\nb: 2\n"),
    ],
)
def test_entry_is_removed(before: str, steps: Steps, after: str) -> None:
    check(before, steps, None, after)


@pytest.mark.parametrize(
    ("before", "steps", "after"),
    [
        ("b: &x\n  k: 1\na: *x # note\nc: 1\n", ("a", "k"), "b: &x\n  k: 1\na: # note\n  k: v\nc: 1\n"),
        ("b: &x {k: 1}\na:\n  <<: *x\n  m: 1\n", ("a", "<<", "k"), "b: &x {k: 1}\na:\n  <<:\n    k: v\n  m: 1\n"),
        ("b: &x {k: 1}\na: [*x, 2]\n", ("a", 0, "o"), "b: &x {k: 1}\na: [{k: 1, o: v}, 2]\n"),
    ],
)
def test_change_inside_a_copy_takes_the_place_of_its_alias(before: str, steps: Steps, after: str) -> None:
    check(before, steps, Leaf("v"), after)


@pytest.mark.parametrize(
    ("before", "steps", "value"),
    [
        ("? a\n: x\nb: 1\n", ("a",), Sequence([Leaf(1)])),
        ("? a\n: x\nb: 1\n", ("a",), None),
        ("a: !!map\n  k: 1\n", ("a",), Sequence([Leaf(1)])),
        ("l: [k: v]\n", ("l", 0, "o"), Leaf("v")),
        ("l:\n- 1\n# c\n- 2\n", ("l", 1), Leaf("v")),
    ],
)
def test_change_that_has_no_place_is_refused(before: str, steps: Steps, value: Node | None) -> None:
    with pytest.raises(EmitError):
        changed(before, steps, value)


def test_encoding_and_mark_stay() -> None:
    document = read("a: x\n")
    document.encoding, document.bom = "utf-16-le", True
    root = with_value(document.tree[0], ("a",), Leaf("é"))[0]
    assert amend(document, [root]) == "\ufeffa: é\n".encode("utf-16-le")


def test_unchanged_tree_changes_nothing() -> None:
    text = "a:   1 \r\n# c\n\nb:  {x : y}"
    document = read(text)
    assert amend(document, document.tree).decode() == text


def test_several_changes_at_once() -> None:
    document = read("a:\n  x: 1\n  y: 2\nl: [1, 2]\nz: 9")
    root = without_value(document.tree[0], ("a", "x"))
    for steps in (("a", "o"), ("l", 0), ("l", 9), ("m",), ("z", "q")):
        root, _ = with_value(root, steps, Leaf("v"))
    assert amend(document, [root]).decode() == "a:\n  y: 2\n  o: v\nl: [v, 2, v]\nz:\n  q: v\nm: v"


def places(root: Branch) -> list[tuple[Node, Steps]]:
    found: list[tuple[Node, Steps]] = []
    stack: list[tuple[Node, Steps]] = [(root, ())]
    while stack:
        node, steps = stack.pop()
        if getattr(node, "alias", None) is not None:
            continue
        found.append((node, steps))
        if isinstance(node, Branch):
            stack += [(item.value, (*steps, item.key)) for item in node.items if isinstance(item, Item) and isinstance(item.key, str)]
        elif isinstance(node, Sequence):
            stack += [(item, (*steps, step)) for step, item in enumerate(node.items) if not isinstance(item, Comment)]
    return found


words = st.sampled_from(["x", "a: b", "- c", "", "5", "x\ny", "x\ny\n", "\nz", " lead", "it's", "tab\t", "# no", "{", "[1]", "é", "\U0001f600"])
scalars: st.SearchStrategy[Value] = words | st.integers(-9, 9) | st.none() | st.booleans() | st.just(1.5)


def branches(nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[Branch]:
    return st.dictionaries(st.sampled_from(["a", "b", "c d", "n", "5"]), nodes, max_size=3).map(
        lambda entries: Branch([Item(name, value) for name, value in entries.items()])
    )


nodes: st.SearchStrategy[Node] = st.recursive(
    scalars.map(Leaf), lambda inner: branches(inner) | st.lists(inner, max_size=3).map(lambda items: Sequence(list(items))), max_leaves=8
)
trees = st.lists(branches(nodes), min_size=1, max_size=2)


def random_change(data: st.DataObject, root: Branch) -> Branch:
    node, steps = data.draw(st.sampled_from(places(root)))
    ways = ["add"] * isinstance(node, Branch) + ["append"] * isinstance(node, Sequence) + ["set", "remove"] * bool(steps)
    way = data.draw(st.sampled_from(ways))
    if way == "remove":
        return without_value(root, steps)
    if way == "set":
        return with_value(root, steps, data.draw(nodes))[0]
    return with_value(root, (*steps, "new" if way == "add" else 99), data.draw(nodes))[0]


@given(trees, st.sampled_from([2, 3, 4]), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.data())
def test_amended_text_holds_the_wanted_tree(tree: Tree, indent: int, newline: str, finished: bool, data: st.DataObject) -> None:
    text = emit(tree, indent=indent).replace("\n", newline)
    document = read(text if finished else text.removesuffix(newline))
    wanted = [random_change(data, document.tree[0]), *document.tree[1:]]
    found = read(amend(document, wanted).decode()).tree
    assert len(found) == len(wanted)
    assert all(map(alike, found, wanted))


@pytest.mark.parametrize("path", sorted(path for path in CASES.glob("*.yaml") if "refused" not in path.name), ids=lambda path: path.stem)
@settings(max_examples=8)
@given(data=st.data())
def test_changed_value_leaves_all_other_lines(path: Path, data: st.DataObject) -> None:
    text = path.read_bytes().decode("utf-8-sig")
    document = read(text)
    alone = [steps for node, steps in places(document.tree[0]) if isinstance(node, Leaf)]
    if not alone:
        return
    steps = data.draw(st.sampled_from(alone))
    try:
        after, _ = changed(text, steps, Leaf("changed"))
    except EmitError:
        return
    lines = list(difflib.ndiff(text.splitlines(), after.splitlines()))
    assert len([line for line in lines if line.startswith("+ ")]) <= 2

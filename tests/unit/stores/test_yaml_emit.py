"""Trees are printed as sops prints them; the expected texts are what the YAML store of sops 3.13.2 printed for the same trees."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.errors import EmitError, ExitCode
from secrettool.sops.editing import alike
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence, Tree
from secrettool.sops.values import Time, Value
from secrettool.stores.yaml.emit import emit, emit_element, emit_pair, emit_section, emit_value, flow, key, scalar
from secrettool.stores.yaml.read import read

VECTORS = Path(__file__).parents[2] / "vectors" / "pos"


def mapping(*entries: tuple[Value, Value | Node] | Comment) -> Branch:
    return Branch([entry if isinstance(entry, Comment) else Item(entry[0], node(entry[1])) for entry in entries])


def sequence(*entries: Value | Node | Comment) -> Sequence:
    return Sequence([entry if isinstance(entry, Comment) else node(entry) for entry in entries])


def node(value: Value | Node) -> Node:
    return value if isinstance(value, Leaf | Branch | Sequence) else Leaf(value)


SCALARS = """\
s: hello
"n": null
t: true
i: -5
f: 1e+06
g: 1e-05
h: 100000
d: 1.23456789123e+08
inf: -.inf
nan: .nan
when: 2031-07-09T00:00:00Z
"""
QUOTES = """\
a: '- x'
b: 'a: b'
c: it's
d: '''x'''
e: "tab\\there"
f: "\\U0001F600"
g: ' lead'
h: 'a #b'
i: 'a\u2028    b'
j: "\\uFEFF\\x61\\x62"
k: !!binary B8KFwqD/
"""
LITERALS = """\
a: |
   x
   y
b: |-
   x
   y
c: |+
   x

d: |3

   x
e: "x \\ny"
l:
   - |
     x
     y
   - z
g: |
   x
   \ty
"""
COMMENTS = """\
# head
a: 1
# above b
b: 2 # beside b
# in l
l:
    # one
    - 1
    - 2 # beside
    # foot
m:
    # m
    x: 1
    # end of m
#
# end
"""
# Where sops puts comments that go-yaml's emitter looks at too late.
MOVED = """\
l:
    - a: 1
"n": 2
# foot

o: 3
"""

CASES: dict[str, tuple[Tree, int | None, str]] = {
    "scalars": (
        [mapping(("s", "hello"), ("n", None), ("t", True), ("i", -5), ("f", 1e6), ("g", 0.00001), ("h", 100000.0), ("d", 123456789.123),
                 ("inf", -math.inf), ("nan", math.nan), ("when", Time("2031-07-09T00:00:00Z")))], None, SCALARS),
    "strings that look typed": (
        [mapping(("a", "true"), ("b", "yes"), ("c", "0755"), ("d", "2031-07-09"), ("e", "1:30"), ("f", ""), ("g", "~"), ("n", "n"), ("m", "<<"))], 4,
        'a: "true"\nb: "yes"\nc: "0755"\nd: "2031-07-09"\ne: "1:30"\nf: ""\ng: "~"\n"n": "n"\nm: !!merge <<\n'),
    "quotes": (
        [mapping(("a", "- x"), ("b", "a: b"), ("c", "it's"), ("d", "'x'"), ("e", "tab\there"), ("f", "\U0001f600"), ("g", " lead"), ("h", "a #b"),
                 ("i", "a\u2028b"), ("j", "\ufeffab"), ("k", "\x07\x85\xa0\udcff"))], 0, QUOTES),
    "literal blocks": (
        [mapping(("a", "x\ny\n"), ("b", "x\ny"), ("c", "x\n\n"), ("d", "\nx\n"), ("e", "x \ny"),
                 ("l", sequence("x\ny\n", "z")), ("g", "x\n\ty\n"))], 3,
        LITERALS),
    "bytes": (
        [mapping(("a", "\udcff\udcfe"), ("b", "\udcff" * 60))], None,
        f"a: !!binary //4=\nb: !!binary |\n    {'/' * 70}\n    {'/' * 10}\n"),
    "nesting": (
        [mapping(("m", mapping(("a", Branch()), ("b", Sequence()))),
                 ("l", sequence(mapping(("a", 1), ("b", mapping(("c", 2)))), sequence(1, sequence(2)))))],
        4, "m:\n    a: {}\n    b: []\nl:\n    - a: 1\n      b:\n        c: 2\n    - - 1\n      - - 2\n"),
    "nine blanks": ([mapping(("l", sequence(mapping(("a", mapping(("b", 1)))))))], 9, "l:\n         - a:\n                  b: 1\n"),
    "twelve blanks": ([mapping(("m", mapping(("a", 1))))], 12, "m:\n  a: 1\n"),
    "one blank": ([mapping(("m", mapping(("a", 1))))], 1, "m:\n  a: 1\n"),
    "keys": (
        [mapping(("k" * 129, 1), ("k" * 128, 1), ("x\ny", mapping(("q", 1))), ("yes", 1), ("a: b", 1), (5, 1), ("<<", mapping(("a", 1))))], 4,
        f"? {'k' * 129}\n: 1\n{'k' * 128}: 1\n? |-\n    x\n    y\n:   q: 1\n\"yes\": 1\n'a: b': 1\n5: 1\n!!merge <<:\n    a: 1\n"),
    "no blank behind the colon": (
        [mapping(("l", sequence(mapping(("x\ny", mapping(("q", 1)))))))], 3, "l:\n   - ? |-\n      x\n      y\n     :\n      q: 1\n"),
    "comments": (
        [mapping(Comment(" head"), ("a", 1), Comment(" above b"), Comment(" beside b", True), ("b", 2), Comment(" in l"),
                 ("l", sequence(Comment(" one"), 1, Comment(" beside", True), 2, Comment(" foot"))),
                 ("m", mapping(Comment(" m"), ("x", 1), Comment(" end of m"))), Comment(""), Comment(" end"))], None, COMMENTS),
    "comment in an empty mapping": ([mapping(Comment(" only"))], None, "# only\n{}\n"),
    "comment beside a block": ([mapping(Comment(" c", True), ("a", "x\ny\n"))], None, "a: | # c\n    x\n    y\n"),
    "comment beside a collection": ([mapping(Comment(" c", True), ("m", mapping(("x", 1))), ("n", 2))], None, 'm:\n    x: 1\n"n": 2 # c\n'),
    "comment behind a mapping in a list": ([mapping(("l", sequence(mapping(("a", 1)), Comment(" foot"))), ("n", 2), ("o", 3))], None, MOVED),
    "comment with a line break": ([mapping(Comment(" a\nb"), ("a", 1))], None, "# a\n# b\na: 1\n"),
    "documents": ([mapping(("a", 1)), Branch(), mapping(Comment(" c"), ("b", 2))], None, "a: 1\n---\n{}\n---\n# c\nb: 2\n"),
    "nothing": ([], None, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_tree_is_printed_as_sops_prints_it(name: str) -> None:
    tree, indent, text = CASES[name]
    assert emit(tree, indent=indent) == text


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.dec.yaml")), ids=lambda path: path.name)
def test_vector_is_printed_as_sops_printed_it(path: Path) -> None:
    text = path.read_bytes().decode()
    if not text:
        pytest.skip("an empty file")
    tree = read(text).tree
    # `-0` reads back as the integer 0: sops' own rewrite of the file has it so.
    assert text.replace("minus_zero: -0\n", "minus_zero: 0\n") in [emit(tree, indent=indent) for indent in (4, 2, 3, 8)]


def test_negative_indentation_is_refused() -> None:
    with pytest.raises(EmitError, match="YAML Negative indentation not accepted") as caught:
        emit([Branch()], indent=-1)
    assert caught.value.code is ExitCode.DUMPING_TREE


def test_lines_that_start_with_a_tab_are_kept() -> None:
    assert emit([mapping(("a", "\tx\ny"))], indent=None) == 'a: "\\tx\\ny"\n'


def test_minus_zero_stays_a_float() -> None:
    assert emit([mapping(("a", -0.0), ("b", 0.0))], indent=None) == "a: -0.0\nb: 0\n"


def test_block_in_a_list_has_the_digit_that_reads_back() -> None:
    text = emit([mapping(("l", sequence("\nx")))], indent=4)
    assert text == "l:\n    - |2-\n\n      x\n"
    assert alike(read(text).tree[0], mapping(("l", sequence("\nx"))))


def test_depth_is_bounded_by_memory_alone() -> None:
    deep: Node = Leaf(1)
    for _ in range(3000):
        deep = sequence(deep)
    assert emit_value(deep).count("- ") == 3000
    assert flow(deep) == "[" * 3000 + "1" + "]" * 3000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (sequence(1, mapping(("a", "x"))), "- 1\n- a: x\n"),
        (mapping(("a", sequence(1))), "a:\n    - 1\n"),
        (sequence(Comment(" c"), 1), "# c\n- 1\n"),
        (Branch(), "{}\n"),
        (Leaf(5), "5\n"),
        (Leaf(None), "null\n"),
        (Comment(" text"), "value: ' text'\ninline: false\n"),
    ],
)
def test_value_is_printed_on_its_own(value: Node | Comment, text: str) -> None:
    assert emit_value(value) == text


@pytest.mark.parametrize(
    ("column", "item", "text"),
    [(0, False, "|-\n    x\n    y"), (2, False, "|-\n    x\n    y"), (4, False, "|-\n        x\n        y"), (2, True, "|-\n    x\n    y")],
)
def test_scalar_stands_deeper_than_its_entry(column: int, item: bool, text: str) -> None:
    assert scalar("x\ny", column=column, item=item) == text


def test_scalar_has_no_final_line_ending() -> None:
    assert scalar("x\n", column=0) == "|\n    x"
    assert scalar("x\n\n", column=0) == "|+\n    x\n"


@pytest.mark.parametrize(("text", "printed"), [("a", "a"), ("n", '"n"'), ("a: b", "'a: b'"), ("x\ny", '"x\\ny"'), ("5", '"5"')])
def test_key_is_printed_on_one_line(text: str, printed: str) -> None:
    assert key(text) == printed


def test_section_moves_to_a_column_with_its_line_endings() -> None:
    section = mapping(("age", sequence(mapping(("recipient", "age1x"), ("enc", "-----\nabc\n")))), ("version", "3.13.2"))
    assert emit_section(section, column=2, indent=2, newline="\r\n") == (
        "  sops:\r\n    age:\r\n      - recipient: age1x\r\n        enc: |\r\n          -----\r\n          abc\r\n    version: 3.13.2\r\n"
    )


def test_pair_and_element_stand_at_a_column() -> None:
    assert emit_pair(Item("a", sequence(1)), column=2, indent=2) == "  a:\n    - 1\n"
    assert emit_element(mapping(("a", 1), ("b", 2)), column=3) == "   - a: 1\n     b: 2\n"


def test_flow_is_one_line_with_double_quotes_where_needed() -> None:
    branch = mapping(("age", sequence(mapping(("enc", "a\nb\n"), ("x", "b: c")))), Comment(" c"), ("n", None), ("e", Branch()), ("s", "ENC[x]"))
    assert flow(branch) == '{age: [{enc: "a\\nb\\n", x: "b: c"}], "n": null, e: {}, s: "ENC[x]"}'


texts = st.text(alphabet=st.sampled_from("ab \n\t:-#'\"\\,[]{}?!&*|>%@`~\u2028\x85\xa0\ufeff\U0001f600\x00é019.+_")) | st.text(max_size=40)
keys = st.text(alphabet="abc: #-?\n'1", max_size=6) | texts
values: st.SearchStrategy[Value] = (
    texts
    | st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False).filter(lambda number: number != int(number) if abs(number) < 1e300 else False)
)


def branches(nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[Branch]:
    return st.dictionaries(keys.filter(lambda text: text != "<<"), nodes, max_size=4).map(
        lambda entries: Branch([Item(name, value) for name, value in entries.items()])
    )


nodes: st.SearchStrategy[Node] = st.recursive(
    values.map(Leaf), lambda inner: branches(inner) | st.lists(inner, max_size=4).map(lambda items: Sequence(list(items))), max_leaves=12
)


@given(st.lists(branches(nodes), min_size=1, max_size=3), st.sampled_from([None, 2, 3, 4, 9]))
def test_printed_tree_reads_back_as_itself(tree: Tree, indent: int | None) -> None:
    found = read(emit(tree, indent=indent)).tree
    assert len(found) == len(tree)
    assert all(map(alike, found, tree))


@given(branches(nodes))
def test_flow_text_reads_back_as_itself(branch: Branch) -> None:
    text = flow(branch)
    assert "\n" not in text
    assert alike(read(text).tree[0], branch)


@given(branches(nodes), st.integers(0, 7), st.sampled_from(["\n", "\r\n"]))
def test_section_reads_back_at_every_column(section: Branch, column: int, newline: str) -> None:
    text = emit_section(section, column=column, newline=newline)
    assert alike(read(text).tree[0], mapping(("sops", section)))


@given(values, st.integers(0, 9), st.booleans())
def test_scalar_reads_back_at_every_column(value: Value, column: int, item: bool) -> None:
    pad = " " * column
    text = f"r:\n{pad} - {scalar(value, column=column + 1, item=True)}\n" if item else f"r:\n{pad} k: {scalar(value, column=column + 1)}\n"
    wanted = sequence(value) if item else mapping(("k", value))
    assert alike(read(text).tree[0], mapping(("r", wanted)))

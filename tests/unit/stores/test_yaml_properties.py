"""Properties over generated YAML: every text that is read comes back byte for byte, and what is written opens again."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from secrettool.errors import SecrettoolError
from secrettool.sops.selection import Selector
from secrettool.sops.tree import Comment, Tree, TreePath, walk
from secrettool.stores.yaml import YamlStore
from tests.unit.stores.sealed_files import open_sealed, seal

STORE = YamlStore()
SELECTORS = st.sampled_from([Selector(), Selector("encrypted_regex", "^(data|b|l)$"), Selector("unencrypted_regex", "^a$")])

PLAIN = [
    "x",
    "x y",
    "1",
    "1.50",
    "0755",
    "0x1F",
    "true",
    "TRUE",
    "~",
    "",
    "2031-07-09",
    "yes",
    "n",
    "-1",
    "x#y",
    "http://x:80/#a",
    "1e3",
    ".5",
    ".inf",
    "-0.0",
    "null",
    "é",
    "日本",
    "😀",
    "it's",
    "a,b",
    "1_000",
    "08",
    "1:30",
    "-x",
    "==",
    "a\tb",
    "&x v",
    "*x",
    "!!str 5",
    '!!int "7"',
    "!t v",
    "! 5",
    "&y !!float 5",
    "[x, 'y']",
    '{a: x, "b": [1.50]}',
    "[a: b, http://x:1]",
    "[]",
    "{}",
    "''",
    "'it''s'",
    "' x '",
    '""',
    '"d\\n"',
    '"\\x41"',
    '"😀"',
    "'a # b'",
]
NAMES = ["a", "b", "data", "l", '"q k"', "'s'", "é", "a:b", "k e", "-k", "<"]
COMMENTS = ["# c", "#", "#x: y", "# ENC[foo]", "#\t# t"]
BLOCKS = [
    "|\n{}x\n{}y\n",
    "|-\n{}x\n\n",
    "|+\n{}x\n\n\n",
    ">\n{}x\n{}y\n\n{}z\n",
    "|\n{}x\n {}deep\n   \n{}y\n",
    "|2\n{}  x\n",
    "|+\n\n",
    "| # h\n{}x\n",
]
BROKEN = ["x\n{}y", "x\n\n{}y", "'x\n{}y'", '"x\\\n{}y"', "[x,\n{}# c\n{}y, # d\n{}]", "{{a: x,\n{}b: y # c\n{}}}"]


@st.composite
def values(draw: st.DrawFn, column: int) -> str:
    """What follows `key:` or `-`, with its line ending."""
    blanks = " " * (column + 2)
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return " " + draw(st.sampled_from(BLOCKS)).replace("{}", blanks)
    beside = draw(st.sampled_from(["", "", "", " ", "  "])) if kind < 8 else " " + draw(st.sampled_from(COMMENTS))
    text = draw(st.sampled_from(BROKEN)).replace("{{", "{").replace("}}", "}").replace("{}", blanks) if kind == 1 else draw(st.sampled_from(PLAIN))
    return f" {text}{beside}\n"


@st.composite
def between(draw: st.DrawFn, column: int) -> str:
    """Blank lines and comments at odd columns."""
    lines = draw(st.lists(st.sampled_from([*COMMENTS, "", "  "]), max_size=2)) if draw(st.integers(0, 2)) == 0 else []
    shift = draw(st.integers(-2, 3))
    return "".join(" " * max(column + shift, 0) * (line[:1] == "#") + line + "\n" for line in lines)


@st.composite
def collections(draw: st.DrawFn, column: int, depth: int) -> str:
    """A block mapping or list."""
    is_list = depth > 0 and draw(st.booleans())
    out = []
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    for name in names:
        out.append(draw(between(column)))
        start = " " * column + ("-" if is_list else name + ":")
        if depth < 3 and draw(st.integers(0, 3)) == 0:
            inner = draw(collections(column + draw(st.sampled_from([1, 2, 4])), depth + 1))
            out.append(start + draw(st.sampled_from(["", " # c", " &m"])) + "\n" + inner)
        else:
            out.append(start + draw(values(column)))
    return "".join(out) + draw(between(column))


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A stream."""
    documents = draw(
        st.lists(collections(0, 0) | st.sampled_from(["", "# c\n", "null\n", "{}\n", "{a: x, b: [y]} # c\n", "  a: 1\n"]), min_size=1, max_size=2)
    )
    text = draw(st.sampled_from(["", "---\n", "# h\n\n", "%YAML 1.1 # d\n---\n"])) + draw(st.sampled_from(["---\n", "...\n---\n"])).join(documents)
    text += draw(st.sampled_from(["", "", "...\n", "\n", "  "]))
    if draw(st.integers(0, 4)) == 0:
        text = text.rstrip("\n")
    return text.replace("\n", "\r\n") if draw(st.integers(0, 7)) == 0 else text


@example(text="l:\n- x\n  #\n # t", selector=Selector())
@example(text="a: &x {b: 1e3 # c\n}\nb: *x # d\n", selector=Selector("encrypted_regex", "^b$"))
@example(text="b:\n  a: [*x , # c\n  1]\n".replace("*x ", "&x y") + "l: *x\n# t", selector=Selector())
@given(text=texts(), selector=SELECTORS)
def test_every_text_that_is_read_comes_back(text: str, selector: Selector) -> None:
    try:
        STORE.parse(text.encode())
    except SecrettoolError:
        return
    sealed = seal(STORE, text.encode(), selector)
    assert open_sealed(STORE, sealed) == text.encode()


def leaves(tree: Tree) -> list[TreePath]:
    """The paths of all values."""
    return [visit.path for visit in walk(tree) if not isinstance(visit.node, Comment)]


@given(text=texts())
def test_sealing_keeps_the_place_of_every_value(text: str) -> None:
    try:
        document = STORE.parse(text.encode())
    except SecrettoolError:
        return
    sealed = STORE.parse_sealed(seal(STORE, text.encode()))
    assert leaves(document.tree) == leaves(sealed.tree)


@given(text=st.text(alphabet="ab:-?# \t\n[]{},&*!|>'\"%@`\\", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        STORE.parse(text.encode())
        sealed = seal(STORE, text.encode())
    except SecrettoolError as error:
        assert error.message
        return
    assert open_sealed(STORE, sealed) == text.encode()

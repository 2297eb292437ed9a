"""Reading with runs of simple lines taken out gives what reading the whole text gives, down to the last offset."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from secrettool.errors import FormatError
from secrettool.stores.yaml.nodes import YamlDocument
from secrettool.stores.yaml.read import LONG_TEXT, read_events
from secrettool.stores.yaml.runs import LEAST_LINES, Run, find_runs
from secrettool.stores.yaml.scan import may_have_comments
from secrettool.stores.yaml.store import YamlStore

LINES = "".join(f"    key-{number}: value{number}\n" for number in range(12))


def described(document: YamlDocument) -> list[object]:
    """Every attribute of every node of a document."""
    found: list[object] = [(part.start, part.end) for part in document.parts]
    stack: list[object] = list(reversed(document.tree))
    while stack:
        node = stack.pop()
        inner: list[object] = []
        names = {name for kind in type(node).__mro__ for name in getattr(kind, "__slots__", ())}
        for name in sorted(names):
            value = getattr(node, name)
            if isinstance(value, list):
                inner += value
            elif hasattr(type(value), "__slots__") and not isinstance(value, tuple):
                inner.append(value)
            else:
                found.append((type(node).__name__, name, value))
        stack += reversed(inner)
    return found


def outcome(read: Callable[[], YamlDocument]) -> object:
    try:
        return described(read())
    except FormatError as error:
        return str(error)


WORDS = st.sampled_from(
    ["a", "b", "key", "null", "true", "n1", "x.y/z", "on", "~", "1", "w:x", "x:", "a#b", "ENC[A,b:c=,d:/+==]", "---", "'q'", "é", "-", "..."]
)
LINE = st.builds(
    lambda indent, key, value, end: " " * indent + key + ": " + value + end, st.integers(0, 3), WORDS, WORDS, st.sampled_from(["\n"] * 8 + ["\r\n"])
)
ODD = st.sampled_from(
    [
        "a: |\n",
        " b: >-\n",
        "c:\n",
        "  d:\n",
        "- e: f\n",
        "- \n",
        "  - g\n",
        'q: "\n',
        '"\n',
        "h: {\n",
        "}\n",
        "\n",
        "? i\n",
        ": j\n",
        "---\n",
        "...\n",
    ]
)
BLOCK = st.builds(
    lambda indent, pairs: "".join(f"{' ' * indent}{key}: {value}\n" for key, value in pairs),
    st.integers(0, 3),
    st.lists(st.tuples(st.sampled_from(["a", "b", "c", "d", "e", "f", "null"]), WORDS), min_size=3, max_size=7, unique_by=lambda pair: pair[0]),
)

# What may stand above and below such lines; `K` becomes a key that is new.
CONTEXTS = ["K:\n{}", "K: |\n{}", "K: >-\n{}\n", "K:\n{}    K:\n       x: y\n", "K:\n{}    - not more\n", 'K: "\n{}   "\n', "K:\n- x: y\n{}- z\n"]
CONTEXTS += ["K: &K\n{}K: *K\n", "K: !t\n{}", "K: x\n---\n{}", "---\n{}...\n", "K:\n{}\n\n", "K:\n\n{}", "K: [x]\n{}", "{}K: x\n", "K:\n{}     x\n"]
SECTION = st.tuples(st.sampled_from(CONTEXTS), BLOCK)


def joined(sections: list[tuple[str, str]]) -> str:
    """A text of some sections, each with keys of its own."""
    texts = []
    for number, (context, block) in enumerate(sections):
        texts.append(context.replace("K", f"k{number}").replace("{}", block))
    return "".join(texts)


TEXTS = st.one_of(st.lists(st.one_of(BLOCK, LINE, ODD), max_size=9).map("".join), st.lists(SECTION, max_size=4).map(joined))


@given(TEXTS)
@example("a: |\n  key: one\n  key: two\n  key: three\n")
@example("a: {\n b: c\n }\n")
@example('a: "\n  b: c\n  d: e\n  f: g\n  "\n')
@example("a: b\na: c\nd: e\n")
@example("a: b\nb: c\n d: e\n")
@example("a: b\nnull: c\nd: e\n")
@example("- a: b\n  c: d\n  e: f\n  g: h\n- i: j\n")
@example("a: &x b\nc: *x\nd: e\nf: g\nh: i\nj: *x\n")
def test_runs_change_nothing(text: str) -> None:
    if may_have_comments(text):
        return
    assert outcome(lambda: read_events(text, find_runs(text, 3))) == outcome(lambda: read_events(text, []))


def test_a_run_holds_the_lines_between_its_first_and_its_last() -> None:
    text = "data:\n" + LINES + "more: x\n"
    (run,) = find_runs(text)
    assert text[run.key :].startswith("key-0: ")
    assert text[run.start : run.end].splitlines() == LINES.splitlines()[1:-1]
    assert run == Run(run.key, run.start, run.end, 4, [(f"key-{number}", f"value{number}") for number in range(1, 11)])


@pytest.mark.parametrize(
    "line", ["    two words: x\n", "    a: two words\n", "    a: x:\n", "   a: x\n", "    a: 'x'\n", "    a: x\r\n", "\n", "    - a\n", "    é: x\n"]
)
def test_a_run_ends_at_a_line_that_is_not_simple(line: str) -> None:
    assert [len(run.pairs) for run in find_runs(LINES + line + LINES)] == [10, 10]


def test_short_runs_are_left_to_libyaml() -> None:
    assert find_runs("".join(f"a{number}: b\n" for number in range(LEAST_LINES - 1))) == []


@pytest.mark.parametrize(
    ("above", "below"),
    [("a: |\n", ""), ("a: >\n", ""), ('a: "\n', '    "\n'), ("a: '\n", "    '\n"), ("", "      more\n"), ("a:\n", "   b: c\n"), ("a: b\n", "")],
)
def test_lines_that_only_look_like_pairs_are_read_as_what_they_are(above: str, below: str) -> None:
    text = above + LINES + below
    assert find_runs(text)
    assert outcome(lambda: read_events(text, find_runs(text))) == outcome(lambda: read_events(text, []))


def test_an_error_behind_a_run_names_its_own_line() -> None:
    text = "data:\n" + LINES + "a: [\n"
    with pytest.raises(FormatError) as caught:
        read_events(text, find_runs(text))
    assert caught.value.where == "line 15, column 1"


def test_a_key_that_comes_twice_is_refused_inside_a_long_run() -> None:
    lines = [f"key{number}: value\n" for number in range(LONG_TEXT // 10)]
    lines[4000] = "key7: value\n"
    with pytest.raises(FormatError) as caught:
        YamlStore().parse("".join(lines).encode())
    assert caught.value.where == "line 4001, column 1"

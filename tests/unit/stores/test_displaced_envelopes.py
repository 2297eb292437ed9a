"""Envelopes that say they hold a comment, where a value stood, or with the lines of one: anybody can put them there, with no key.

The type of an envelope is not protected, and what opens as a comment is not part of the MAC. So it must come out as a comment, and as nothing else.
"""

from __future__ import annotations

import os
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secrettool.errors import SecrettoolError
from secrettool.sops.envelope import Cipher, additional_data
from secrettool.sops.metadata import read_metadata
from secrettool.sops.opening import OpenedFile
from secrettool.sops.store import Store
from secrettool.sops.tree import Comment, Item, Leaf, Node, Sequence
from secrettool.sops.values import Kind
from secrettool.stores import by_name
from tests.unit.stores.sealed_files import KEY, open_sealed, seal, tree_of

YAML = by_name("yaml")
DOTENV = by_name("dotenv")
INI = by_name("ini")
JSON = by_name("json")


def envelope(kind: Kind, text: str, path: tuple[str, ...]) -> str:
    """An envelope that opens at a path."""
    return Cipher(KEY).seal(text, kind, aad=additional_data(path), nonce=os.urandom(32))


def comment(text: str, *path: str) -> str:
    """The envelope of a comment."""
    return envelope("comment", text, path)


def opening(store: Store, text: str) -> tuple[OpenedFile, str]:
    """An encrypted text whose MAC is another one, and what it opens to."""
    document = store.parse_sealed(text.encode())
    assert document.section is not None
    file = OpenedFile(document, read_metadata(document.section), KEY, ignore_mac=True)
    return file, store.open(document, file).decode()


def opened(store: Store, text: str) -> str:
    """What an encrypted text opens to."""
    return opening(store, text)[1]


def with_section(body: str) -> str:
    """An encrypted YAML file with a body."""
    return f"{body}sops:{seal(YAML, b'q: w' + bytes([10])).decode().partition('sops:')[2]}"


def opened_yaml(body: str) -> str:
    """What it opens to."""
    return opened(YAML, with_section(body))


@pytest.mark.parametrize(
    ("text", "value", "wanted"),
    [
        ('a:\n    - @\n    - ""\n', "x", 'a:\n    #x\n    - ""\n'),
        ('a:\n- @\n- ""\n', "x", 'a:\n#x\n- ""\n'),
        ('a:\n    - &n @\n    - ""\n', "x", 'a:\n    #x\n    - ""\n'),
        ('a:\n    - |-\n        @\n    - ""\n', "x", 'a:\n    #x\n    - ""\n'),
        ('a:\n    - |-\n        @\n    - ""\n', "x\n- z", 'a:\n    #x\n    # - z\n    - ""\n'),
        ('a:\n    - @\n    - ""\n', "x\n# z\n\n", 'a:\n    #x\n    # z\n    - ""\n'),
        ('a:\n    - - @\n    - ""\n', "x\nz", 'a:\n    - #x\n      # z\n      []\n    - ""\n'),
        ('a: ["@", ""]\n', "x", 'a: [\n#x\n ""]\n'),
        ('a: ["", "@"]\n', "x\nz", 'a: ["", \n#x\n# z\n]\n'),
        ('a: ["@"]\n', "x", "a: [\n#x\n]\n"),
        ("a:\n    - @\n", "x", "a:\n    #x\n    []\n"),
        ('a:\n- @\nb: ""\n', "x", 'a:\n#x\n  []\nb: ""\n'),
        ('a: @\nb: ""\n', "x", 'a: {value: x, inline: false}\nb: ""\n'),
        ('a: |-\n    @\nb: ""\n', "x\nz", 'a: {value: "x\\nz", inline: false}\nb: ""\n'),
    ],
)
def test_value_that_says_it_is_a_comment_becomes_one(text: str, value: str, wanted: str) -> None:
    plain = opened_yaml(text.replace("@", comment(value, "a")))
    assert plain == wanted
    tree_of(YAML, plain.encode())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('a:\n    #@\n    c: ""\n', 'a:\n    #x\n    # z: 1\n    c: ""\n'),
        ('a:\n    - "" #@\n', 'a:\n    - "" #x\n         # z: 1\n'),
        ('a:\n    #@\n    - ""\n', 'a:\n    #x\n    # z: 1\n    - ""\n'),
    ],
)
@pytest.mark.parametrize("line_break", ["\n", "\r", "\r\n", "\x85", "\u2028", "\u2029"])
def test_lines_of_a_comment_are_no_yaml(text: str, wanted: str, line_break: str) -> None:
    assert opened_yaml(text.replace("@", comment(f"x{line_break}z: 1\n", "a"))) == wanted


def test_lines_of_a_comment_that_sops_does_not_see_are_no_yaml() -> None:
    assert opened_yaml(f"a: #{comment(f'x{chr(10)}z: 1')}\n    - ''\n") == "a: #x\n   # z: 1\n    - ''\n"


def test_copy_of_a_value_as_a_comment_passes_the_mac_and_stays_a_comment() -> None:
    sealed = seal(YAML, b'a: "x\\nz: 1"\nb:\n    c: w\n').decode()
    found = re.search(r"a: \"(ENC\[.*\])\"\n", sealed)
    assert found is not None
    copied = sealed.replace(found[0], "a:\n    #" + found[1].replace("type:str", "type:comment") + f'\n    - "{found[1]}"\n')
    assert open_sealed(YAML, copied.encode()).decode() == 'a:\n    #x\n    # z: 1\n    - "x\\nz: 1"\nb:\n    c: w\n'


@pytest.mark.parametrize(
    ("store", "text", "start", "path", "wanted"),
    [
        (DOTENV, "#x\nA=1\n", "#", (), "#x\n#PATH=/tmp\nA=1\n"),
        (DOTENV, "B=\nA=1\n", "A=", ("A",), "B=\nA=x\\nPATH=/tmp\n"),
        (INI, "[part]\n; x\na = 1\n", "; ", ("part",), "[part]\n; x\n; PATH=/tmp\na = 1\n"),
    ],
    ids=["comment of dotenv", "value of dotenv", "comment of INI"],
)
def test_lines_of_a_comment_are_no_entries(store: Store, text: str, start: str, path: tuple[str, ...], wanted: str) -> None:
    sealed = seal(store, text.encode()).decode()
    replaced = re.sub(rf"(?m)^{start}ENC\[.*\]$", start + comment("x\nPATH=/tmp", *path), sealed, count=1)
    assert replaced != sealed
    assert opened(store, replaced) == wanted


# ---- any envelope anywhere -----------------------------------------------------------------------------------------------------------------------

BODIES = {
    YAML: [
        "a: @a\nb: @b\n",
        "a:\n    - @a\n    - @a\n",
        "a: [@a, @a]\n",
        "a: {b: @a.b, c: @a.c}\n",
        "#@\na: @a\n#@\nb: @b\n",
        "a:\n    #@a\n    b: @a.b # @a\n    #@a\n",
        "a: |\n    @a\nb: >-\n    @b\n",
        "a: \"@a\"\nb: '@b'\n",
        "a:\n- @a\n#@a\n- b: @a.b\n  c: @a.c\n",
        "a:\n    - |-\n        @a\n    #@a\n    - @a\n",
        "a:\n    - - @a\n      - @a\n",
        "a: &x @a #@\nb: *x\n",
        "a: [@a, #@a\n  @a]\n",
    ],
    JSON: ['{"a": "@a", "b": ["@b", {"c": "@b.c"}],\n'],
    DOTENV: ["A=@A\n#@\nB=@B\n"],
    INI: ["; @DEFAULT\nk = @DEFAULT.k\n[s]\n; @s\na = \"@s.a\"\n; @s\nb=`@s.b`\nc = '@s.c' ; @s\n\n"],
}
SECTIONS = {YAML: (b"q: w\n", "sops:"), JSON: (b'{"q": "w"}\n', '"sops"'), DOTENV: (b"q=w\n", "sops_"), INI: (b"q = w\n", "[sops]")}
TEXTS = [
    "x", "x\nz: 1", "- a", "a: b", "#c", " lead", "trail ", "\n", "x\r\ny: 2", "x\u2028k: v", "\x85n: 1", "a\n---\nb: c", "null", "5", "true", "1.50",
    "[1", "{a", "*al", "&an", "!t", "| ", "lines\nof it\n", "\ttab\nq: 1", "a #b", "A=1\nB=2", "; c\n[sec]\nk = v", "x\n\n\ny", "%TAG", "<<",
]  # fmt: skip
KINDS: dict[Kind, list[str]] = {
    "str": TEXTS,
    "bytes": TEXTS,
    "comment": TEXTS,
    "int": ["0", "-5"],
    "float": ["1.5"],
    "bool": ["True", "false"],
    "time": ["2031-07-09T08:07:06Z"],
}


def shape(node: Node | Comment) -> Any:
    """Keys, and values as texts; a value that is a comment, which every store prints in its own way, is None, and in a list nothing."""
    if isinstance(node, Comment):
        return None
    if isinstance(node, Leaf):
        return str(getattr(node.value, "text", node.value)).lower()
    if isinstance(node, Sequence):
        return [shape(item) for item in node.items if not isinstance(item, Comment)]
    return {item.key: shape(item.value) for item in node.items if isinstance(item, Item)}


def says(found: Any, wanted: Any) -> bool:
    """Whether a shape is the wanted one."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(says(found[key], wanted[key]) for key in found)
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(says, found, wanted))
    return wanted is None or bool(found == wanted)


@pytest.mark.parametrize("store", BODIES, ids=lambda store: store.name)
@given(st.data())
@settings(max_examples=150)
def test_whatever_envelopes_stand_where_the_text_says_what_was_opened(store: Store, data: st.DataObject) -> None:
    def drawn(place: re.Match[str]) -> str:
        kind = data.draw(st.sampled_from(sorted(KINDS)))
        return envelope(kind, data.draw(st.sampled_from(KINDS[kind])), tuple(key for key in place[1].split(".") if key))

    body = re.sub("@([A-Za-z.]*)", drawn, data.draw(st.sampled_from(BODIES[store])))
    plain, start = SECTIONS[store]
    sealed = seal(store, plain).decode()
    try:
        file, text = opening(store, body + sealed[sealed.index(start) :])
    except SecrettoolError:  # a number that is none, or something that the store cannot print
        return
    found = store.parse(text.encode()).tree
    assert [says(shape(one), shape(other)) for one, other in zip(found, file.tree, strict=True)] == [True] * len(found)

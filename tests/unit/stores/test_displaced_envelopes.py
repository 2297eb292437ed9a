"""Envelopes that say they hold a comment, where a value stood, or with the lines of one: anybody can put them there, with no key.

The type of an envelope is not protected, and what opens as a comment is not part of the MAC. So it must come out as a comment, and as nothing else.
"""

from __future__ import annotations

import os
import re

import pytest

from secrettool.sops.envelope import Cipher, additional_data
from secrettool.sops.metadata import read_metadata
from secrettool.sops.opening import OpenedFile
from secrettool.sops.store import Store
from secrettool.stores import by_name
from tests.unit.stores.sealed_files import KEY, open_sealed, seal, tree_of

YAML = by_name("yaml")
DOTENV = by_name("dotenv")
INI = by_name("ini")


def comment(text: str, *path: str) -> str:
    """The envelope of a comment."""
    return Cipher(KEY).seal(text, "comment", aad=additional_data(path), nonce=os.urandom(32))


def opened(store: Store, text: str) -> str:
    """What an encrypted text opens to whose MAC is another one."""
    document = store.parse_sealed(text.encode())
    assert document.section is not None
    return store.open(document, OpenedFile(document, read_metadata(document.section), KEY, ignore_mac=True)).decode()


def opened_yaml(text: str) -> str:
    """The same for the body of a file."""
    return opened(YAML, f"{text}sops:{seal(YAML, b'q: w' + bytes([10])).decode().partition('sops:')[2]}")


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

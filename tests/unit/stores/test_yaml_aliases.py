"""Aliases: which may stay, which are written out, and how they come back."""

from __future__ import annotations

import pytest

from secrettool.errors import FormatError
from secrettool.sops.metadata import read_metadata
from secrettool.sops.opening import OpenedFile
from secrettool.sops.selection import Selector
from secrettool.stores.yaml import YamlStore
from tests.unit.stores.sealed_files import KEY, open_sealed, seal

STORE = YamlStore()


def sealed(text: str, selector: Selector | None = None) -> str:
    """The encrypted text, once it was seen that it opens to the same bytes."""
    data = seal(STORE, text.encode(), selector)
    assert open_sealed(STORE, data).decode() == text
    return data.decode()


@pytest.mark.parametrize(
    "text",
    [
        "l: [&x a, *x ]\n",
        "l:\n  - {k: &x a}\n  - {k: *x }\n",
        "a: &x null\nb: *x\n",
        "a: &x {}\nb: *x\n",
        'a: &x ""\nb: *x\n',
        "&x a: 1\n? *x\n: 2\n",
    ],
)
def test_alias_stays_when_its_place_changes_nothing(text: str) -> None:
    try:
        assert "*x" in sealed(text)
    except FormatError as error:  # the last one defines a key twice
        assert "&x a: 1" in text and "already defined" not in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "a: &x secret\nb: *x\n",
        "a: &x {u: v, w: [1, 2.50, true]}\nb: *x\nc: [*x , 1]\n",
        "a: &x\n  u: v\n  # c\n  w: 1\n  # tail\nb:\n  <<: *x\n  y: 1\n",
        "a: &x {u: v}\nb:\n  <<: *x # beside\n  y: 1\nl:\n  - *x # beside\n  - *x\n",
        "a: &x 1\nb: &x 2\nc: *x\n",
        "a: &x [y]\nb: &z [*x , *x ]\nc: *z\n",
        "a: &x secret\n*x : 1\nb: {*x : 2}\n",
        "&k key: secret\nb: *k\n",
        "a: &x secret\n---\nb: *x\n",
        "a: &x\n  - #\n  - y\nb: *x\n",
    ],
)
def test_alias_is_written_out_and_comes_back(text: str) -> None:
    assert "&was_" in sealed(text)


def test_secret_used_in_the_clear_part_is_copied_in_clear_as_sops_does() -> None:
    text = "data:\n  a: &x hush\n  n: &n 1e3\nother: *x\nnumber: [*n ]\n"
    assert 'other: &was_alias_x "hush"\nnumber: [&was_alias_n 1e3 ]\n' in sealed(text, Selector("encrypted_regex", "^data$"))


def test_value_changed_behind_an_alias_drops_the_mark_only() -> None:
    one, other = sealed("a: &x one\nb: *x\n"), sealed("a: &x two\nb: *x\n")
    lines = one.splitlines(True)
    lines[1] = other.splitlines(True)[1]
    document = "".join(lines)
    parsed = STORE.parse_sealed(document.encode())
    assert parsed.section is not None
    opened = OpenedFile(parsed, read_metadata(parsed.section), KEY, ignore_mac=True)
    assert STORE.open(parsed, opened) == b"a: &x one\nb: two\n"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("a: *x\n", "without an anchor"),
        ("a: &x [*x ]\n", "contains itself"),
        ("a: 1\n---\nb: &x {c: *x }\n", "contains itself"),
        ("a: 1\n---\n&x b: 1\n---\n*x\n", "nothing but an alias"),
        ("a: &x {b: 1}\n? *x\n: 1\n", "a key that is a mapping"),
        ("a: &x y\n<<: *x\n", "map merge"),
    ],
)
def test_alias_that_leads_nowhere_is_refused(text: str, cause: str) -> None:
    with pytest.raises(FormatError, match=cause):
        STORE.parse(text.encode())


def test_document_that_explodes_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1} '] * 10)}]\n" for i in range(1, 30)]
    with pytest.raises(FormatError, match="excessive aliasing"):
        STORE.parse("".join(lines).encode())

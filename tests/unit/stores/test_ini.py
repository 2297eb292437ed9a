"""The INI store: the library's rules, sops' printing, and texts that come back byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secrettool.errors import EmitError, FormatError, MetadataError, MetadataNotFound, SecrettoolError
from secrettool.sops.document import Runtime
from secrettool.sops.editing import Steps, with_value, without_value
from secrettool.sops.envelope import DataKey
from secrettool.sops.rekeying import change_groups, rotate
from secrettool.sops.reuse import Reuse
from secrettool.sops.sealing import TreeSealer
from secrettool.sops.selection import Selector
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence
from secrettool.stores.ini import IniStore
from secrettool.stores.ini.emit import readable_text
from secrettool.stores.ini.parse import reads_as
from tests.unit.stores.sealed_files import branch, open_sealed, opened, plain, seal, sealed_file, tree_of, vectors

STORE = IniStore()
LINES = [
    *(
        "[a]\n",
        " [b c] ; d\n",
        "[DEFAULT]\n",
        "[a] junk # e\n",
        " k = v\n",
        "k=v ; i\n",
        "q = 'x'\n",
        'r: "y"\n',
        "t = `a#b` ; dropped\n",
        "e =\n",
        "e=  ; c\n",
    ),
    *(
        'm = """one\ntwo""" ; behind\n',
        "n = `one\n`\n",
        "j = a \\\n  b\n",
        "; block\n",
        "# two\n",
        "\n",
        " ;\n",
        'k = "a#b"\n',
        "\u00a0u = \u2028\n",
        "x = a\\b\r\n",
    ),
    *('"quoted key" = 1\n', '`b=c` = `"""`\n'),
]
TEXTS = st.tuples(st.lists(st.sampled_from(LINES), max_size=8).map("".join), st.booleans()).map(
    lambda found: (found[0] if found[1] else found[0].removesuffix("\n")).encode()
)
ODD_TEXTS = (
    st.lists(st.sampled_from([*"[]=:#;'\"`\\ \t\r\nab", '"""', "a=1\n", "; c\n", "[s]\n", "\u2028", "\x1c"]), max_size=14)
    .map("".join)
    .map(str.encode)
)


# ---- parsing -------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("k = v", "v"),
        ("k:v", "v"),
        ("k = a=b:c", "a=b:c"),
        ("k =", ""),
        ("k = 'a b'", "a b"),
        ('k = "a b"', "a b"),
        ('k = "a"b"', '"a"b"'),
        ('k = "a#b"', '"a'),
        ("k = `a#b` c", "a#b"),
        ('k = """a#b"""', "a#b"),
        ('k = """', '"""'),
        ('k = """a\nb"""', "a\nb"),
        ("k = `a\nb` \\\nc`", "a\nb` \\\nc"),
        ("k = a \\\n  b ; c", "a b ; c"),
        ("k = a \\\n\nj = 1", "a "),
        ("k = a \\\n b\\\n c", "a bc"),
        ("k = a\\", "a"),
        ("`k` = v", "v"),
        ('"""k""" = v', "v"),
        ('"k" = v', "v"),
        ("\ufeffk = v", "v"),
        ("k = v\u00a0", "v"),
        ("k = v\x1c", "v\x1c"),
        ("k = 1\nk = v", "v"),
    ],
)
def test_parse_reads_a_value_like_the_library(text: str, value: str) -> None:
    section = tree_of(STORE, text.encode())[0]
    assert section[0] == "DEFAULT"
    assert section[1][0] == ("k", value)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", [("DEFAULT", [])]),
        ("[a]\n[a]\nk=1", [("DEFAULT", []), ("a", []), ("a", [("k", "1")])]),
        ("[a] b]", [("DEFAULT", []), ("a] b", [])]),
        ("; h\n[a] # i", [("DEFAULT", []), ("a", [("#", "h\n# i")])]),
        ("; one\n\n ;; two\nk = v # three", [("DEFAULT", [("k", "v"), ("#", "one\n;; two\n# three")])]),
        ("##  c\nk = v", [("DEFAULT", [("k", "v"), ("#", "c")])]),
        (";\nk = v", [("DEFAULT", [("k", "v"), ("#", "")])]),
        ("k = v\n; lost", [("DEFAULT", [("k", "v")])]),
        ("; c\nk = 1\nj = 2\nk = 3", [("DEFAULT", [("k", "3"), ("j", "2")])]),
        ("- = a\n- = b", [("DEFAULT", [("#1", "a"), ("#2", "b")])]),
        ('k = """a\nb""" ; c', [("DEFAULT", [("k", "a\nb"), ("#", "c")])]),
    ],
)
def test_parse_builds_the_tree_of_sops(text: str, tree: Any) -> None:
    assert tree_of(STORE, text.encode()) == tree


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe"])
def test_parse_skips_byte_order_marks(mark: bytes) -> None:
    assert tree_of(STORE, mark + b"k=v") == [("DEFAULT", [("k", "v")])]


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        ("[a]\njunk\n", "key-value delimiter not found", "line 2, column 1"),
        ("[a", "unclosed section", "line 1, column 1"),
        (" []", "empty section name", "line 1, column 2"),
        ("= v", "empty key name", "line 1, column 1"),
        ("`` = v", "empty key name", "line 1, column 1"),
        ("`k = v", "missing closing key quote", "line 1, column 1"),
        ("k = `v\n\n", "missing closing quote", "line 1, column 5"),
        ('k = """v\n""" \\\n', "missing closing quote", "line 1, column 5"),
    ],
)
def test_parse_names_the_place_of_an_error(text: str, message: str, where: str) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        STORE.parse(text.encode())
    assert caught.value.where == where


@given(st.binary() | ODD_TEXTS)
def test_parse_raises_nothing_foreign(data: bytes) -> None:
    try:
        STORE.parse(data)
    except SecrettoolError as error:
        assert error.where


# ---- sealing and opening -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("encrypted", "key", "printed", "original"), vectors("ini"))
def test_open_prints_what_sops_prints(encrypted: bytes, key: DataKey, printed: bytes, original: bytes | None) -> None:
    assert open_sealed(STORE, encrypted, key) == printed
    if original is not None:
        assert open_sealed(STORE, seal(STORE, original)) == original


def _comes_back(text: bytes, selector: Selector | None) -> None:
    try:
        sealed = seal(STORE, text, selector)
    except (FormatError, EmitError):
        return
    assert open_sealed(STORE, sealed) == text
    assert plain(opened(STORE, sealed).tree[0]) == tree_of(STORE, text)


@given(TEXTS, st.sampled_from([None, Selector("encrypted_regex", "^[km]$"), Selector("unencrypted_regex", "^[km]$")]))
def test_opening_gives_every_byte_back(text: bytes, selector: Selector | None) -> None:
    _comes_back(text, selector)


@settings(max_examples=300)
@given(ODD_TEXTS, st.sampled_from([None, Selector("encrypted_regex", "^a"), Selector("unencrypted_regex", "s|^a")]))
def test_opening_gives_every_byte_of_odd_texts_back(text: bytes, selector: Selector | None) -> None:
    _comes_back(text, selector)


@pytest.mark.parametrize(
    "text",
    [
        b'k="""',
        b"k = a \\",
        b"k=v\r\n\r\n",
        b"a=1\n[s]\r\nb=2\r",
        b"\xef\xbb\xbf",
        b"  ",
        b"[a]; b",
        b"; a\n[a] junk ; b\nk = v",
        b";  \n;a\nk = v ; b \r\n",
        b'm = """a\nb""" junk ; c\n',
        b"k=1;a\nk=2 # b\nk=3",
    ],
)
def test_opening_gives_odd_corners_back(text: bytes) -> None:
    for selector in (None, Selector("encrypted_regex", "^nothing$")):
        sealed = seal(STORE, text, selector)
        assert open_sealed(STORE, sealed) == text


def test_seal_keeps_quotes_and_markers() -> None:
    lines = seal(STORE, b"a = 'x'\nb = `y`\n#  c\nc : z ;d\n").decode().splitlines()
    assert lines[0].startswith("a = 'ENC[") and lines[0].endswith("]'")
    assert lines[1].startswith("b = `ENC[")
    assert lines[2].startswith("#  ENC[")
    assert lines[3].startswith("c : ENC[") and " ;d" not in lines[3]


@pytest.mark.parametrize(
    "text",
    [
        b"k=hunter2\nk=other\n",
        b"k=v\n; hunter2",
        b"k = `v` hunter2\n",
        b'k = """v\n""" hunter2 ; c',
        b"[a] hunter2\n",
        b"; hunter2\nk=1\nk=2",
        b"[a] ; hunter2",
    ],
)
def test_seal_leaves_nothing_readable_that_the_tree_does_not_hold(text: bytes) -> None:
    sealed = seal(STORE, text)
    assert b"hunter2" not in sealed
    assert open_sealed(STORE, sealed) == text


def test_seal_leaves_leftovers_of_clear_sections_alone() -> None:
    assert b"hunter2" in seal(STORE, b"[a_unencrypted]\nk=v\n; hunter2\n")


def test_seal_refuses_keys_that_sops_would_not_find_again() -> None:
    with pytest.raises(EmitError):
        seal(STORE, b"- = v\n")


def test_seal_writes_the_section_as_sops_does() -> None:
    sealed = seal(STORE, b"[a]\nk = v\n").decode()
    assert "\n\n[sops]\nage__list_0__map_enc       = -----BEGIN AGE ENCRYPTED FILE-----\\nYWdl\\n" in sealed
    assert sealed.endswith("version                    = 3.13.2\n")


def test_seal_keeps_a_bare_envelope_where_sops_would_print_the_same() -> None:
    text = STORE.emit_sealed([branch(DEFAULT=branch(k=_sealed_value("a#b")))], _section())
    file = opened(STORE, text)
    assert STORE.open(file.document, file) == b"k = `a#b`\n"
    document = STORE.parse(b"k = `a#b`\nj = 1\n")
    sealer = TreeSealer(document, file.metadata, file.cipher, lambda size: b"\1" * size, Reuse(file, STORE.parse(b"k = `a#b`\n")))
    assert STORE.seal(document, sealer).startswith(b"k = ENC[")


def _sealed_value(text: str) -> str:
    (node, *_) = opened(STORE, seal(STORE, f"k = `{text}`\n".encode())).document.tree[0].items
    assert isinstance(node, Item) and isinstance(node.value, Branch)
    return str(plain(node.value)[0][1])


def _section() -> Branch:
    section = opened(STORE, seal(STORE, b"k = `a#b`\n")).document.section
    assert section is not None
    return section


def test_open_prints_canonically_when_the_notation_is_lost() -> None:
    lines = seal(STORE, b"; a\n# b\nk = one \\\n two # c\n").splitlines(keepends=True)
    text = b"".join(line for line in lines if not line.startswith(b"secrettool_notation"))
    assert open_sealed(STORE, text) == b"; a\n# b\nk = `one two # c`\n"


@settings(max_examples=50)
@given(TEXTS)
def test_reseal_changes_only_the_section(text: bytes) -> None:
    sealed = seal(STORE, text)
    file = sealed_file(STORE, sealed)
    runtime = Runtime(None, lambda size: b"\0" * size, lambda: "2031-07-09T08:07:06Z")  # type: ignore[arg-type]
    assert change_groups(file, DataKey(bytes(range(32))), file.metadata.groups, 0, runtime) == sealed


class _NoKeys:
    def wrap(self, key: Any, part: bytes) -> Any:
        """The key as it is."""
        return key


@settings(max_examples=50)
@given(TEXTS)
def test_rotation_keeps_every_byte_of_the_plain_text(text: bytes) -> None:
    file = sealed_file(STORE, seal(STORE, text))
    new_key = bytes(reversed(range(32)))
    runtime = Runtime(_NoKeys(), lambda size: new_key[:size] if size == 32 else b"\2" * size, lambda: "2031-07-09T08:07:07Z")  # type: ignore[arg-type]
    rotated = rotate(file, opened(STORE, file.data), runtime)
    assert open_sealed(STORE, rotated, DataKey(new_key)) == text


def test_open_takes_the_section_out_from_between_others() -> None:
    first, _, section = seal(STORE, b"[a]\nk_unencrypted=1\n").partition(b"\n\n[sops]")
    text = b"[sops]" + section + b"\n" + first + b"\n"
    assert open_sealed(STORE, text) == b"\n[a]\nk_unencrypted=1\n"


@pytest.mark.parametrize(
    ("text", "error"),
    [("[a]\nk=v", MetadataNotFound), ("[sops]", MetadataNotFound), ("[sops]\na=1\n[sops]\na=1", MetadataError)],
)
def test_parse_sealed_wants_one_section(text: str, error: type[SecrettoolError]) -> None:
    with pytest.raises(error):
        STORE.parse_sealed(text.encode())


# ---- printing ------------------------------------------------------------------------------------------------------------------------------------


def test_emit_prints_sections_as_the_library_does() -> None:
    tree = Branch(
        [
            Comment("lost"),
            Item("default", branch(root=1)),
            Item("s", Branch([Comment("head\n# two"), *branch(long_name="v", k="a;b", n=None, f=3.0).items, Comment("first"), Comment(" last ")])),
            Item("e", Branch()),
        ]
    )
    assert STORE.emit([tree]).decode() == (
        "root = 1\n\n; head\n# two\n[s]\nlong_name = v\nk         = `a;b`\nn         = <nil>\n; last\nf         = 3.0\n\n[e]\n"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [("v", "v"), ("", ""), ("a\nb", '"""a\nb"""'), ("a`b", '"""a`b"""'), ("a#b", "`a#b`"), (" a ", '" a "'), (Sequence([branch(q=1)]), "[[{q 1}]]")],
)
def test_emit_quotes_values_as_the_library_does(value: str | Node, text: str) -> None:
    assert STORE.emit([branch(s=branch(k=value))]).decode() == f"[s]\nk = {text}\n"


@pytest.mark.parametrize(("key", "text"), [("a=b", "`a=b`   = 1\nlongest = 2"), ("a`b", '"""a`b""" = 1\nlongest   = 2')])
def test_emit_quotes_keys_as_the_library_does(key: str, text: str) -> None:
    assert STORE.emit([branch(s=Branch([Item(key, Leaf(1)), Item("longest", Leaf(2))]))]).decode() == f"[s]\n{text}\n"


def test_emit_overwrites_repeated_keys_in_place() -> None:
    section = Branch([Item("a", Leaf(1)), Item("b", Leaf(2)), Item("a", Leaf(3))])
    assert STORE.emit([branch(s=section)]) == b"[s]\na = 3\nb = 2\n"


@pytest.mark.parametrize(
    "tree",
    [branch(a=1), branch(s=Branch([Item("", Leaf(1))])), Branch([Item("", Branch())]), branch(s=Branch([Item("#1", Leaf(1))]))],
    ids=["scalar at the top", "empty key", "empty name", "key that reads as a comment"],
)
def test_emit_refuses_what_ini_cannot_say(tree: Branch) -> None:
    with pytest.raises(EmitError):
        STORE.emit([tree])


@pytest.mark.parametrize("tree", [branch(sops=Branch()), branch(s=branch(k=None)), branch(s=branch(k=Sequence()))], ids=["reserved", "null", "list"])
def test_emit_sealed_refuses_what_would_not_be_read_back(tree: Branch) -> None:
    with pytest.raises(EmitError):
        STORE.emit_sealed([tree], branch(mac="m"))


def test_emit_sealed_flattens_the_section() -> None:
    assert STORE.emit_sealed([branch(s=branch(k="v"))], branch(age=Sequence([branch(enc="a\nb")]), mac="m")) == (
        b"[s]\nk = v\n\n[sops]\nage__list_0__map_enc = a\\nb\nmac                  = m\n"
    )


def test_emit_value_prints_json() -> None:
    assert STORE.emit_value(Sequence([Leaf(1), Leaf("a")])) == b'[1,"a"]'
    assert STORE.emit_value(branch(s=branch(k=1))) == b"[s]\nk = 1\n"


def test_only_sops_is_reserved() -> None:
    assert STORE.reserved("sops") and not STORE.reserved("DEFAULT")


# ---- amending ------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "steps", "value", "after"),
    [
        ("[a]\nk=v ; c\n", ("a", "k"), Leaf("w"), "[a]\nk=w ; c\n"),
        ("[a]\nk = ; c\n", ("a", "k"), Leaf("w"), "[a]\nk = w ; c\n"),
        ("[a]\nk = \n", ("a", "k"), Leaf("w"), "[a]\nk = w\n"),
        ("[a]\nk=\n", ("a", "k"), Leaf("w"), "[a]\nk=w\n"),
        ("[a]\nk=v\n", ("a", "k"), Leaf("'w'"), "[a]\nk=\"'w'\"\n"),
        ("[a]\nk=v\n\n[b]\n", ("a", "j"), Leaf("w"), "[a]\nk=v\nj = w\n\n[b]\n"),
        ("[a]\nk=v", ("b", "j"), Leaf("w"), "[a]\nk=v\n\n[b]\nj = w\n"),
        ("", ("b", "j"), Leaf("w"), "[b]\nj = w\n"),
        ("[a]\nk=v\nj=w\n", ("a", "k"), None, "[a]\nj=w\n"),
        ("[a]\nk=v\n; c\n[b]\nj=w\n", ("a",), None, "; c\n[b]\nj=w\n"),
        ("k=v\n[a]\n", ("DEFAULT", "j"), Leaf("w"), "k=v\nj = w\n[a]\n"),
    ],
)
def test_amend_changes_only_the_lines_asked_for(before: str, steps: Steps, value: Node | None, after: str) -> None:
    document = STORE.parse(before.encode())
    root = document.tree[0]
    tree = without_value(root, steps) if value is None else with_value(root, steps, value)[0]
    assert STORE.amend(document, [tree]).decode() == after


def test_amend_takes_comments_away_with_their_keys() -> None:
    document = STORE.parse(b"[a]\n; c\nk=v ; d\nj=w ; e\n")
    section = document.tree[0].items[1]
    assert isinstance(section, Item) and isinstance(section.value, Branch)
    rest = Branch([item for item in section.value.items if isinstance(item, Item) and item.key == "j"])
    assert STORE.amend(document, [Branch([document.tree[0].items[0], Item("a", rest)])]) == b"[a]\nj=w\n"


def test_amend_refuses_a_scalar_at_the_top() -> None:
    document = STORE.parse(b"")
    with pytest.raises(EmitError):
        STORE.amend(document, [branch(a=1)])


@pytest.mark.parametrize("value", ["a\\", '"""', "'x'", '"x"', " x", "a\n`b", "`"])
def test_readable_text_is_read_back(value: str) -> None:
    assert reads_as(readable_text(value), value)


def test_readable_text_refuses_what_no_quotes_hold() -> None:
    with pytest.raises(EmitError):
        readable_text('a"""`b\nc')

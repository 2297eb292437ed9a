"""The JSON store: Go's decoder, sops' printing, and texts that come back byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.errors import EmitError, FormatError, MetadataError, MetadataNotFound, SecrettoolError
from secrettool.sops.document import Runtime
from secrettool.sops.editing import Steps, with_value, without_value
from secrettool.sops.envelope import DataKey
from secrettool.sops.rekeying import change_groups
from secrettool.sops.selection import Selector
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence
from secrettool.sops.values import Time
from secrettool.stores.json import JsonStore
from tests.unit.stores.sealed_files import branch, open_sealed, opened, plain, seal, sealed_file, tree_of, vectors

STORE = JsonStore()


# ---- parsing -------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"1", 1),
        (b"-0", 0),
        (b"9223372036854775807", 9223372036854775807),
        (b"9223372036854775808", 9223372036854775808.0),
        (b"1.0", 1.0),
        (b"1e3", 1000.0),
        (b"1e-400", 0.0),
        (b"true", True),
        (b"null", None),
        (b'"\\u00e9\\/"', "\u00e9/"),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\ud800x"', "\ufffdx"),
        (b'"\\uDC00"', "\ufffd"),
        (b'"\xe2\x82"', "\ufffd\ufffd"),
        (b"[]", []),
        (b'[ 1 , {"k" : [ ] } ]', [1, [("k", [])]]),
    ],
)
def test_parse_reads_values_like_go(text: bytes, value: Any) -> None:
    found = tree_of(STORE, b'{"a":' + text + b"}")
    assert found == [("a", value)]
    assert type(found[0][1]) is type(value)


def test_parse_keeps_duplicate_keys() -> None:
    assert tree_of(STORE, b'{"a":1,"a":2}') == [("a", 1), ("a", 2)]


def test_parse_replaces_broken_utf8_in_keys() -> None:
    assert tree_of(STORE, b'{"\xff":1}') == [("\ufffd", 1)]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (b"", "line 1, column 1"),
        (b"\xef\xbb\xbf{}", "line 1, column 1"),
        (b"[1]", "line 1, column 1"),
        (b'{"a":1,}', "line 1, column 8"),
        (b'{"a":[1,]}', "line 1, column 9"),
        (b'{"a":01}', "line 1, column 7"),
        (b'{"a":1 // c\n}', "line 1, column 8"),
        (b'{"a"\n 1}', "line 2, column 2"),
        (b"{a:1}", "line 1, column 2"),
        (b'{"a":1]', "line 1, column 7"),
        (b'{"a":nul}', "line 1, column 6"),
        (b'{"a":1e999}', "line 1, column 6"),
        (b'{"a":"\n"}', "line 1, column 7"),
        (b'{"a":"\\x"}', "line 1, column 7"),
        (b'{"a":"', "line 1, column 6"),
        (b'{"a":', "line 1, column 6"),
        (b'{"a":[1', "line 1, column 8"),
    ],
)
def test_parse_names_the_place_of_an_error(text: bytes, where: str) -> None:
    with pytest.raises(FormatError) as caught:
        STORE.parse(text)
    assert caught.value.where == where


@given(st.binary() | st.text(st.sampled_from('{}[]",:\\u0e1-. \nnulltrue')).map(str.encode))
def test_parse_raises_nothing_foreign(data: bytes) -> None:
    try:
        STORE.parse(data)
    except SecrettoolError as error:
        assert error.where


def test_parse_takes_any_depth() -> None:
    depth = 100_000
    root = STORE.parse(b'{"a":' * depth + b"1" + b"}" * depth).tree[0]
    node: Node = root
    for _ in range(depth):
        assert isinstance(node, Branch)
        node = node.items[0].value  # type: ignore[union-attr]
    assert isinstance(node, Leaf) and node.value == 1


def test_parse_warns_of_text_behind_the_object_and_drops_it() -> None:
    document = STORE.parse(b'{"a":1} {"secret":2}')
    assert document.text == '{"a":1}'
    assert len(document.warnings) == 1


def test_leaves_know_their_spans() -> None:
    document = STORE.parse('{"é": "x", "b": [12]}'.encode())
    leaf = document.tree[0].items[0].value  # type: ignore[union-attr]
    assert isinstance(leaf, Leaf)
    assert document.text[leaf.start : leaf.end] == '"x"'


# ---- sealing and opening -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("encrypted", "key", "printed", "original"), vectors("json"))
def test_open_gives_the_values_that_sops_prints(encrypted: bytes, key: DataKey, printed: bytes, original: bytes | None) -> None:
    def pairs(data: bytes) -> Any:
        return json.loads(data, object_pairs_hook=lambda entries: ["object", entries], parse_int=str, parse_float=str)

    assert pairs(open_sealed(STORE, encrypted, key)) == pairs(printed)


@pytest.mark.parametrize(
    "name",
    ["json-basic", "json-numbers", "json-strings", "json-empties", "json-duplicate-keys", "json-nested-arrays", "json-empty-object", "json-indent-2"],
)
def test_open_prints_a_file_of_sops_as_sops_does(name: str) -> None:
    (found,) = [vector.values for vector in vectors("json") if vector.id == name]
    encrypted, key, printed, _ = found
    wanted = printed if name != "json-indent-2" else json.dumps(json.loads(printed), indent=2).encode() + b"\n"
    assert open_sealed(STORE, encrypted, key) == wanted


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b"{}\n",
        b" { } ",
        b"{\r\n\r\n}\r\n",
        b'{"a":1}',
        b'{"a" : 1}\n\n',
        b'  {\n    "a": 1\n  }',
        b'{\n"a": 1\n}\n',
        b'{"a":1,\t"b":"x"}',
        b'{\r\n  "a": 1,\r\n  "a": "<&>"\r\n}',
        b'{\n  "a": 1\n  , "b": 2\n}',
        b'{"a": {\n "b": 1 } }',
        b'{"n":[-0,-0.0,1.50,1E2,1e21,100000000000000000000000],"s":"\\u00e9\\/\\ud800","b":[true,false,null],"e":""}',
        b'{"\xff":"\xff\xe2\x82"}',
    ],
)
def test_opening_gives_every_byte_back(text: bytes) -> None:
    assert open_sealed(STORE, seal(STORE, text)) == text


_SPACE = st.sampled_from(["", "", " ", "\n", "\r\n  ", "\t"])
_STRING = st.lists(st.sampled_from(["a", "é", "\\u00e9", "\\/", "\\n", "<", "\u2028", "\\ud83d\\ude00", "\\ud800", "😀", '\\"', "\x7f"])).map(
    lambda parts: f'"{"".join(parts)}"'
)
_NUMBER = st.sampled_from(["0", "-0", "-0.0", "1.50", "1E-7", "1e21", "123456789012345678901", "4.9e-324", "0.30000000000000004", "100000.0"])


def _members(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    member = st.tuples(_SPACE, _STRING, _SPACE, _SPACE, values, _SPACE).map(lambda m: f"{m[0]}{m[1]}{m[2]}:{m[3]}{m[4]}{m[5]}")
    return st.tuples(st.lists(member, max_size=4), _SPACE).map(lambda found: f"{{{','.join(found[0]) or found[1]}}}")


_VALUE = st.recursive(
    st.one_of(_STRING, _NUMBER, st.sampled_from(["true", "false", "null"])),
    lambda inner: _members(inner) | st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    max_leaves=8,
)


@given(st.tuples(_SPACE, _members(_VALUE), _SPACE).map("".join).map(str.encode), st.sampled_from([None, Selector("encrypted_regex", "a")]))
def test_opening_gives_every_byte_of_generated_texts_back(text: bytes, selector: Selector | None) -> None:
    sealed = seal(STORE, text, selector)
    assert open_sealed(STORE, sealed) == text
    assert plain(opened(STORE, sealed).tree[0]) == tree_of(STORE, text)


def test_seal_replaces_values_and_nothing_else() -> None:
    sealed = seal(STORE, b'{ "a" : 1,"k_unencrypted": 2,\n"n": null }').decode()
    assert sealed.startswith('{ "a" : "ENC[AES256_GCM,data:')
    assert ',"k_unencrypted": 2,\n"n": null,\n"sops": {\n"age": [' in sealed
    assert sealed.endswith("\n} }")


def test_seal_indents_the_section_like_the_file() -> None:
    assert '\r\n  "sops": {\r\n    "age": [\r\n      {\r\n        "enc"' in seal(STORE, b'{\r\n  "a": 1\r\n}').decode()


def test_seal_writes_the_section_of_a_minified_file_on_one_line() -> None:
    assert b"\n" not in seal(STORE, b'{"a":1}')


def test_seal_leaves_no_notation_where_none_is_needed() -> None:
    assert b"secrettool_notation" not in seal(STORE, b'{"a": "x", "b": 1.5, "c": [true, null]}')


def test_seal_keeps_the_names_of_the_section_sorted() -> None:
    section = STORE.parse(seal(STORE, b'{"a": 1.50}')).tree[0].items[-1].value  # type: ignore[union-attr]
    assert isinstance(section, Branch)
    names = [item.key for item in section.items if isinstance(item, Item)]
    assert names == sorted(names) and "secrettool_notation" in names  # type: ignore[type-var]


def test_open_prints_canonically_when_the_notation_is_lost() -> None:
    sealed = json.loads(seal(STORE, b'{"a":1.50,"b":"\\u00e9<"}'))
    del sealed["sops"]["secrettool_notation"]
    assert open_sealed(STORE, json.dumps(sealed).encode()) == '{"a": 1.5, "b": "é\\u003c"}'.encode()


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        (lambda members, sops: {"sops": sops, **members}, '{"a": 1, "b": 2}'),
        (lambda members, sops: {"a": members["a"], "sops": sops, "b": members["b"]}, '{"a": 1, "b": 2}'),
    ],
)
def test_open_takes_the_section_out_wherever_it_stands(place: Any, wanted: str) -> None:
    sealed = json.loads(seal(STORE, b'{"a": 1, "b": 2}'))
    section = sealed.pop("sops")
    assert open_sealed(STORE, json.dumps(place(sealed, section)).encode()) == wanted.encode()


@pytest.mark.parametrize(
    ("plain_text", "comments", "wanted"),
    [
        (b'{"l":["a","c","b"]}', {1}, b'{"l":["a","b"]}'),
        (b'{"l":["c","c", "a"]}', {0, 1}, b'{"l":["a"]}'),
        (b'{"l":[ "c" ]}', {0}, b'{"l":[]}'),
        (b'{"l":["a", "c","c"]}', {1, 2}, b'{"l":["a"]}'),
    ],
)
def test_open_leaves_out_list_elements_that_are_comments(plain_text: bytes, comments: set[int], wanted: bytes) -> None:
    file = opened(STORE, seal(STORE, plain_text))
    file.nodes = [Comment("c") if number in comments else node for number, node in enumerate(file.nodes)]
    assert STORE.open(file.document, file) == wanted


def test_reseal_changes_only_the_section(runtime_for_keys: Runtime) -> None:
    for text in (b'{\n  "a": 1\n}\n', b'{"a":1}', b"{}", b'{\n\t"a": 1.50\n}'):
        sealed = seal(STORE, text)
        file = sealed_file(STORE, sealed)
        changed = change_groups(file, DataKey(bytes(range(32))), file.metadata.groups, 0, runtime_for_keys)
        assert changed == sealed


@pytest.fixture
def runtime_for_keys() -> Runtime:
    return Runtime(None, lambda size: b"\0" * size, lambda: "2031-07-09T08:07:06Z")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"{}", MetadataNotFound),
        (b'{"sops":{}}', MetadataNotFound),
        (b'{"sops":1}', MetadataError),
        (b'{"sops":{"a":1},"sops":{"a":1}}', MetadataError),
    ],
)
def test_parse_sealed_wants_one_section(text: bytes, error: type[SecrettoolError]) -> None:
    with pytest.raises(error):
        STORE.parse_sealed(text)


# ---- printing ------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("indent", "text"),
    [
        (None, '{\n\t"a": [\n\t\t1,\n\t\t{}\n\t]\n}\n'),
        (-1, '{\n\t"a": [\n\t\t1,\n\t\t{}\n\t]\n}\n'),
        (0, '{\n"a": [\n1,\n{}\n]\n}\n'),
        (2, '{\n  "a": [\n    1,\n    {}\n  ]\n}\n'),
    ],
)
def test_emit_indents_as_sops_does(indent: int | None, text: str) -> None:
    assert STORE.emit([branch(a=Sequence([Leaf(1), Branch()]))], indent=indent) == text.encode()


def test_emit_escapes_as_go_does() -> None:
    assert STORE.emit([branch(a='<&>\u2028\x01\b\f\n\r\t"\\\x7fé\udcff')]).decode() == (
        '{\n\t"a": "\\u003c\\u0026\\u003e\\u2028\\u0001\\b\\f\\n\\r\\t\\"\\\\\x7fé\\ufffd"\n}\n'
    )


def test_emit_leaves_comments_out_and_quotes_times() -> None:
    tree = Branch([Comment("c"), Item("t", Leaf(Time("2031-07-09T00:00:00Z"))), Item("l", Sequence([Comment("d")]))])
    assert STORE.emit([tree, branch(second=1)]) == b'{\n\t"t": "2031-07-09T00:00:00Z",\n\t"l": []\n}\n'


@pytest.mark.parametrize("tree", [branch(a=float("inf")), Branch([Item(1, Leaf(1))])], ids=["infinity", "key that is a number"])
def test_emit_refuses_what_json_cannot_say(tree: Branch) -> None:
    with pytest.raises(EmitError):
        STORE.emit([tree])


def test_emit_refuses_a_negative_indent_and_too_many_levels() -> None:
    deep: Node = Leaf(1)
    for _ in range(10_001):
        deep = Sequence([deep])
    for tree, indent in ((Branch(), -2), (branch(a=deep), 0)):
        with pytest.raises(EmitError):
            STORE.emit([tree], indent=indent)


def test_emit_sealed_adds_the_section_and_keeps_the_point_of_minus_zero() -> None:
    assert STORE.emit_sealed([branch(z=-0.0)], branch(mac="m"), indent=1) == b'{\n "z": -0.0,\n "sops": {\n  "mac": "m"\n }\n}\n'


def test_emit_sealed_refuses_the_reserved_key_in_any_document() -> None:
    with pytest.raises(EmitError):
        STORE.emit_sealed([Branch(), branch(sops=1)], branch(mac="m"))


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (Leaf(5), "5"),
        (Leaf(None), "null"),
        (Sequence([Leaf(1)]), "[\n\t1\n]"),
        (branch(a=True), '{\n\t"a": true\n}\n'),
        (Comment("c", True), '{\n\t"Value": "c",\n\t"Inline": true\n}'),
    ],
)
def test_emit_value_prints_as_extract_does(node: Node | Comment, text: str) -> None:
    assert STORE.emit_value(node) == text.encode()


# ---- amending ------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "steps", "value", "after"),
    [
        ('{"a":1, "b":2}', ("a",), Leaf("x"), '{"a":"x", "b":2}'),
        ('{"a":1, "b":2}', ("c",), Leaf(3), '{"a":1, "b":2, "c":3}'),
        ('{"a":1,"b":2}', ("b",), None, '{"a":1}'),
        ('{"a":1, "b":2}', ("a",), None, '{"b":2}'),
        ('{\n  "a": 1\n}\n', ("b",), branch(c=1), '{\n  "a": 1,\n  "b": {\n    "c": 1\n  }\n}\n'),
        ('{\n  "a": {\n    "b": [1, 2]\n  }\n}', ("a", "b", 9), Leaf(3), '{\n  "a": {\n    "b": [1, 2, 3]\n  }\n}'),
        ('{"l": [1,2,3]}', ("l", 1), None, '{"l": [1,3]}'),
        ('{"l": [1,2]}', ("l", 0), branch(k="v"), '{"l": [{"k": "v"},2]}'),
        ("{}", ("a",), Leaf(1), '{\n\t"a": 1\n}'),
        ('{"a": {}}', ("a", "b"), Leaf(1), '{"a": {"b": 1}}'),
        ('{"a":1}', ("a",), None, "{}"),
    ],
)
def test_amend_changes_only_what_was_asked_for(before: str, steps: Steps, value: Node | None, after: str) -> None:
    document = STORE.parse(before.encode())
    root = document.tree[0]
    tree = without_value(root, steps) if value is None else with_value(root, steps, value)[0]
    assert STORE.amend(document, [tree]).decode() == after


def test_amend_inserts_in_front() -> None:
    document = STORE.parse(b'{"a": 1}')
    assert STORE.amend(document, [Branch([Item("z", Leaf(0)), *document.tree[0].items])]) == b'{"z": 0, "a": 1}'


def test_only_sops_is_reserved() -> None:
    assert STORE.reserved("sops") and not STORE.reserved("sops_x")

"""From what a source gave to the bytes that are meant."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.errors import SourceError
from secrettool.sources.forms import Found, as_bytes, parsed, part_of, shaped, steps
from secrettool.sources.model import Form, Trim
from tests.unit.sources.support import shows_nothing

TOKENS = ("REPLACE_ME",)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(st.characters(exclude_categories=["Cs"]))
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
)


def made(found: Found, *, usual: Trim = "none", **form: Any) -> bytes:
    return shaped(found, Form(**form), usual, TOKENS).reveal()


def refused(found: Found, **form: Any) -> SourceError:
    with pytest.raises(SourceError) as raised:
        made(found, **form)
    shows_nothing(raised.value)
    return raised.value


# --- pointers ---


def test_pointer_leads_into_json_and_yaml() -> None:
    assert made(b'{"a": {"b/c~d": [0, "canary"]}}', pointer="/a/b~1c~0d/1") == b"canary"
    assert made(b"a:\n  b: [0, canary] # note\n", pointer="/a/b/1") == b"canary"
    assert made({"": {"": "canary"}}, pointer="//") == b"canary"


def test_empty_pointer_is_the_whole() -> None:
    assert made(b"{a: 1}", pointer="") == b'{"a":1}'
    assert steps("") == []


def test_first_of_several_documents_is_meant() -> None:
    assert made(b"a: canary\n---\na: other\n", pointer="/a") == b"canary"


@pytest.mark.parametrize("pointer", ["/b", "/a/0", "/list/2", "/list/-1", "/list/01", "/list/x", "/a/b/c", "/list/²"])
def test_pointer_that_leads_nowhere_is_missing(pointer: str) -> None:
    error = refused({"a": {"b": "canary"}, "list": ["canary", "x"]}, pointer=pointer)
    assert (error.rule, error.message) == ("VL01", f"there is nothing at {pointer}")


def test_pointer_without_a_slash_is_none() -> None:
    assert refused({"a": "canary"}, pointer="a").rule == "VL06"


def test_text_that_is_neither_is_not_quoted() -> None:
    assert refused(b"canary: [", pointer="/a").message == "it is neither JSON nor a mapping of YAML"
    assert refused(b"\xff canary", pointer="/a").rule == "VL05"


@given(TREES)
def test_every_leaf_of_json_is_found_by_its_pointer(tree: Any) -> None:
    text = json.dumps(tree).encode()
    waiting = [("", tree)]
    while waiting:
        pointer, node = waiting.pop()
        assert part_of(text, pointer) == node
        children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        waiting += [(f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}", inner) for key, inner in children]


def test_depth_without_end_is_refused() -> None:
    assert refused(b"[" * 100_000, pointer="/0").rule == "VL05"
    deep: Any = "canary"
    for _ in range(100_000):
        deep = [deep]
    error = refused(deep)
    assert (error.rule, error.message) == ("VL05", "it is nested too deeply")
    while isinstance(deep, list):  # the interpreter frees it one by one
        deep = deep.pop()


@pytest.mark.parametrize(("parse", "data"), [("json", b"a: 1"), ("yaml", b"a: ["), ("text", b"a: [")])
def test_only_what_was_announced_is_parsed(parse: Any, data: bytes) -> None:
    with pytest.raises(SourceError) as raised:
        parsed(data, parse)
    assert raised.value.rule == "VL05"


def test_yaml_says_what_json_can() -> None:
    text = b"t: 2026-05-06\nn: null\nf: 1.5\nb: true\ny: yes\ns: 'x'\nl: [1]\ntrue: &a {k: v}\nm: {<<: *a}\n"
    assert parsed(text, "yaml") == {
        "t": "2026-05-06",
        "n": None,
        "f": 1.5,
        "b": True,
        "y": "yes",
        "s": "x",
        "l": [1],
        "true": {"k": "v"},
        "m": {"k": "v"},
    }
    assert parsed(b'["x"]', "yaml") == ["x"]
    assert parsed(b"# nothing\n", "yaml") == {}


# --- scalars ---


@pytest.mark.parametrize(
    ("found", "data"),
    [
        ("ü", "ü".encode()),
        (True, b"true"),
        (False, b"false"),
        (7, b"7"),
        (-(2**70), str(-(2**70)).encode()),
        (1.5, b"1.5"),
        ([1, "ü", None], '[1,"ü",null]'.encode()),
        ({"a": {"b": 1}}, b'{"a":{"b":1}}'),
        (b"\xff\x00", b"\xff\x00"),
    ],
)
def test_bytes_of_what_was_found(found: Found, data: bytes) -> None:
    assert as_bytes(found) == data


def test_null_is_missing() -> None:
    assert refused({"a": None}, pointer="/a").is_missing


# --- trim ---


@pytest.mark.parametrize(
    ("trim", "data", "expected"),
    [
        ("none", b" a\n", b" a\n"),
        ("newline", b"a\n\n", b"a\n"),
        ("newline", b"a\r\n", b"a"),
        ("newline", b"a\r", b"a\r"),
        ("newline", b" a", b" a"),
        ("space", b" \ta b\r\n", b"a b"),
    ],
)
def test_ends_go_as_told(trim: Trim, data: bytes, expected: bytes) -> None:
    assert made(data, trim=trim) == expected


def test_usual_trim_is_for_the_whole_only() -> None:
    assert made(b"a\n", usual="newline") == b"a"
    assert made(b"a\n", usual="newline", trim="none") == b"a\n"
    assert made(b'{"a": "b\\n"}\n', usual="newline", pointer="/a") == b"b\n"
    assert made(b'{"a": "b\\n"}\n', usual="none", pointer="/a", trim="newline") == b"b"


# --- encoding ---


@given(st.binary(min_size=1))
def test_encoded_bytes_come_back(data: bytes) -> None:
    wrapped = base64.encodebytes(data)
    assert made(wrapped, encoding="base64", allow_empty=True) == data
    assert made(f" {data.hex().upper()}\n".encode(), encoding="hex", allow_empty=True) == data


@pytest.mark.parametrize("encoding", ["base64", "hex"])
@given(data=st.binary() | st.text().map(str.encode))
def test_text_of_another_encoding_is_refused_or_decoded_and_nothing_else(encoding: Any, data: bytes) -> None:
    try:
        made(data, encoding=encoding, allow_empty=True)
    except SourceError as error:
        assert error.rule in ("VL05", "VL03")


@pytest.mark.parametrize(
    ("encoding", "data"),
    [("base64", b"canary!"), ("base64", b"Y2Fu=YXJ5"), ("hex", b"ab\x1ccd"), ("hex", b"abc"), ("hex", b"a b"), ("hex", "é".encode())],
)
def test_text_that_is_not_encoded_so_is_not_quoted(encoding: Any, data: bytes) -> None:
    error = refused(data, encoding=encoding)
    assert (error.rule, error.message) == ("VL05", f"it is not {encoding}")


# --- what is no value ---


@pytest.mark.parametrize("form", [{}, {"encoding": "base64"}, {"encoding": "hex"}, {"trim": "space"}])
def test_pt_07_empty_text_is_missing_unless_it_is_allowed(form: dict[str, Any]) -> None:
    error = refused(b"\n " if form.get("trim") else b"", **form)
    assert error.rule == "VL02"
    assert error.is_missing
    assert made(b"", **form, allow_empty=True) == b""


@pytest.mark.parametrize("data", [b"REPLACE_ME", b" REPLACE_ME\n", b"REPLACE_ME_run_openssl_rand"])
def test_pt_07_placeholder_is_no_value(data: bytes) -> None:
    error = refused(data)
    assert error.rule == "VL03"
    assert not error.is_missing
    assert refused(base64.b64encode(data), encoding="base64").rule == "VL03"
    assert refused({"a": data.decode()}, pointer="/a").rule == "VL03"


@pytest.mark.parametrize("data", [b"a REPLACE_ME b", b"REPLACE_MENU", b"replace_me", b"CHANGE_ME"])
def test_text_around_or_unlike_a_placeholder_is_a_value(data: bytes) -> None:
    assert made(data) == data


def test_placeholders_are_those_of_the_map() -> None:
    with pytest.raises(SourceError):
        shaped(b"CHANGE_ME", Form(), "none", ("CHANGE_ME",))
    assert shaped(b"REPLACE_ME", Form(), "none", ("CHANGE_ME",)).reveal() == b"REPLACE_ME"

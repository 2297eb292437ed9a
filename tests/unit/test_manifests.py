"""Streams of manifests: types as the API server has them, and text that stays as it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.errors import EmitError, FormatError
from secrettool.manifests import Manifest, dump, dump_stream, flatten_lists, read

CANARY = "canary-55d1"


def one(text: str, **how: Any) -> dict[str, Any]:
    (manifest,) = read(text, file=None, **how)
    return manifest.obj


# Each pair was compared with the output of sigs.k8s.io/yaml 1.6.0.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("y", True),
        ("On", True),
        ("OFF", False),
        ("N", False),
        ("true", True),
        ("~", None),
        ("", None),
        ("2024-01-02", "2024-01-02"),
        ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"),
        ("12:30:45", "12:30:45"),
        ("0o17", 15),
        ("017", 15),
        ("0x1F", 31),
        ("0b11", 3),
        ("1_000", 1000),
        ("08", 8.0),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1e1000", "1e1000"),
        ("18446744073709551615", 18446744073709551615),
        ("12345678901234567890123", 1.2345678901234568e22),
        ("'yes'", "yes"),
        ("!!str yes", "yes"),
        ("!!binary aGFsbG8=", "hallo"),
        ("!!binary //4=", "\ufffd\ufffd"),
        ("|\n  yes", "yes\n"),
    ],
)
def test_scalars_have_the_types_of_the_api_server(text: str, value: object) -> None:
    found = one(f"a: {text}\n")["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("word", ["yes", "y", "off"])
def test_kustomize_takes_old_booleans_for_strings(word: str) -> None:
    assert one(f"{word}: {word}\n", old_booleans=False) == {word: word}
    assert list(one(f"{word}: 1\n")) == ["false" if word == "off" else "true"]


def test_keys_become_strings() -> None:
    assert one("1: a\ntrue: b\n1.50: c\n1_0: d\n2024-01-02: e\n'yes': f\n") == {
        "1": "a",
        "true": "b",
        "1.5": "c",
        "10": "d",
        "2024-01-02": "e",
        "yes": "f",
    }


def test_aliases_and_merge_keys_are_followed() -> None:
    assert one("a: &x {b: 1}\nc:\n  <<: *x\n  d: *x\n") == {"a": {"b": 1}, "c": {"b": 1, "d": {"b": 1}}}
    assert one("c:\n  b: 3\n  <<: [{b: 1, e: 1}, {e: 2}]\n") == {"c": {"b": 1, "e": 1}}
    assert one('a: {"<<": {b: 1}}\n') == {"a": {"<<": {"b": 1}}}
    assert one("a: &d 2024-01-02\nb: *d\n") == {"a": "2024-01-02", "b": "2024-01-02"}


def test_what_an_alias_stands_for_is_not_shared() -> None:
    found = one("a: &x {b: 1}\nc: *x\n")
    found["a"]["b"] = 2
    assert found["c"] == {"b": 1}


@pytest.mark.parametrize(
    "text",
    [f"a: [{CANARY}", f"- {CANARY}\n", f"{CANARY}\n", "a: .nan\n", "null: a\n", f'{{"a": 1}} {CANARY}', f"a: 1\na: {CANARY}\n"],
)
def test_broken_text_names_file_and_place_and_quotes_nothing(text: str) -> None:
    with pytest.raises(FormatError, match=r"^m\.yaml: (line \d+, column \d+|document of line 1): ") as caught:
        read(text, file="m.yaml")
    assert CANARY not in f"{caught.value}{caught.value!r}{caught.value.hint}"


@pytest.mark.parametrize("text", ["", "\n", "# c\n", "---\n", "--- # c\n---\n~\n...\n"])
def test_documents_that_hold_nothing_are_left_out(text: str) -> None:
    assert read(text, file=None) == []


def test_a_stream_knows_where_its_objects_begin() -> None:
    text = "---\n---\na: 1\n---\n# only\n---\n\n# above\nb: 2 # behind\n...\n"
    assert [(manifest.line, manifest.obj) for manifest in read(text, file=None)] == [(3, {"a": 1}), (9, {"b": 2})]
    assert [(manifest.line, manifest.obj) for manifest in read('\n{"a": 1}\n\n {"b": 2}', file=None)] == [(2, {"a": 1}), (4, {"b": 2})]


def test_what_is_not_changed_is_printed_as_it_was_written() -> None:
    text = "# above\na:   'x' # behind\n---\n{b: 2}\n---\nc: |2-\n   x\n"
    assert dump_stream(read(text, file=None)) == text


def test_what_is_changed_is_printed_anew_in_its_place() -> None:
    first, second = read("# above\na:   'x'\n---\nb:   1 # behind\n", file=None)
    assert dump_stream([first.having({"a": "yes"}), second.having(second.obj)]) == 'a: "yes"\n---\nb:   1 # behind\n'


def test_json_is_read_as_json_and_flow_style_as_yaml() -> None:
    assert [manifest.obj for manifest in read('{"a": "yes"}{"b": 1e3}\n', file=None)] == [{"a": "yes"}, {"b": 1000.0}]
    assert one("{a: yes}\n") == {"a": True}
    assert [manifest.obj for manifest in read('{"a": 1}\n---\n{"b": 1}\n', file=None)] == [{"a": 1}, {"b": 1}]


def test_lists_are_flattened_in_their_order() -> None:
    inner = {"kind": "List", "items": [{"kind": "B"}, {"kind": "C"}]}
    objs: list[dict[str, Any]] = [{"kind": "A"}, {"kind": "SecretList", "items": [inner, {"kind": "D"}]}, {"kind": "AccessList", "items": "text"}]
    assert [obj["kind"] for obj in flatten_lists(objs)] == ["A", "B", "C", "D", "AccessList"]


def test_a_key_that_readers_would_merge_is_refused() -> None:
    with pytest.raises(EmitError, match="a key <<"):
        dump([{"data": {"<<": {"a": CANARY}}}])
    assert one(dump([{"a": "<<"}])) == {"a": "<<"}


def test_deep_nesting_takes_no_recursion() -> None:
    deep: dict[str, Any] = {}
    inner = deep
    for _ in range(3000):
        inner["a"] = inner = {}
    assert dump([deep]).count("a:") == 3000


def test_a_manifest_shows_its_place_only() -> None:
    assert repr(Manifest(f"a: {CANARY}\n", {"a": CANARY}, 7)) == "<Manifest of line 7>"


WORDS = ["yes", "n", "null", "~", "0x1", "1e3", "2024-01-02", "12:30:45"]
MARKS = ["a: b", "- a", "#", "<<", "=", "!x", "*x", "---", "...", " x", "\t", "\n", "line\nbreak\n"]
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12) | st.sampled_from(WORDS + MARKS)
KEYS = TEXTS.filter(lambda key: key != "<<")
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8)


@given(st.lists(st.dictionaries(KEYS, VALUES, min_size=1, max_size=3), max_size=3))
def test_what_is_printed_reads_as_the_same_objects(objs: list[dict[str, Any]]) -> None:
    text = dump(objs)
    for old_booleans in (True, False):
        found = [manifest.obj for manifest in read(text, file=None, old_booleans=old_booleans)]
        assert found == objs
        assert list(map(list, found)) == list(map(list, objs))
    assert dump_stream(read(text, file=None)) == text

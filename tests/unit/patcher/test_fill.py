"""Setting leaves of a text inside a Secret."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.patcher.fill import FillError, filled

JSON = b'{\n  "proxmox": {"host": "REPLACE_ME",   "verify": false},\n  "auth": [{"token": "REPLACE_ME_x"}, 1.50]\n}\n'
YAML = b"""# settings
host: REPLACE_ME   # the machine
auth:
    - name: 'REPLACE_ME'
    # a comment
    - {token: "REPLACE_ME", port: 0x1F}
"""


def test_pt_06_fill_changes_nothing_else_in_json() -> None:
    result = filled(JSON, {"/proxmox/host": "pve.lan", "/auth/0/token": 'a"b\\c'})

    assert result == JSON.replace(b'"REPLACE_ME"', b'"pve.lan"').replace(b'"REPLACE_ME_x"', b'"a\\"b\\\\c"')


def test_pt_06_fill_changes_nothing_else_in_yaml() -> None:
    result = filled(YAML, {"/host": "pve.lan", "/auth/0/name": "me", "/auth/1/token": "t: #x"})

    assert result == YAML.replace(b"host: REPLACE_ME", b"host: pve.lan").replace(b"'REPLACE_ME'", b"'me'").replace(b'"REPLACE_ME"', b'"t: #x"')


@pytest.mark.parametrize("value", ["8080", "true", "null", "", "- x", "a: b", "line\nline\n", " lead", "\u00e9\U0001f600", "\x7f", "2001-01-01", "#"])
@pytest.mark.parametrize("text", [b"k: REPLACE_ME\n", b'{"k": "REPLACE_ME"}', b"{k: REPLACE_ME}\n", b"k: |\n  REPLACE_ME\n"])
def test_pt_06_filled_leaf_is_text_whatever_it_looks_like(text: bytes, value: str) -> None:
    from secrettool.manifests import read

    result = filled(text, {"/k": value})

    assert read(result.decode(), file=None)[0].obj == {"k": value}


@given(
    st.dictionaries(st.text(max_size=5), st.text(st.characters(codec="utf-8"), max_size=9), min_size=1, max_size=4),
    st.text(st.characters(codec="utf-8")),
)
def test_pt_06_fill_of_any_json(content: dict[str, str], value: str) -> None:
    name = next(iter(content))
    pointer = "/" + name.replace("~", "~0").replace("/", "~1")

    assert json.loads(filled(json.dumps(content).encode(), {pointer: value})) == {**content, name: value}


@pytest.mark.parametrize("pointer", ["/none", "/proxmox/host/deep", "/auth/2", "/auth/00", "/auth/-", "/proxmox", "/auth"])
def test_pt_06_fill_needs_a_leaf(pointer: str) -> None:
    with pytest.raises(FillError) as caught:
        filled(JSON, {pointer: "canary"})

    assert caught.value.where == pointer
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("text", [b"just text", b"[1, 2]", b"a: 1\n---\nb: 2\n", b"a: [", b"\xff\xfe\x00", b""])
def test_pt_06_fill_needs_a_mapping(text: bytes) -> None:
    with pytest.raises(FillError):
        filled(text, {"/a": "x"})


def test_pt_06_fill_behind_an_alias_keeps_the_other_place() -> None:
    from secrettool.manifests import read

    result = filled(b"one: &a {k: REPLACE_ME}\ntwo: *a\n", {"/two/k": "v"})

    assert read(result.decode(), file=None)[0].obj == {"one": {"k": "REPLACE_ME"}, "two": {"k": "v"}}

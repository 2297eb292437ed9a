"""What a placeholder is (PT-01) and where it is looked for (PT-02)."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from secrettool.placeholders import Hit, InnerHit, classify, find

NAME = {"name": "s", "namespace": "n"}


def secret(**fields: Any) -> dict[str, Any]:
    """A Secret with these fields."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": NAME, **fields}


def encoded(text: str | bytes) -> str:
    """Base64 of a text."""
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


def in_string_data(text: str, **options: Any) -> list[Hit]:
    """The hits in an entry of `stringData`."""
    return find(secret(stringData={"k": text}), **options)


# ---- classes -------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["REPLACE_ME", "REPLACE_ME\n", "  REPLACE_ME\t\r\n"])
def test_pt_01_the_token_alone_is_exact(text: str) -> None:
    assert classify(text) == "exact"


@pytest.mark.parametrize(
    "text",
    [
        "REPLACE_ME_run_openssl_rand_-base64_60_and_paste_here",
        "REPLACE_ME_resend_api_key_re_xxxx",
        "REPLACE_ME with the key of the mail server\n",
        "REPLACE_ME!",
        "REPLACE_ME-1",
    ],
)
def test_pt_01_a_line_that_starts_with_the_token_is_tagged(text: str) -> None:
    assert classify(text) == "tagged"


@pytest.mark.parametrize(
    "text",
    [
        "postgres://app:REPLACE_ME@db/app",
        "REPLACE_ME\nREPLACE_ME",
        "first line\nREPLACE_ME_second",
        "a-REPLACE_ME",
        "(REPLACE_ME)",
    ],
)
def test_pt_01_the_token_inside_a_longer_text_is_embedded(text: str) -> None:
    assert classify(text) == "embedded"


@pytest.mark.parametrize("text", ["DO_NOT_REPLACE_ME", "REPLACE_MENU", "REPLACE_ME1", "xREPLACE_ME", "replace_me", "REPLACE ME", ""])
def test_pt_01_the_token_as_a_part_of_a_word_is_none(text: str) -> None:
    assert classify(text) is None


def test_pt_01_other_tokens_take_the_place_of_the_default() -> None:
    assert classify("<CHANGE-ME>", ("<CHANGE-ME>",)) == "exact"
    assert classify("REPLACE_ME", ("<CHANGE-ME>",)) is None


def test_pt_01_a_token_that_starts_with_another_is_exact_all_the_same() -> None:
    assert classify("REPLACE_ME_NOW", ("REPLACE_ME", "REPLACE_ME_NOW")) == "exact"


# ---- the table of what is seen in real manifests -------------------------------------------------------------------------------------------------


def test_pt_02_string_data_is_looked_at_as_text() -> None:
    assert find(secret(stringData={"api-token": "REPLACE_ME"})) == [Hit("/stringData/api-token", "exact", "api-token")]


@pytest.mark.parametrize("text", ["UkVQTEFDRV9NRQ==", "UkVQTEFDRV9NRQo=", "UkVQTEFD\nRV9NRQo=\n"])
def test_pt_02_data_is_decoded(text: str) -> None:
    assert find(secret(data={"k": text})) == [Hit("/data/k", "exact", "k")]


def test_pt_02_data_that_is_no_text_is_searched_as_bytes() -> None:
    assert [hit.kind for hit in find(secret(data={"k": encoded(b"\xff\xfe REPLACE_ME \x00")}))] == ["embedded"]


def test_pt_02_a_config_file_has_inner_pointers() -> None:
    config = {
        "proxmox": {"host": "REPLACE_ME_host", "port": 8006},
        "auth": {"user": "REPLACE_ME_user@pam", "token_name": "REPLACE_ME", "token_value": "REPLACE_ME_uuid"},
    }
    hit = Hit(
        "/stringData/config.json",
        "embedded",
        "config.json",
        inner=(
            InnerHit("/proxmox/host", "tagged"),
            InnerHit("/auth/user", "tagged"),
            InnerHit("/auth/token_name", "exact"),
            InnerHit("/auth/token_value", "tagged"),
        ),
    )
    assert find(secret(stringData={"config.json": json.dumps(config, indent=2)})) == [hit]


def test_pt_02_a_field_of_another_kind_is_looked_at() -> None:
    issuer = {"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": "x"}, "spec": {"acme": {"email": "REPLACE_ME"}}}
    assert find(issuer) == [Hit("/spec/acme/email", "exact")]


def test_pt_02_words_that_contain_the_token_are_none() -> None:
    assert find(secret(stringData={"a": "DO_NOT_REPLACE_ME", "b": "REPLACE_MENU"})) == []


@pytest.mark.parametrize("text", ["REPLACE_ME", "REPLACE_ME_note"])
def test_pt_02_raw_text_under_data_is_told_apart(text: str) -> None:
    (hit,) = find(secret(data={"k": text}))
    assert hit.raw and hit.key == "k"


def test_pt_02_a_raw_token_that_happens_to_be_base64_is_told_apart() -> None:
    assert find(secret(data={"k": "CHANGEME"}), ("CHANGEME",)) == [Hit("/data/k", "exact", "k", raw=True)]


# ---- where it is not looked for ------------------------------------------------------------------------------------------------------------------


def test_pt_02_what_the_cluster_writes_is_left_out() -> None:
    obj = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"annotations": {"a": "REPLACE_ME"}, "managedFields": [{"manager": "REPLACE_ME"}]},
        "status": {"message": "REPLACE_ME"},
    }
    assert [hit.pointer for hit in find(obj)] == ["/metadata/annotations/a"]


def test_pt_02_ciphertext_is_left_out() -> None:
    text = "ENC[AES256_GCM,data:aa,iv:aa,tag:aa,type:str] REPLACE_ME"
    assert find(secret(stringData={"a": text}, data={"b": text, "c": encoded(text)})) == []
    assert find({"kind": "ConfigMap", "data": {"a": text}}) == []


def test_pt_02_keys_of_mappings_are_never_placeholders() -> None:
    assert find({"kind": "ConfigMap", "data": {"REPLACE_ME": "x"}}) == []
    assert find(secret(stringData={"REPLACE_ME": "x"})) == []


def test_pt_02_values_that_are_no_text_are_passed_over() -> None:
    assert find(secret(data={"a": None, "b": 1}, stringData=[1])) == []
    assert find({"kind": "X", "spec": [None, 1, True, {"a": 2.5}]}) == []


def test_pt_02_a_secret_of_another_group_is_another_kind() -> None:
    assert [hit.pointer for hit in find({"apiVersion": "x.invalid/v1", "kind": "Secret", "data": {"a": "REPLACE_ME"}})] == ["/data/a"]


# ---- inside a value ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "pointers"),
    [
        ("a: REPLACE_ME\nb: [x, REPLACE_ME_y, {c: 'u:REPLACE_ME'}]\n", ["/a", "/b/1", "/b/2/c"]),
        ("- REPLACE_ME\n- x\n", ["/0"]),
        ('["REPLACE_ME"]', ["/0"]),
        ("a/b:\n  c~d: REPLACE_ME\n", ["/a~1b/c~0d"]),
        ("x: &a REPLACE_ME\ny: *a\n", ["/x"]),
        ("x: y\nz: {REPLACE_ME: w} # REPLACE_ME\n", []),
        ('{"a": "\\ud83d\\ude00 REPLACE_ME"}', ["/a"]),
        ("{a: REPLACE_ME}", ["/a"]),
    ],
)
def test_pt_02_inner_pointers_of_json_and_yaml(text: str, pointers: list[str]) -> None:
    (hit,) = in_string_data(text)
    assert hit.kind == "embedded"
    assert [inner.pointer for inner in hit.inner] == pointers


@pytest.mark.parametrize(
    "text",
    [
        "Please put REPLACE_ME here",
        "a: REPLACE_ME\n---\nb: REPLACE_ME\n",
        "a: REPLACE_ME\nb: [",
        "? [a]\n: REPLACE_ME\n",
        "<xml>REPLACE_ME</xml>",
        '{"a": "REPLACE_ME"',
        "a: 'REPLACE_ME\n",
    ],
)
def test_pt_02_a_text_without_one_structure_has_no_inner_pointers(text: str) -> None:
    (hit,) = in_string_data(text)
    assert (hit.kind, hit.inner) == ("embedded", ())


def test_pt_02_logins_of_registries_are_decoded_once_more() -> None:
    logins = {"auths": {"ghcr.io": {"username": "robot", "auth": encoded("robot:REPLACE_ME")}, "quay.io": {"auth": encoded("robot:real")}}}
    hit = Hit("/data/.dockerconfigjson", "embedded", ".dockerconfigjson", inner=(InnerHit("/auths/ghcr.io/auth", "embedded"),))
    assert find(secret(data={".dockerconfigjson": encoded(json.dumps(logins))})) == [hit]


def test_pt_02_only_logins_are_decoded_once_more() -> None:
    logins = {"auths": {"ghcr.io": {"email": encoded("REPLACE_ME")}}, "auth": encoded("REPLACE_ME")}
    assert find(secret(stringData={".dockerconfigjson": json.dumps(logins)})) == []


# ---- properties ----------------------------------------------------------------------------------------------------------------------------------

around = st.text(st.characters(codec="utf-8"), max_size=30)
with_token = st.builds(lambda before, after: f"{before}REPLACE_ME{after}", around, around)
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | around,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(around, inner, max_size=4),
    max_leaves=12,
)


@given(trees)
def test_pt_01_an_object_without_a_token_has_no_hit(tree: object) -> None:
    assume("REPLACE_ME" not in json.dumps(tree))
    assert find({"kind": "ConfigMap", "data": tree}) == []
    assert find(secret(stringData={"k": json.dumps(tree)}, data={"k": encoded(json.dumps(tree))})) == []


@given(with_token)
def test_pt_01_base64_of_a_hit_in_data_has_the_same_class(text: str) -> None:
    plain, coded = in_string_data(text), find(secret(data={"k": encoded(text)}))
    assert [(hit.kind, hit.inner) for hit in coded] == [(hit.kind, hit.inner) for hit in plain]


@given(with_token, st.binary(max_size=20))
def test_pt_02_any_bytes_around_a_token_are_read(text: str, noise: bytes) -> None:
    for hit in find(secret(data={"k": encoded(noise + text.encode() + noise)})):
        assert hit.pointer == "/data/k"


@given(trees)
def test_pt_02_inner_pointers_lead_to_the_placeholders(tree: object) -> None:
    document = {"a": "REPLACE_ME", "tree": tree}
    (hit,) = in_string_data(json.dumps(document))
    for inner in hit.inner:
        found: Any = document
        for part in inner.pointer.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            found = found[int(name)] if isinstance(found, list) else found[name]
        assert classify(found) == inner.kind


@pytest.mark.timeout(30)  # libyaml alone needs minutes for some of them
@pytest.mark.parametrize("text", ["[" * 200_000, "{a: " * 100_000, "- " * 100_000, '{"a":' * 100_000, "? " * 100_000])
def test_pt_02_deep_nesting_inside_a_value_ends_soon(text: str) -> None:
    (hit,) = in_string_data(text + " REPLACE_ME")
    assert hit.inner == ()

"""The resource stage beyond the vectors: what the requirements add, and what never leaves it."""

from __future__ import annotations

import json
import traceback
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.errors import FormatError, HookError, IntegrityError
from secrettool.hook import Decryptor, HookConfig, ObjectOutcome
from secrettool.hook.integrity import verified_macs
from secrettool.hook.model import MAX_ERRORS
from secrettool.hook.resource import data_text
from secrettool.library import encrypt
from secrettool.manifests import dump, read
from secrettool.sops.selection import Selector
from tests.hook.keys import IDENTITY_A, IDENTITY_B, keys_of, recipient_of, sealed

CANARY = "canary-7f3a"
PLAIN = f"user: alice\npassword: {CANARY}\n"
KEYS = keys_of(IDENTITY_A)
SUBSTITUTE = "kustomize.toolkit.fluxcd.io/substitute"


def secret(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "team"}, **fields}


def base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def whole(text: str, selector: str = "^(data|stringData)$", *, mac_only_encrypted: bool = False) -> dict[str, Any]:
    """A manifest, encrypted as a file."""
    selected = Selector("encrypted_regex", selector)
    recipients = [recipient_of(IDENTITY_A)]
    data = encrypt(text, "yaml", recipients=recipients, selector=selected, mac_only_encrypted=mac_only_encrypted)
    (manifest,) = read(str(data), file=None)
    return manifest.obj


def open_one(obj: Mapping[str, Any], **config: Any) -> ObjectOutcome:
    return Decryptor(HookConfig(**config), KEYS).open_object(obj)


def failure(obj: Mapping[str, Any], **config: Any) -> HookError:
    with pytest.raises(HookError) as caught:
        open_one(obj, **config)
    return caught.value


def manifest(value: str = CANARY, field: str = "stringData", kind: str = "Secret", **metadata: Any) -> str:
    return dump([{"apiVersion": "v1", "kind": kind, "metadata": {"name": "db", "namespace": "team", **metadata}, field: {"password": value}}])


# ---- post-build substitution ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "count"), [("${NAME}", 1), ("x${_y}z", 1), ("$NAME", 0), ("${1}", 0), ("plain", 0)])
def test_da_03_a_decrypted_text_that_looks_like_a_variable_is_a_warning(value: str, count: int) -> None:
    outcome = open_one(whole(manifest(value)))
    assert [(finding.code, finding.severity, finding.key) for finding in outcome.warnings] == [("HK007", "warning", "stringData.password")] * count


def test_da_03_entries_and_config_maps_are_looked_at_too() -> None:
    entry = sealed("A=${NAME}\n", "dotenv")
    assert [finding.code for finding in open_one(secret(stringData={"a.env": entry})).warnings] == ["HK007"]
    assert [finding.code for finding in open_one(whole(manifest("${NAME}", "data", "ConfigMap"))).warnings] == ["HK007"]


def test_da_03_data_and_objects_that_are_not_substituted_are_no_warning() -> None:
    assert not open_one(whole(manifest(base64("${NAME}"), "data"))).warnings
    assert not open_one(whole(manifest("${NAME}", annotations={SUBSTITUTE: "Disabled"}))).warnings
    assert not open_one(secret(stringData={"password": "${NAME}"})).warnings


def test_da_04_nothing_is_substituted_in_a_decrypted_value() -> None:
    assert open_one(whole(manifest("${NAME:-x}"))).obj["stringData"] == {"password": "${NAME:-x}"}


# ---- entries -------------------------------------------------------------------------------------------------------------------------------------


def test_da_12_an_entry_over_the_limit_is_refused() -> None:
    entry = sealed(PLAIN)
    assert failure(secret(data={"a.yaml": base64(entry)}), max_bytes=len(entry) - 1).rule == "HK120"
    assert open_one(secret(data={"a.yaml": base64(entry)}), max_bytes=len(entry)).action == "decrypted"
    assert open_one(secret(data={"a.yaml": base64(entry)}), max_bytes=1, parity="flux").action == "decrypted"


def test_da_16_a_text_that_only_mentions_a_marker_stays() -> None:
    text = "an INI file has a section [sops] when it is encrypted"
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"readme": text}, "binaryData": {"b": base64(text)}}
    assert open_one(obj).obj is obj
    assert open_one(secret(stringData={"readme": text})).action == "untouched"


def test_da_16_bytes_that_are_no_text_cannot_stand_in_string_data() -> None:
    entry = encrypt(b"\xff\xfe", "binary", recipients=[recipient_of(IDENTITY_A)])
    assert isinstance(entry, bytes)
    error = failure(secret(stringData={"key": entry.decode()}))
    assert (error.rule, error.where) == ("HK115", "key")


def test_da_16_strict_flux_leaves_them_alone() -> None:
    obj = secret(stringData={"a.yaml": sealed(PLAIN)})
    assert open_one(obj, parity="flux").obj is obj


def split(text: str, **more: str) -> dict[str, str]:
    """The entries that kustomize makes of an encrypted dotenv file."""
    lines = [line.partition("=") for line in sealed(text, "dotenv").splitlines() if line and not line.startswith("#")]
    return {name: base64(value) for name, _, value in lines} | {name: base64(value) for name, value in more.items()}


def test_da_17_other_entries_of_a_split_file_stay() -> None:
    outcome = open_one(secret(data=split("# note\nA=one\nB=two\\nlines\nC=\n", literal="plain")))
    assert {name: b64decode(text) for name, text in outcome.obj["data"].items()} == {"A": b"one", "B": b"two\\nlines", "C": b"", "literal": b"plain"}
    assert outcome.entries == ("A", "B")


def test_da_17_sorted_entries_open_with_a_warning_that_the_mac_could_not_be_checked() -> None:
    entries = split("Z=last\nA=first\n")
    outcome = open_one(secret(data={name: entries[name] for name in sorted(entries)}))
    assert outcome.obj["data"] == {"A": base64("first"), "Z": base64("last")}
    assert [finding.code for finding in outcome.warnings] == ["HK008"]


def test_da_18_one_entry_that_fails_leaves_the_object_out() -> None:
    obj = secret(data={"a.yaml": base64(sealed(PLAIN)), "b.yaml": base64(sealed(PLAIN, identity=IDENTITY_B))})
    report = Decryptor(HookConfig(), KEYS).run([obj, secret(data={"c.yaml": base64(sealed(PLAIN))})])
    assert [outcome.entries for outcome in report.outcomes] == [("c.yaml",)]
    assert [(error.rule, error.file, error.where) for error in report.errors] == [("HK111", "Secret/team/db", "b.yaml")]


def test_da_19_documents_of_one_file_open_one_by_one() -> None:
    text = str(encrypt(manifest("one") + "---\n" + manifest("two"), "yaml", recipients=[recipient_of(IDENTITY_A)]))
    found = [each.obj for each in read(text, file=None)]
    for obj in (found[1], found[0]):
        assert open_one(obj).action == "decrypted"
    moved = {**found[0], "stringData": {"password": found[1]["stringData"]["password"]}}
    assert open_one(moved).obj["stringData"] == {"password": "two"}  # bound to its path, not to its document


@pytest.mark.parametrize(
    ("value", "text"), [("x", "x"), (12, "12"), (True, "true"), (False, "false"), (None, ""), (1.5, "1.5"), (2.0, "2"), ([1], "")]
)
def test_an_entry_of_data_becomes_text_as_in_flux(value: object, text: str) -> None:
    assert data_text(value) == text


def test_the_object_that_was_given_is_not_changed() -> None:
    obj = secret(data={"a.yaml": base64(sealed(PLAIN))}, stringData={"b.yaml": sealed(PLAIN)})
    before = json.dumps(obj)
    assert open_one(obj).obj != obj
    assert json.dumps(obj) == before


# ---- MAC -----------------------------------------------------------------------------------------------------------------------------------------


def test_da_24_a_changed_object_opens_with_hk008_and_not_at_all_under_require() -> None:
    obj = whole(manifest())
    obj["metadata"]["labels"] = {"added": "by a transformer"}
    outcome = open_one(obj)
    assert [(finding.code, finding.severity) for finding in outcome.warnings] == [("HK008", "warning")]
    error = failure(obj, mac="require")
    assert isinstance(error, IntegrityError)
    assert error.rule == "HK114"
    assert not open_one(obj, mac="skip").warnings


def test_da_24_an_object_whose_file_was_verified_opens_without_a_warning() -> None:
    obj = whole(manifest())
    mac = obj["sops"]["mac"]
    obj["metadata"]["labels"] = {"added": "by a transformer"}
    for config in (HookConfig(mac="source"), HookConfig(mac="require")):
        outcome = Decryptor(config, KEYS, macs=[mac]).open_object(obj)
        assert outcome.action == "decrypted"
        assert not outcome.warnings


def test_da_24_an_entry_is_a_whole_file_and_shows_its_own_mac() -> None:
    entry = sealed("a: one\nb_unencrypted: two\n")
    assert not open_one(secret(data={"a.yaml": base64(entry)}), mac="require").warnings
    changed = entry.replace("b_unencrypted: two", "b_unencrypted: three")
    assert [finding.code for finding in open_one(secret(data={"a.yaml": base64(changed)})).warnings] == ["HK008"]
    assert failure(secret(data={"a.yaml": base64(changed)}), mac="require").rule == "HK114"


def test_da_25_all_documents_of_a_file_are_checked_in_their_order() -> None:
    text = str(encrypt(manifest("one") + "---\n" + manifest("two"), "yaml", recipients=[recipient_of(IDENTITY_A)]))
    found = read(text, file=None)
    assert verified_macs(found, KEYS) == {found[0].obj["sops"]["mac"]}
    assert not verified_macs(found[::-1], KEYS)
    assert not verified_macs(found[:1], KEYS)


def test_da_25_values_in_clear_count_unless_the_file_says_otherwise() -> None:
    changed = manifest(labels={"a": "b"})
    for only_encrypted in (False, True):
        data = encrypt(
            changed,
            "yaml",
            recipients=[recipient_of(IDENTITY_A)],
            selector=Selector("encrypted_regex", "^stringData$"),
            mac_only_encrypted=only_encrypted,
        )
        found = read(str(data).replace("a: b", "a: c"), file=None)
        assert bool(verified_macs(found, KEYS)) is only_encrypted


# ---- failures ------------------------------------------------------------------------------------------------------------------------------------


def test_da_22_an_error_is_one_line_with_code_object_key_and_cause() -> None:
    obj = secret(data={"b.yaml": base64(sealed(PLAIN).replace("type:str", "type:int", 1))})
    error = failure(obj)
    assert str(error) == "HK112 Secret/team/db: b.yaml: user: not a decimal integer"


def test_da_22_a_value_that_should_be_ciphertext_is_not_quoted() -> None:
    obj = whole(manifest())
    obj["stringData"]["password"] = CANARY
    error = failure(obj)
    assert str(error) == "HK113 Secret/team/db: stringData.password: a value that should be encrypted is not"


def test_da_23_failures_are_collected_up_to_a_limit() -> None:
    broken = secret(data={"a.yaml": base64("x: 'mac: ENC['")})
    report = Decryptor(HookConfig(), KEYS).run([broken] * (MAX_ERRORS + 7))
    assert [error.rule for error in report.errors] == ["HK110"] * MAX_ERRORS
    report = Decryptor(HookConfig(), KEYS).run([broken, secret(data={"a": "eA=="}), broken])
    assert len(report.errors) == 2
    assert len(report.outcomes) == 1


def test_da_57_errors_have_a_code_an_exit_code_and_a_hint() -> None:
    error = failure(secret(data={"token": base64(sealed(PLAIN))}))
    assert (error.rule, error.code, error.file, error.where) == ("HK115", 7, "Secret/team/db", "token")
    assert error.hint is not None


def test_da_59_two_runs_give_equal_objects_in_the_order_of_the_input() -> None:
    objects = [secret(data={"z.yaml": base64(sealed(PLAIN)), "a": "eA=="}), whole(manifest()), {"kind": "ConfigMap", "data": {"k": "v"}}]
    first, second = (Decryptor(HookConfig(), KEYS).run(objects).objects for _ in range(2))
    assert dump(first) == dump(second)
    assert list(first[0]["data"]) == ["z.yaml", "a"]
    assert list(first[1]) == ["apiVersion", "kind", "metadata", "stringData"]
    assert first[2] is objects[2]


def test_an_object_nested_too_deeply_is_refused() -> None:
    obj = whole(manifest())
    deep: dict[str, Any] = {}
    obj["metadata"]["annotations"] = deep
    for _ in range(100_000):
        deep["a"] = deep = {}
    assert failure(obj).rule == "HK110"


# ---- leaks ---------------------------------------------------------------------------------------------------------------------------------------


def shown(raised: BaseException) -> str:
    """Everything that a program may print of an error."""
    hint = raised.hint if isinstance(raised, HookError | FormatError) else ""
    return f"{raised}{raised!r}{hint}{''.join(traceback.format_exception(raised))}"


STORES = ("yaml", "json", "dotenv", "ini")
TEXTS = {
    "yaml": PLAIN,
    "json": json.dumps({"user": "alice", "password": CANARY}),
    "dotenv": f"USER=alice\nPASSWORD={CANARY}\n",
    "ini": f"[a]\nuser = alice\npassword = {CANARY}\n",
}
SEALED = {store: sealed(text, store) for store, text in TEXTS.items()}
WHOLE = json.dumps(whole(manifest()))


@given(
    st.sampled_from(STORES),
    st.sampled_from(["data", "stringData"]),
    st.sampled_from(["a.yaml", "a.json", "a.env", "a.ini", "a"]),
    st.integers(0, 4000),
    st.text(max_size=4),
    st.integers(0, 30),
)
def test_damaged_entries_show_nothing_of_what_is_in_them(store: str, field: str, name: str, place: int, new: str, size: int) -> None:
    text = SEALED[store]
    place %= len(text)
    damaged = text[:place] + new + text[place + size :]
    content = b64encode(damaged.encode("utf-8", "surrogatepass")).decode() if field == "data" else damaged
    check_nothing_shown(secret(**{field: {name: content, "canary": CANARY}}))


@given(st.integers(0, len(WHOLE) - 1), st.sampled_from(["", "ENC[", '"', ",", "1"]), st.integers(0, 40))
def test_damaged_objects_show_nothing_of_what_is_in_them(place: int, new: str, size: int) -> None:
    try:
        found = read(WHOLE[:place] + new + WHOLE[place + size :], file="stdin")
    except FormatError as error:
        assert CANARY not in shown(error)
    else:
        for each in found:
            check_nothing_shown(each.obj)


@pytest.mark.parametrize("field", ["user", "password"])
def test_a_value_in_clear_where_ciphertext_should_be_is_not_shown(field: str) -> None:
    obj = whole(dump([secret(stringData={"user": "alice", "password": "hunter2"})]))
    obj["stringData"][field] = CANARY
    check_nothing_shown(obj)
    entry = "\n".join(f"{field}: {CANARY}" if line.startswith(field) else line for line in SEALED["yaml"].splitlines())
    check_nothing_shown(secret(data={"a.yaml": base64(entry)}))


def check_nothing_shown(obj: Mapping[str, Any]) -> None:
    report = Decryptor(HookConfig(), KEYS).run([obj])
    for error in report.errors:
        assert CANARY not in shown(error)
    assert CANARY not in repr(report.outcomes)
    assert CANARY not in repr(report.warnings)

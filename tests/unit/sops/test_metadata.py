"""The `sops` section: read leniently, written in sops' order."""

from __future__ import annotations

import pytest

from secrettool.errors import MetadataError
from secrettool.sops.keygroups import MasterKey
from secrettool.sops.metadata import Metadata, flatten, read_metadata, section_of, unflatten
from secrettool.sops.selection import Selector
from secrettool.sops.tree import Branch, Comment, Item, Leaf, Node, Sequence
from secrettool.sops.values import Time

DATE = "2031-07-09T08:07:06Z"
BASE: dict[str, object] = {
    "age": [{"recipient": "age1x", "enc": "ARMOUR"}],
    "lastmodified": DATE,
    "mac": "ENC[...]",
    "version": "3.13.2",
}


def node(value: object) -> Node:
    if isinstance(value, dict):
        return Branch([Item(key, node(inner)) for key, inner in value.items()])
    if isinstance(value, list):
        return Sequence([node(inner) for inner in value])
    return Leaf(value)  # type: ignore[arg-type]


def section(**changes: object) -> Branch:
    entries = {key: value for key, value in (BASE | changes).items() if value is not ...}
    made = node(entries)
    assert isinstance(made, Branch)
    return made


def python(value: Node) -> object:
    if isinstance(value, Leaf):
        return value.value
    if isinstance(value, Branch):
        return {item.key: python(item.value) for item in value.items if isinstance(item, Item)}
    return [python(inner) for inner in value.items if not isinstance(inner, Comment)]


def test_read_gives_what_the_section_says() -> None:
    metadata = read_metadata(section(shamir_threshold=2, encrypted_regex="^data$", mac_only_encrypted=True))
    assert metadata == Metadata(
        ((MasterKey("age", {"recipient": "age1x"}, "ARMOUR"),),), DATE, "ENC[...]", Selector("encrypted_regex", "^data$"), 2, True, "3.13.2"
    )


@pytest.mark.parametrize(
    ("changes", "field", "wanted"),
    [
        ({"shamir_threshold": "2"}, "shamir_threshold", 2),
        ({"shamir_threshold": 2.0}, "shamir_threshold", 2),
        ({"shamir_threshold": True}, "shamir_threshold", 1),
        ({"shamir_threshold": "0x2"}, "shamir_threshold", 2),
        ({"shamir_threshold": ""}, "shamir_threshold", 0),
        ({"mac_only_encrypted": "true"}, "mac_only_encrypted", True),
        ({"mac_only_encrypted": "T"}, "mac_only_encrypted", True),
        ({"mac_only_encrypted": 1}, "mac_only_encrypted", True),
        ({"mac_only_encrypted": ""}, "mac_only_encrypted", False),
        ({"mac_only_encrypted": None}, "mac_only_encrypted", False),
        ({"mac": None}, "mac", ""),
        ({"mac": 5}, "mac", "5"),
        ({"unencrypted_suffix": ""}, "selector", Selector()),
        ({"lastmodified": "2031-07-09T08:07:06.5+00:00"}, "lastmodified", DATE),
        ({"lastmodified": "2031-07-09T08:07:06+02:00"}, "lastmodified", "2031-07-09T08:07:06+02:00"),
        ({"version": "v3.9.0-rc.1"}, "version", "v3.9.0-rc.1"),
        ({"version": "1.15"}, "version", "1.15"),
    ],
)
def test_read_converts_as_weakly_as_sops(changes: dict[str, object], field: str, wanted: object) -> None:
    assert getattr(read_metadata(section(**changes)), field) == wanted


def test_read_takes_names_in_any_case_and_the_exact_one_first() -> None:
    metadata = read_metadata(node(BASE | {"MAC": "other"}))  # type: ignore[arg-type]
    assert metadata.mac == "ENC[...]"
    upper = node({key.upper(): value for key, value in BASE.items()})
    assert isinstance(upper, Branch)
    assert read_metadata(upper).mac == "ENC[...]"


def test_read_takes_one_mapping_for_a_list_of_one() -> None:
    assert len(read_metadata(section(age={"recipient": "age1y", "enc": "A"})).groups[0]) == 1


def test_read_drops_unknown_fields_and_comments() -> None:
    branch = section(unknown={"a": [1]})
    branch.items.insert(0, Comment(" notation"))
    assert read_metadata(branch).version == "3.13.2"


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"lastmodified": ...}, "sops.lastmodified"),
        ({"lastmodified": "2031-07-09t08:07:06z"}, "sops.lastmodified"),
        ({"lastmodified": Time(DATE)}, "sops.lastmodified"),
        ({"version": ...}, "sops.version"),
        ({"version": None}, "sops.version"),
        ({"version": "3.1"}, "sops.version"),
        ({"version": "new"}, "sops.version"),
        ({"age": []}, "sops"),
        ({"age": ...}, "sops"),
        ({"age": ["age1x"]}, "sops.age[0]"),
        ({"age": [{"recipient": ["x"], "enc": "A"}]}, "sops.age[0].recipient"),
        ({"kms": [{"arn": "a", "created_at": "today"}]}, "sops.kms[0].created_at"),
        ({"kms": [{"arn": "a", "created_at": DATE, "context": [1]}]}, "sops.kms[0].context"),
        ({"shamir_threshold": "two"}, "sops.shamir_threshold"),
        ({"shamir_threshold": [2]}, "sops.shamir_threshold"),
        ({"mac_only_encrypted": "maybe"}, "sops.mac_only_encrypted"),
        ({"mac": ["x"]}, "sops.mac"),
        ({"encrypted_regex": "a", "encrypted_suffix": "b"}, "sops"),
    ],
)
def test_read_names_the_field_that_is_broken(changes: dict[str, object], where: str) -> None:
    with pytest.raises(MetadataError) as caught:
        read_metadata(section(**changes))
    assert caught.value.where == where


def test_read_ignores_key_groups_beside_a_list_of_keys() -> None:
    assert len(read_metadata(section(key_groups=[{"age": [{"recipient": "b"}]}, {}])).groups) == 1


EVERY_BACKEND: dict[str, object] = {
    "age": [{"enc": "A", "recipient": "age1x"}],
    "azure_kv": [{"created_at": DATE, "enc": "B", "name": "n", "vault_url": "https://v", "version": "1"}],
    "gcp_kms": [{"created_at": DATE, "enc": "C", "resource_id": "projects/p"}],
    "hc_vault": [{"created_at": DATE, "enc": "D", "engine_path": "sops", "key_name": "k", "vault_address": "https://v"}],
    "hckms": [{"created_at": DATE, "enc": "E", "key_id": "region:uuid"}],
    "kms": [
        {"arn": "arn:aws:kms:x", "aws_profile": "", "context": {"a": "1", "b": "2"}, "created_at": DATE, "enc": "F", "role": "arn:role"},
        {"arn": "arn:aws:kms:y", "aws_profile": "p", "created_at": DATE, "enc": "G"},
    ],
    "lastmodified": DATE,
    "mac": "ENC[...]",
    "pgp": [{"created_at": DATE, "enc": "H", "fp": "FFFF"}],
    "unencrypted_suffix": "_unencrypted",
    "version": "3.13.2",
}


def test_entries_of_every_backend_are_written_back_as_they_were() -> None:
    written = section_of(read_metadata(node(EVERY_BACKEND)))  # type: ignore[arg-type]
    assert python(written) == EVERY_BACKEND
    assert [item.key for item in written.items if isinstance(item, Item)] == sorted(EVERY_BACKEND)


def test_groups_write_age_and_vault_lists_even_when_empty() -> None:
    groups = [
        {"age": [{"enc": "A", "recipient": "x"}], "hc_vault": []},
        {"age": [], "hc_vault": [], "pgp": [{"created_at": DATE, "enc": "H", "fp": "F"}]},
    ]
    wanted = {key: value for key, value in BASE.items() if key != "age"} | {
        "key_groups": groups,
        "shamir_threshold": 2,
        "unencrypted_suffix": "_unencrypted",
    }
    assert python(section_of(read_metadata(node(wanted)))) == wanted  # type: ignore[arg-type]


def test_a_binary_file_writes_no_selector_until_it_is_read_again() -> None:
    metadata = Metadata(((MasterKey("age", {"recipient": "x"}, "A"),),), DATE, "m", None)
    assert "unencrypted_suffix" not in python(section_of(metadata))  # type: ignore[operator]
    assert read_metadata(section_of(metadata)).selector == Selector()


@pytest.mark.parametrize(
    ("kind", "fields", "text"),
    [
        ("age", {"recipient": "age1x"}, "age1x"),
        ("kms", {"arn": "arn:a", "role": "arn:r", "context": {"b": "2", "a": "1"}, "aws_profile": "p"}, "arn:a+arn:r|a:1,b:2|p"),
        ("kms", {"arn": "arn:a", "aws_profile": "p"}, "arn:a||p"),
        ("azure_kv", {"vault_url": "https://v", "name": "n", "version": "1"}, "https://v/keys/n/1"),
        ("hc_vault", {"vault_address": "https://v", "engine_path": "e", "key_name": "k"}, "https://v/v1/e/keys/k"),
        ("hckms", {"key_id": "r:u"}, "r:u"),
    ],
)
def test_a_master_key_has_the_text_form_of_sops(kind: str, fields: dict[str, str], text: str) -> None:
    assert MasterKey(kind, fields).text == text


def test_master_key_does_not_print_what_it_sealed() -> None:
    assert "SEALED" not in repr(MasterKey("age", {"recipient": "x"}, "SEALED"))


def test_flat_form_comes_back() -> None:
    branch = section_of(read_metadata(node(EVERY_BACKEND)))  # type: ignore[arg-type]
    flat = flatten(branch)
    assert ("kms__list_0__map_context__map_a", "1") in flat
    assert python(unflatten(flat)) == EVERY_BACKEND


@pytest.mark.parametrize(
    "names",
    [
        ["a", "a"],
        ["a", "a__map_b"],
        ["a__map_b", "a__list_0"],
        ["a__map_b", "a"],
        ["a__list_0", "a__list_2"],
        ["a__list_x"],
        ["a__list_1"],
    ],
)
def test_unflatten_refuses_places_that_clash(names: list[str]) -> None:
    with pytest.raises(MetadataError):
        unflatten([(name, "v") for name in names])

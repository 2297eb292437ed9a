"""`.sops.yaml` from its tree. What is accepted was compared with sops 3.13.2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrettool.errors import ConfigError
from secrettool.sops.configfile import SopsConfig, StoresConfig, read_config
from secrettool.sops.rules import CreationRule, KeyEntry
from secrettool.sops.tree import Branch, Item, Leaf, Node, Sequence


def node_of(value: object) -> Node:
    """A tree from plain Python values."""
    if isinstance(value, dict):
        return branch_of(value)
    if isinstance(value, list):
        return Sequence([node_of(entry) for entry in value])
    return Leaf(value)  # type: ignore[arg-type]


def branch_of(value: Mapping[Any, object]) -> Branch:
    """A mapping from a Python one."""
    return Branch([Item(key, node_of(entry)) for key, entry in value.items()])


def config_of(**values: object) -> SopsConfig:
    """The config with these top-level fields."""
    return read_config(branch_of(dict(values)))


def rule_of(**values: object) -> CreationRule:
    """A rule with these fields."""
    rules = config_of(creation_rules=[values]).creation_rules
    assert rules is not None
    return rules[0]


def group_of(value: object) -> list[tuple[str, object]]:
    """Kind and first field of each key of one key group."""
    return [(entry.kind, next(iter(entry.fields.values()))) for entry in rule_of(key_groups=[value]).key_groups[0]]


@pytest.mark.parametrize("values", [{}, {"creation_rules": None}, {"other": [1]}])
def test_config_without_rules_has_none(values: dict[str, object]) -> None:
    assert config_of(**values).creation_rules is None


@pytest.mark.parametrize("rules", [[], [None]])
def test_config_with_an_empty_list_has_no_rule(rules: list[object]) -> None:
    assert config_of(creation_rules=rules).creation_rules == ()


@pytest.mark.parametrize("rules", [{}, 5, ["a"], [[]]])
def test_rules_of_another_type_are_refused(rules: object) -> None:
    with pytest.raises(ConfigError, match="error loading config: Could not unmarshal config file"):
        config_of(creation_rules=rules)


def test_rule_reads_its_fields() -> None:
    rule = rule_of(path_regex="^a", aws_profile="p", shamir_threshold=2, encrypted_regex="x", mac_only_encrypted=True, unknown={})
    assert (rule.where, rule.path_regex, rule.aws_profile, rule.shamir_threshold) == ("creation_rules[0]", "^a", "p", 2)
    assert (dict(rule.selectors), rule.mac_only_encrypted) == ({"encrypted_regex": "x"}, True)


def test_rule_selector_empty_is_not_set() -> None:
    assert dict(rule_of(encrypted_regex="", unencrypted_suffix=None).selectors) == {}


def test_rule_place_counts_every_element() -> None:
    rules = config_of(creation_rules=[None, {"age": "x"}]).creation_rules
    assert rules is not None
    assert [rule.where for rule in rules] == ["creation_rules[1]"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("shamir_threshold", "2"),
        ("path_regex", ["a"]),
        ("encrypted_suffix", {}),
        ("mac_only_encrypted", "true"),
        ("hckms", "region:key"),
        ("key_groups", {"age": ["x"]}),
        ("key_groups", [{"age": "x"}]),
        ("key_groups", [{"merge": {"age": ["x"]}}]),
        ("key_groups", [{"kms": ["arn"]}]),
        ("key_groups", [{"kms": [{"context": ["a"]}]}]),
        ("key_groups", [{"merge": [{"merge": [{"pgp": "x"}]}]}]),
    ],
)
def test_rule_field_of_another_type_is_refused_at_once(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match="Could not unmarshal config file: cannot unmarshal") as caught:
        rule_of(**{field: value})
    assert (caught.value.where or "").startswith(f"creation_rules[0].{field}")


@pytest.mark.parametrize("field", ["age", "pgp", "kms", "gcp_kms", "azure_keyvault", "hc_vault_transit_uri"])
def test_rule_line_of_another_type_is_kept_until_used(field: str) -> None:
    rule = rule_of(**{field: 5})
    with pytest.raises(ConfigError, match="expected string, \\[\\]string, or nil, got int"):
        rule.key_line(field)


def test_group_flattens_merges_before_its_own_keys() -> None:
    group = {"age": ["own"], "merge": [{"age": ["m1"]}, {"age": ["m3"], "merge": [{"pgp": ["m2"]}]}]}
    assert group_of(group) == [("age", "m1"), ("pgp", "m2"), ("age", "m3"), ("age", "own")]


def test_group_orders_kinds_as_sops_does() -> None:
    group = {
        "hc_vault": ["v"],
        "azure_keyvault": [{"vaultUrl": "u"}],
        "hckms": [{"key_id": "h"}],
        "gcp_kms": [{"resource_id": "g"}],
        "kms": [{"arn": "k"}],
        "pgp": ["p"],
        "age": ["a"],
    }
    assert group_of(group) == [
        ("age", "a"),
        ("pgp", "p"),
        ("kms", "k"),
        ("gcp_kms", "g"),
        ("hckms", "h"),
        ("azure_kv", "u"),
        ("hc_vault", "v"),
    ]


def test_group_of_great_depth_is_flattened() -> None:
    group: dict[str, object] = {"age": ["deep"]}
    branch: Node = branch_of(group)
    for _ in range(3000):
        branch = Branch([Item("merge", Sequence([branch]))])
    root = Branch([Item("creation_rules", Sequence([Branch([Item("key_groups", Sequence([branch]))])]))])
    rules = read_config(root).creation_rules
    assert rules is not None
    assert [entry.fields["recipient"] for entry in rules[0].key_groups[0]] == ["deep"]


def test_group_key_of_aws_keeps_role_context_and_profile() -> None:
    rule = rule_of(key_groups=[{"kms": [{"arn": "a", "role": "r", "context": {"x": 1, "y": None}, "aws_profile": "p"}]}])
    fields: dict[str, str | dict[str, str | None]] = {"arn": "a", "role": "r", "aws_profile": "p", "context": {"x": "1", "y": None}}
    assert rule.key_groups == ((KeyEntry("kms", fields, "creation_rules[0].key_groups[0].kms[0]"),),)


def test_groups_keep_an_empty_one() -> None:
    assert rule_of(key_groups=[{}, None, {"age": ["a"]}]).key_groups[0] == ()
    assert len(rule_of(key_groups=[{}, None, {"age": ["a"]}]).key_groups) == 2


def test_stores_default_to_their_own_indentation() -> None:
    assert config_of().stores == StoresConfig(None, None, None)


@pytest.mark.parametrize(
    ("stores", "expected"),
    [
        ({"yaml": {"indent": 2}, "json": {"indent": 0}, "json_binary": {"indent": 3}}, (2, 0, 3)),
        ({"yaml": {"indent": 0}, "json": {"indent": -1}, "json_binary": None}, (None, None, None)),
        ({"yaml": {"indent": -2}, "json": {"indent": -2}, "dotenv": {}, "ini": None}, (-2, -2, None)),
    ],
)
def test_stores_read_their_indentation(stores: object, expected: tuple[int | None, ...]) -> None:
    assert tuple(config_of(stores=stores).stores) == expected


@pytest.mark.parametrize("stores", [[], {"yaml": 2}, {"yaml": {"indent": "2"}}, {"dotenv": 5}])
def test_stores_of_another_type_are_refused(stores: object) -> None:
    with pytest.raises(ConfigError, match="cannot unmarshal"):
        config_of(stores=stores)


@pytest.mark.parametrize(("store", "indent"), [("yaml", 2), ("json", 3), ("binary", 4), ("dotenv", None)])
def test_stores_give_the_indentation_by_name(store: str, indent: int | None) -> None:
    assert StoresConfig(2, 3, 4).indent_of(store) == indent


def test_destination_fills_in_what_vault_needs() -> None:
    rule = config_of(destination_rules=[{"vault_path": "apps/x"}]).destination_rules[0]
    assert (rule.vault_path, rule.vault_kv_mount_name, rule.vault_kv_version) == ("apps/x/", "secret/", 2)


def test_destination_reads_its_recreation_rule() -> None:
    rule = config_of(destination_rules=[{"s3_bucket": "b", "recreation_rule": {"age": "x"}, "omit_extensions": "yes"}]).destination_rules[0]
    assert (rule.destination(), rule.recreation_rule.key_line("age"), rule.omit_extensions) == ("s3", "x", True)
    assert rule.recreation_rule.where == "destination_rules[0].recreation_rule"


NAMES = st.sampled_from(
    [
        "creation_rules",
        "destination_rules",
        "stores",
        "recreation_rule",
        "key_groups",
        "merge",
        "age",
        "kms",
        "context",
        "yaml",
        "indent",
        "<<",
        "hckms",
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(NAMES, ANYTHING, max_size=4))
def test_any_mapping_is_read_or_refused_with_a_place(values: dict[str, object]) -> None:
    try:
        config = read_config(branch_of(values))
    except ConfigError as error:
        assert error.where
    else:
        if "<<" not in values:  # a merge may bring rules of its own
            assert (config.creation_rules is None) == (not isinstance(values.get("creation_rules"), list))

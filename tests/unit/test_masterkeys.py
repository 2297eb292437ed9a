"""Master keys of rules, options and environment. Expected keys were compared with `sops updatekeys` of 3.13.2."""

from __future__ import annotations

import pytest

from secrettool.errors import ConfigError, ExitCode, UsageError
from secrettool.masterkeys import ExplicitKeys, explicit_groups, explicit_keys, groups_of_rule
from secrettool.sops.keygroups import KeyGroup
from secrettool.sops.rules import CreationRule, KeyEntry
from secrettool.sops.tree import Leaf, Node, Sequence

ONE = "age1jwuhmyextvr0rkcvvl8m367lm54t6k0m5yknsdf6nsstpwpccc3srskwc2"
TWO = "age149t8ysk339dztvj6ccmgad7k8uer7satyyprak935e6nd3txgsdskskut7"
VAULT = "https://vault.example.com:8200/v1/transit/keys/k1"
AZURE = "https://v.vault.azure.net/keys/n/v1"
GOOGLE = "projects/p/locations/global/keyRings/r/cryptoKeys/k"


def rule_of(**lines: Node) -> CreationRule:
    """A rule with these lines."""
    return CreationRule("creation_rules[0]", lines=lines, aws_profile="prof")


def group_rule(*entries: KeyEntry) -> CreationRule:
    """A rule with one key group."""
    return CreationRule("creation_rules[0]", key_groups=(entries,))


def entry(kind: str, **fields: str) -> KeyEntry:
    """A key of a group."""
    return KeyEntry(kind, fields, "creation_rules[0].key_groups[0]")


def shown(groups: tuple[KeyGroup, ...] | None) -> list[list[tuple[str, str]]]:
    """Kind and text of every key."""
    assert groups is not None
    return [[(key.kind, key.text) for key in group] for group in groups]


def test_rule_lines_form_one_group_in_the_order_of_sops() -> None:
    rule = rule_of(
        hc_vault_transit_uri=Leaf(f"{VAULT}, {VAULT}2"),
        azure_keyvault=Sequence([Leaf(AZURE)]),
        hckms=Sequence([Leaf(" eu-west:abc "), Leaf("a:b,c:d")]),
        gcp_kms=Leaf(f"{GOOGLE} , {GOOGLE} 2"),
        kms=Leaf("arn:aws:kms:x:1:key/a+arn:aws:iam::1:role/r, arn:aws:kms:x:1:key/b"),
        pgp=Leaf("ABCD EF01, 1234"),
        age=Leaf(ONE),
    )
    assert shown(groups_of_rule(rule)) == [
        [
            ("age", ONE),
            ("pgp", "ABCDEF01"),
            ("pgp", "1234"),
            ("kms", "arn:aws:kms:x:1:key/a+arn:aws:iam::1:role/r||prof"),
            ("kms", "arn:aws:kms:x:1:key/b||prof"),
            ("gcp_kms", GOOGLE),
            ("gcp_kms", f"{GOOGLE}2"),
            ("hckms", "eu-west:abc"),
            ("hckms", "a:b"),
            ("hckms", "c:d"),
            ("azure_kv", AZURE),
            ("hc_vault", VAULT),
            ("hc_vault", f"{VAULT}2"),
        ]
    ]


def test_rule_lines_keep_duplicates() -> None:
    assert shown(groups_of_rule(rule_of(age=Leaf(f"{ONE},{ONE}")))) == [[("age", ONE), ("age", ONE)]]


def test_rule_without_keys_has_one_empty_group() -> None:
    assert groups_of_rule(rule_of()) == ((),)


def test_rule_line_with_an_empty_part_in_a_list_is_refused_for_age() -> None:
    with pytest.raises(ConfigError, match="unknown recipient type") as caught:
        groups_of_rule(rule_of(age=Sequence([Leaf(ONE), Leaf("")])))
    assert caught.value.where == "creation_rules[0].age"


def test_rule_context_goes_to_the_kms_line() -> None:
    assert shown(groups_of_rule(rule_of(kms=Leaf("arn")), {"b": "2", "a": "1"})) == [[("kms", "arn|a:1,b:2|prof")]]


def test_key_group_drops_duplicates_and_keeps_the_first() -> None:
    rule = group_rule(entry("age", recipient=f"{TWO} "), entry("age", recipient=ONE), entry("age", recipient=TWO), entry("pgp", fp=TWO))
    assert shown(groups_of_rule(rule)) == [[("age", TWO), ("age", ONE), ("pgp", TWO)]]


def test_key_group_splits_only_age_at_commas() -> None:
    rule = group_rule(entry("age", recipient=f"{ONE}, {TWO}"), entry("pgp", fp="ab, cd"))
    assert shown(groups_of_rule(rule)) == [[("age", ONE), ("age", TWO), ("pgp", "ab,cd")]]


def test_key_group_takes_keys_of_every_kind() -> None:
    kms = KeyEntry("kms", {"arn": "arn a", "role": "r", "aws_profile": "p", "context": {"z": "1"}}, "x")
    rule = group_rule(
        kms,
        entry("gcp_kms", resource_id=f"{GOOGLE} 2"),
        entry("hckms", key_id=" x : y "),
        entry("azure_kv", vault_url="https://v", name="n", version="12"),
        entry("hc_vault", uri=VAULT),
    )
    assert shown(groups_of_rule(rule)) == [
        [
            ("kms", "arn a+r|z:1|p"),
            ("gcp_kms", f"{GOOGLE}2"),
            ("hckms", " x : y "),
            ("azure_kv", "https://v/keys/n/12"),
            ("hc_vault", VAULT),
        ]
    ]


def test_key_group_hides_the_lines() -> None:
    rule = group_rule(entry("age", recipient=ONE))._replace(lines={"age": Leaf(TWO)})
    assert shown(groups_of_rule(rule)) == [[("age", ONE)]]


@pytest.mark.parametrize(
    "broken", [entry("age", recipient="age1abc"), entry("hckms", key_id=""), entry("hc_vault", uri=""), entry("hc_vault", uri="x")]
)
def test_key_group_with_a_broken_key_is_refused(broken: KeyEntry) -> None:
    with pytest.raises(ConfigError) as caught:
        groups_of_rule(group_rule(broken))
    assert caught.value.where == "creation_rules[0].key_groups[0]"


def test_key_group_with_a_null_in_the_encryption_context_is_refused() -> None:
    kms = KeyEntry("kms", {"arn": "a", "role": "", "aws_profile": "", "context": {"z": None}}, "here")
    with pytest.raises(ConfigError, match="null") as caught:
        groups_of_rule(group_rule(kms))
    assert caught.value.where == "here.context.z"


def test_explicit_keys_form_one_group_in_the_order_of_sops() -> None:
    explicit = ExplicitKeys(
        age=ONE, hc_vault=VAULT, pgp="A B", azure_kv=AZURE, hckms="a:b", gcp_kms=GOOGLE, kms="arn", aws_profile="p", encryption_context="k:v"
    )
    kinds = ["kms", "gcp_kms", "hckms", "azure_kv", "pgp", "hc_vault", "age"]
    (group,) = shown(explicit_groups(explicit))
    assert [kind for kind, _ in group] == kinds
    assert group[0] == ("kms", "arn|k:v|p")


def test_explicit_keys_keep_duplicates() -> None:
    assert shown(explicit_groups(ExplicitKeys(age=f"{ONE},{ONE}"))) == [[("age", ONE), ("age", ONE)]]


def test_explicit_keys_missing_give_no_group() -> None:
    assert explicit_groups(ExplicitKeys()) is None


def test_explicit_keys_of_commas_give_an_empty_group() -> None:
    assert explicit_groups(ExplicitKeys(hckms=",")) == ((),)


@pytest.mark.parametrize("explicit", [ExplicitKeys(encryption_context="a"), ExplicitKeys(age=ONE, encryption_context="a:b,")])
def test_explicit_context_malformed_is_refused(explicit: ExplicitKeys) -> None:
    with pytest.raises(UsageError) as caught:
        explicit_groups(explicit)
    assert caught.value.code == ExitCode.KMS_CONTEXT
    assert explicit.context_or_none() is None


def test_options_hide_their_variables_one_by_one() -> None:
    environ = {"SOPS_AGE_RECIPIENTS": ONE, "SOPS_PGP_FP": "A", "SOPS_KMS_ARN": "arn"}
    explicit = explicit_keys({"age": TWO, "pgp": ""}, environ)
    assert (explicit.age, explicit.pgp, explicit.kms) == (TWO, "", "arn")


@pytest.mark.parametrize(
    ("variable", "field"),
    [
        ("SOPS_KMS_ARN", "kms"),
        ("SOPS_GCP_KMS_IDS", "gcp_kms"),
        ("SOPS_HUAWEICLOUD_KMS_IDS", "hckms"),
        ("SOPS_AZURE_KEYVAULT_URLS", "azure_kv"),
        ("SOPS_PGP_FP", "pgp"),
        ("SOPS_VAULT_URIS", "hc_vault"),
        ("SOPS_AGE_RECIPIENTS", "age"),
    ],
)
def test_variables_name_keys(variable: str, field: str) -> None:
    explicit = explicit_keys({}, {variable: "x"})
    assert getattr(explicit, field) == "x"
    assert explicit.given

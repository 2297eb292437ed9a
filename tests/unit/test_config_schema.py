"""The JSON Schema of `.sops.yaml`."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import jsonschema_rs
import pytest

from secrettool.sops.configfile import SopsConfig
from secrettool.sops.rules import KEY_LINES, CreationRule, DestinationRule
from secrettool.sops.selection import SELECTOR_KINDS

SCHEMA: dict[str, Any] = json.loads(resources.files("secrettool").joinpath("schemas/sops-config.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA)

ONE = "age1jwuhmyextvr0rkcvvl8m367lm54t6k0m5yknsdf6nsstpwpccc3srskwc2"
VAULT = "https://vault.example.com:8200/v1/transit/keys/k"


def rule(**fields: object) -> dict[str, object]:
    """A config with one creation rule."""
    return {"creation_rules": [fields]}


def groups(*entries: object) -> dict[str, object]:
    """A config whose rule has these key groups."""
    return rule(key_groups=list(entries))


def destination(**fields: object) -> dict[str, object]:
    """A config with one destination rule."""
    return {"destination_rules": [fields]}


GOOD: dict[str, object] = {
    "nothing": None,
    "empty": {},
    "rules empty": {"creation_rules": []},
    "recipients as text": rule(path_regex=r"secrets/.*\.yaml$", age=f"{ONE},{ONE}"),
    "recipients as list": rule(age=[ONE, "ssh-ed25519 AAAA name"]),
    "every line": rule(
        age=ONE, pgp="ABCD", kms=["arn"], gcp_kms="projects/p", hckms=["r:k"], azure_keyvault=["https://v/keys/k"], hc_vault_transit_uri=VAULT
    ),
    "every selector alone": {"creation_rules": [{kind: "x"} for kind in SELECTOR_KINDS]},
    "selector beside an empty one": rule(encrypted_regex="x", encrypted_suffix=""),
    "flags": rule(mac_only_encrypted="yes"),
    "look-alike of look-ahead": rule(path_regex="(?i)(?:a|b)(?P<name>c)"),
    "groups": groups({"age": [ONE]}, {"merge": [{"age": [ONE], "merge": [{"pgp": ["A"]}]}]}),
    "groups with a threshold": rule(shamir_threshold=2, key_groups=[{"age": [ONE]}, {"age": [ONE]}]),
    "group of every kind": groups(
        {
            "age": [ONE],
            "pgp": ["A"],
            "kms": [{"arn": "a", "role": "r", "context": {"x": "y"}, "aws_profile": "p"}],
            "gcp_kms": [{"resource_id": "x"}],
            "hckms": [{"key_id": "r:k"}],
            "azure_keyvault": [{"vaultUrl": "https://v", "key": "k", "version": "1"}],
            "hc_vault": [VAULT],
        }
    ),
    "destinations": {
        "destination_rules": [
            {"s3_bucket": "b", "s3_prefix": "p", "path_regex": "x", "omit_extensions": True},
            {"gcs_bucket": "b", "gcs_prefix": "p", "recreation_rule": {"age": ONE}},
            {"vault_path": "p", "vault_address": "https://v", "vault_kv_mount_name": "kv", "vault_kv_version": 1},
        ]
    },
    "stores": {"stores": {"yaml": {"indent": 2}, "json": {"indent": -1}, "json_binary": {"indent": 0}, "dotenv": {}, "ini": None}},
    "anchors at the top": {"x-team": [ONE], **rule(age=[ONE])},
}

BAD: dict[str, object] = {
    "list": [],
    "unknown name": {"creation_rule": []},
    "unknown name in a rule": rule(path_regexp="x"),
    "unknown name in a group": groups({"azure_kv": []}),
    "unknown store": {"stores": {"toml": {}}},
    "rules as mapping": {"creation_rules": {"age": ONE}},
    "recipient as number": rule(age=5),
    "recipient list with null": rule(age=[None]),
    "recipient of another kind": rule(age=["AGE-SECRET-KEY-1ABC"]),
    "list with an empty text": rule(pgp=[""]),
    "hckms as text": rule(hckms="r:k"),
    "group keys as text": groups({"age": ONE}),
    "group as list": groups([ONE]),
    "group merge as mapping": groups({"merge": {"age": [ONE]}}),
    "group merge deep": groups({"merge": [{"merge": [{"age": ONE}]}]}),
    "group kms as text": groups({"kms": ["arn"]}),
    "group kms without arn": groups({"kms": [{"role": "r"}]}),
    "group context with null": groups({"kms": [{"arn": "a", "context": {"x": None}}]}),
    "group hckms without region": groups({"hckms": [{"key_id": "k"}]}),
    "group azure without key": groups({"azure_keyvault": [{"vaultUrl": "https://v"}]}),
    "group vault without scheme": groups({"hc_vault": ["vault/v1/transit/keys/k"]}),
    "threshold as text": rule(shamir_threshold="2", key_groups=[{}]),
    "threshold of one": rule(shamir_threshold=1, key_groups=[{}]),
    "threshold without groups": rule(shamir_threshold=2, age=ONE),
    "look-ahead": rule(path_regex="a(?=b)"),
    "look-behind": rule(encrypted_regex="(?<!a)b"),
    "flag as text": rule(mac_only_encrypted="true"),
    "destination without a place": destination(path_regex="x"),
    "destination with two places": destination(s3_bucket="a", gcs_bucket="b"),
    "destination with a wrong engine version": destination(vault_path="p", vault_kv_version=3),
    "destination with a wrong rule": destination(s3_bucket="a", recreation_rule={"age": 5}),
    "indent as text": {"stores": {"yaml": {"indent": "2"}}},
    "indent below zero": {"stores": {"yaml": {"indent": -1}}},
    "indent of dotenv": {"stores": {"dotenv": {"indent": 2}}},
}


def test_schema_is_a_schema() -> None:
    jsonschema_rs.meta.validate(SCHEMA)


@pytest.mark.parametrize("name", GOOD)
def test_schema_accepts(name: str) -> None:
    VALIDATOR.validate(GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_schema_refuses(name: str) -> None:
    assert not VALIDATOR.is_valid(BAD[name])


@pytest.mark.parametrize("first", SELECTOR_KINDS)
@pytest.mark.parametrize("second", SELECTOR_KINDS)
def test_schema_takes_one_selector(first: str, second: str) -> None:
    assert VALIDATOR.is_valid(rule(**{first: "x", second: "x"})) is (first == second)


def test_schema_names_every_field_that_is_read() -> None:
    definitions = SCHEMA["$defs"]
    own = {*CreationRule._fields} - {"where", "lines", "selectors"} | {*KEY_LINES, *SELECTOR_KINDS}
    assert set(definitions["creationRule"]["properties"]) == own
    assert set(definitions["destinationRule"]["properties"]) == {*DestinationRule._fields} - {"where"}
    assert set(SCHEMA["properties"]) == set(SopsConfig._fields)
    assert set(definitions["stores"]["properties"]) == {"yaml", "json", "json_binary", "dotenv", "ini"}


def test_schema_describes_every_field_of_rules() -> None:
    for name in ("creationRule", "destinationRule", "keyGroup"):
        for field, schema in SCHEMA["$defs"][name]["properties"].items():
            assert schema.get("description"), f"{name}.{field}"
